"""Where heat lies, against what chance would give."""

import numpy as np
import pytest

from lucency.datasets.phantoms import make_chests
from lucency.datasets.radiographs import Radiograph
from lucency.evaluation.heat_shares import HeatShare, heat_shares, share_in, share_in_box


@pytest.fixture(scope="module")
def chest() -> Radiograph:
    pixels = next(make_chests(1, seed=5)).pixels
    return Radiograph(pixels, bits=12, kind="png")


def test_the_share_in_a_part() -> None:
    heat = np.array([[3, 1], [0, 4]], dtype=np.float32)
    part = np.array([[True, False], [False, False]])
    assert share_in(heat, part) == HeatShare(pytest.approx(3 / 8), pytest.approx(1 / 4))


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 0, 5, 10), (0.5, 0.5)),
        ((-9, -9, 99, 99), (1.0, 1.0)),
        ((5, 5, 5, 5), (0.0, 0.0)),
    ],
    ids=["half", "beyond the image", "empty"],
)
def test_the_share_in_a_box(box: tuple[int, ...], expected: tuple[float, float]) -> None:
    share = share_in_box(np.ones((10, 10), np.float32), np.array(box, dtype=np.float64))
    assert (share.heat, share.area) == pytest.approx(expected)


def test_no_heat_has_no_share() -> None:
    share = share_in_box(np.zeros((10, 10), np.float32), np.array([0.0, 0, 5, 10]))
    assert share == HeatShare(0.0, 0.5)


def test_even_heat_has_chances_share_everywhere(chest: Radiograph) -> None:
    shares = heat_shares(chest, np.ones(chest.pixels.shape, np.float32), chest=True)
    assert set(shares) == {"body", "lungs"}
    for share in shares.values():
        assert share is not None
        assert share.heat == pytest.approx(share.area, abs=1e-4)
    assert shares["lungs"] is not None
    assert 0.15 < shares["lungs"].area < 0.5


def test_lungs_are_looked_for_in_chests_only(chest: Radiograph) -> None:
    assert set(heat_shares(chest, np.ones(chest.pixels.shape, np.float32), chest=False)) == {"body"}


def test_lungs_that_are_not_there() -> None:
    even = Radiograph(np.full((100, 100), 9, np.uint8), bits=8, kind="png")
    shares = heat_shares(even, np.ones((100, 100), np.float32), chest=True)
    assert shares == {"body": HeatShare(pytest.approx(1.0), 1.0), "lungs": None}

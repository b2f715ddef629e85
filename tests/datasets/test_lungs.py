"""Lungs found without a model, against the phantoms' own and in real radiographs."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lucency.datasets import phantom_chests
from lucency.datasets.lungs import find_lungs
from lucency.datasets.phantoms import make_chests, make_limbs
from lucency.datasets.radiographs import Greyscale, Radiograph, read_radiograph

# Behind heart and diaphragm a phantom's lung is thinner than this many cm.
_DEEP_CM = 3.5


@pytest.fixture
def chests(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Radiograph, NDArray[np.bool_]]]:
    """Phantoms, sick and healthy, with where their lungs are."""
    paths = []
    of_anatomy = phantom_chests.lung_path

    def recorded(*parts: object) -> NDArray[np.float32]:
        paths.append(of_anatomy(*parts))  # type: ignore[arg-type]
        return paths[-1]

    monkeypatch.setattr(phantom_chests, "lung_path", recorded)

    def made() -> Iterator[tuple[Radiograph, NDArray[np.bool_]]]:
        for phantom in make_chests(5, seed=11, size=224):
            yield Radiograph(phantom.pixels, bits=12, kind="png"), paths[-1] > _DEEP_CM

    return made()


def dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


def test_phantoms_lungs(chests: Iterator[tuple[Radiograph, NDArray[np.bool_]]]) -> None:
    found = [(find_lungs(radiograph), truth) for radiograph, truth in chests]
    scores = [0.0 if lungs is None else dice(lungs, truth) for lungs, truth in found]
    assert len(scores) >= 10
    assert min(scores) > 0.88
    assert np.median(scores) > 0.92


def test_inverted_pixels_and_other_sizes_are_the_same_lungs() -> None:
    pixels = next(make_chests(1, seed=2)).pixels
    plain = find_lungs(Radiograph(pixels, bits=12, kind="png"))
    inverted = find_lungs(
        Radiograph(4095 - pixels, bits=12, kind="dicom", greyscale=Greyscale(inverted=True))
    )
    large = find_lungs(Radiograph(np.kron(pixels, np.ones((3, 2), np.uint16)), 12, "png"))
    assert plain is not None
    assert inverted is not None
    assert large is not None
    assert dice(plain, inverted) > 0.98
    assert large.shape == (960, 640)
    assert dice(plain, large[1::3, 1::2]) > 0.97


def test_a_white_lung_is_not_made_up() -> None:
    phantom = next(make_chests(1, seed=2))
    pixels = phantom.pixels.copy()
    pixels[:, :160] = np.percentile(pixels, 90)
    assert find_lungs(Radiograph(pixels, bits=12, kind="png")) is None


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 1), np.uint8),
        np.full((64, 64), 100, np.uint8),
        np.random.default_rng(0).integers(0, 255, (200, 150)).astype(np.uint8),
        *[phantom.pixels for phantom in make_limbs(1, seed=4, size=128)][:1],
    ],
    ids=["one pixel", "even", "noise", "limb"],
)
def test_what_is_no_chest_has_no_lungs(pixels: NDArray[np.generic]) -> None:
    assert find_lungs(Radiograph(pixels, bits=12, kind="png")) is None


@pytest.mark.real_data
def test_most_real_chests_have_lungs_of_a_likely_size(lucency_data: Path) -> None:
    files = sorted((lucency_data / "tb_sites" / "images").iterdir())[::20]
    found = [find_lungs(read_radiograph(path)) for path in files]
    shares = [float(lungs.mean()) for lungs in found if lungs is not None]
    assert len(shares) >= 0.85 * len(files)
    assert min(shares) > 0.08
    assert max(shares) < 0.55


@pytest.mark.real_data
def test_hands_and_legs_have_none(lucency_data: Path) -> None:
    files = sorted((lucency_data / "fracatlas/images/Fractured").glob("*.jpg"))[::40]
    found = [path.name for path in files if find_lungs(read_radiograph(path)) is not None]
    assert len(found) <= 0.1 * len(files), found

import math

import pytest

from lucency.annotations.geometry import Box, box_around, overlap


def test_a_box_knows_its_sides_and_area() -> None:
    box = Box(1.5, 2.0, 4.0, 8.0)
    assert (box.width, box.height, box.area) == (2.5, 6.0, 15.0)


@pytest.mark.parametrize(
    "corners",
    [(2, 0, 1, 1), (0, 2, 1, 1), (0, 0, math.nan, 1), (-math.inf, 0, 1, 1)],
    ids=["x turned", "y turned", "nan", "infinite"],
)
def test_a_wrong_box_cannot_be_made(corners: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="box must have"):
        Box(*corners)


@pytest.mark.parametrize(
    ("box", "clipped"),
    [
        (Box(2, 3, 4, 5), Box(2, 3, 4, 5)),
        (Box(-2, -3, 4, 5), Box(0, 0, 4, 5)),
        (Box(8, 8, 14, 15), Box(8, 8, 10, 9)),
        (Box(20, 20, 30, 30), Box(10, 9, 10, 9)),
    ],
    ids=["inside", "beyond top left", "beyond bottom right", "outside"],
)
def test_clipping_to_10_by_9_px(box: Box, clipped: Box) -> None:
    assert box.clipped(10, 9) == clipped


def test_scaling_multiplies_each_axis() -> None:
    assert Box(1, 2, 3, 4).scaled(2, 10) == Box(2, 20, 6, 40)


def test_box_around_points_in_any_order() -> None:
    assert box_around([(5, 1), (2, 8), (3, 3)]) == Box(2, 1, 5, 8)


@pytest.mark.parametrize("points", [[], [(0.0, math.nan)]], ids=["none", "nan"])
def test_box_around_refuses(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="point"):
        box_around(points)


@pytest.mark.parametrize(
    ("other", "share"),
    [
        (Box(0, 0, 10, 10), 1.0),
        (Box(5, 0, 15, 10), 50 / 150),
        (Box(10, 0, 20, 10), 0.0),
        (Box(2, 2, 4, 4), 0.04),
        (Box(5, 5, 5, 5), 0.0),
    ],
    ids=["same", "half", "touching", "inside", "no-area"],
)
def test_overlap(other: Box, share: float) -> None:
    box = Box(0, 0, 10, 10)
    assert overlap(box, other) == pytest.approx(share)
    assert overlap(other, box) == overlap(box, other)


def test_points_do_not_overlap() -> None:
    assert overlap(Box(1, 1, 1, 1), Box(1, 1, 1, 1)) == 0

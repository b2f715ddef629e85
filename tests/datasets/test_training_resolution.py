"""The recommended resolution and its reason."""

import numpy as np
import pytest

from lucency.datasets.training_resolution import Recommendation, recommend_resolution

NO_BOXES = np.zeros((0, 2))


def recommended(image_wh: tuple[int, int], *sides: float) -> Recommendation:
    """Square boxes of these sides, each in an image of that size."""
    boxes = np.array([[side, side] for side in sides]).reshape(-1, 2)
    sizes = np.tile(np.array(image_wh, dtype=np.float64), (len(sides), 1))
    return recommend_resolution([image_wh] * 3, boxes, sizes)


@pytest.mark.parametrize(
    ("side", "expected"),
    [(200, 416), (80, 416), (78, 640), (52, 640), (50, 1024), (32, 1024), (31, 1280)],
    ids=str,
)
def test_the_smallest_at_which_boxes_are_16_pixels(side: float, expected: int) -> None:
    found = recommended((2048, 1500), *[side] * 20)
    assert (found.resolution, found.enough) == (expected, True)
    assert [row.resolution for row in found.rows] == [416, 640, 1024, 1280]


def test_one_box_in_twenty_may_be_small_and_one_in_a_hundred_tiny() -> None:
    assert recommended((2048, 2048), *[200] * 95, *[60] * 5).resolution == 416
    assert recommended((2048, 2048), *[200] * 94, *[60] * 6).resolution == 640
    assert recommended((2048, 2048), *[200] * 99, *[30] * 1).resolution == 416
    assert recommended((2048, 2048), *[200] * 98, *[30] * 2).resolution == 640


def test_shares_of_boxes() -> None:
    rows = recommended((1280, 1280), 10, 20, 40, 80).rows
    assert [(r.resolution, r.below_8, r.below_16, r.below_32) for r in rows] == [
        (416, 0.5, 0.75, 1.0),  # 3.25, 6.5, 13, 26 pixels
        (640, 0.25, 0.5, 0.75),  # 5, 10, 20, 40
        (1024, 0.0, 0.25, 0.5),  # 8, 16, 32, 64: the limits themselves are not below
        (1280, 0.0, 0.25, 0.5),
    ]


def test_boxes_at_a_limit_are_not_below_it() -> None:
    (row,) = (r for r in recommended((1280, 1280), 10, 20, 40).rows if r.resolution == 1024)
    assert (row.below_8, row.below_16, row.below_32) == (0.0, pytest.approx(1 / 3), 0.666667)
    assert (row.median_shorter_side_px, row.cost) == (16.0, 2.56)


def test_never_more_than_the_images_have() -> None:
    found = recommended((512, 400), 19, 19)
    assert (found.resolution, found.enough) == (512, True)
    assert [row.resolution for row in found.rows] == [416, 512]
    assert recommended((100, 90), 40).rows[-1].resolution == 96
    found = recommended((512, 512), *[10] * 9, 30)
    assert not found.enough
    assert "adds no detail" in found.reason
    assert found.rows[-1].below_16 == 0.9


def test_no_pixels_for_nothing() -> None:
    """One large image among small ones makes larger resolutions possible, not useful."""
    boxes = np.array([[12.0, 12.0]] * 99 + [[40.0, 40.0]])
    sizes = np.array([[400.0, 400.0]] * 99 + [[2000.0, 2000.0]])
    found = recommend_resolution([(400, 400), (2000, 2000)], boxes, sizes)
    assert (found.resolution, found.enough) == (416, False)


def test_tiles_where_the_pixels_are_there() -> None:
    found = recommended((6000, 6000), *[40] * 10)
    assert (found.resolution, found.enough) == (416, False)
    assert "tiles" in found.reason


@pytest.mark.parametrize(
    ("size", "expected", "rows"),
    [((224, 224), 224, [224]), ((512, 512), 448, [224, 320, 448]), ((300, 260), 288, [224, 288])],
    ids=str,
)
def test_sets_without_boxes(size: tuple[int, int], expected: int, rows: list[int]) -> None:
    found = recommended(size)
    assert found.resolution == expected
    assert [(row.resolution, row.below_16) for row in found.rows] == [(r, None) for r in rows]
    assert "no boxes" in found.reason


def test_no_images() -> None:
    found = recommend_resolution([], NO_BOXES, NO_BOXES)
    assert (found.resolution, found.rows) == (None, ())

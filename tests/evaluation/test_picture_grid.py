"""Pictures side by side, and lines of text."""

import numpy as np
import pytest

from lucency.evaluation.picture_grid import GAP_PX, side_by_side, text_strip


def test_pictures_of_any_size_stand_side_by_side() -> None:
    tiles = [np.full((h, w, 3), 200, np.uint8) for h, w in ((10, 20), (30, 5), (1, 1))]
    sheet = side_by_side(tiles)
    assert sheet.shape == (30 + GAP_PX, 3 * (20 + GAP_PX), 3)
    assert (sheet == 200).sum() == sum(tile.size for tile in tiles)


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 1), (4, 1, 4), (5, 2, 4)])
def test_four_stand_in_a_row(count: int, rows: int, columns: int) -> None:
    sheet = side_by_side([np.zeros((6, 6, 3), np.uint8)] * count)
    assert sheet.shape == (rows * (6 + GAP_PX), columns * (6 + GAP_PX), 3)


def test_text_is_light_on_black_and_grows_by_lines() -> None:
    one, two = (text_strip(["TB"] * count, width=60) for count in (1, 2))
    assert one.shape[1:] == two.shape[1:] == (60, 3)
    assert two.shape[0] > one.shape[0]
    assert one.min() == 0 and one.max() > 200
    assert text_strip(["é"], width=60).max() > 200

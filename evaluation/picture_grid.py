"""Pictures side by side on one sheet, with lines of text."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.pictures import FONT

GAP_PX = 4
_COLUMNS = 4
_GROUND = 24
_LINE_PX = 18
_MARGIN_PX = 6
_TEXT_SCALE = 0.45


def side_by_side(tiles: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pictures (H, W, 3) of any sizes, at most four in a row, on dark ground."""
    columns = min(_COLUMNS, len(tiles))
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    cell_h = max(tile.shape[0] for tile in tiles) + GAP_PX
    cell_w = max(tile.shape[1] for tile in tiles) + GAP_PX
    sheet = np.full((cell_h * len(rows), cell_w * columns, 3), _GROUND, dtype=np.uint8)
    for y, row in enumerate(rows):
        for x, tile in enumerate(row):
            top, left = y * cell_h, x * cell_w
            sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet


def text_strip(lines: Sequence[str], *, width: int) -> NDArray[np.uint8]:
    """Lines of light text on black, (h, width, 3); OpenCV's letters are ASCII only."""
    canvas = np.zeros((_LINE_PX * len(lines) + _MARGIN_PX, width, 3), dtype=np.uint8)
    for number, line in enumerate(lines, start=1):
        ascii_only = line.encode("ascii", "replace").decode()
        place = (_MARGIN_PX, _LINE_PX * number)
        cv2.putText(canvas, ascii_only, place, FONT, _TEXT_SCALE, (225,) * 3, 1, cv2.LINE_AA)
    return canvas

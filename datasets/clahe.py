"""Contrast-limited adaptive histogram equalisation of deep grey levels (CLAHE).

Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV, 1994, with 8 by 8
tiles and 256 bins as OpenCV has it for 8 bits. OpenCV's own for 16 bits counts in 65,536 bins, of
which an image of 8 or 12 bits fills so few that each is clipped and nothing is equalised. Here
there are 256 bins too; between their middles grey levels keep their distance.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

_TILES = 8
_BINS = 256
_STEPS = 16  # in which the curves are tabulated from the middle of a bin to that of the next
_LEVELS = (_BINS - 1) * _STEPS + 1


def equalised(image: NDArray[np.uint16], *, clip_limit: float) -> NDArray[np.uint8]:
    """Equalise a grey image (h, w) over the whole range of 16 bits, into 8 bits.

    No bin of a tile counts for more than ``clip_limit`` times the average of all bins, so
    contrast rises to that multiple at most. Between the centres of four tiles their curves are
    interpolated.
    """
    height, width = image.shape
    spare = ((0, -height % _TILES), (0, -width % _TILES))
    padded = np.pad(image, spare, mode="symmetric")
    tile_h, tile_w = padded.shape[0] // _TILES, padded.shape[1] // _TILES
    places = np.rint(padded * np.float32((_LEVELS - 1) / 65535)).astype(np.uint16)
    bins = ((places + _STEPS // 2) // _STEPS).astype(np.uint8)
    curves = np.empty((_TILES, _TILES, _LEVELS), dtype=np.float32)
    for row, column in np.ndindex(_TILES, _TILES):
        tile = bins[row * tile_h :, column * tile_w :][:tile_h, :tile_w]
        curves[row, column] = _curve(tile, clip_limit=clip_limit)
    result = np.empty(padded.shape, dtype=np.uint8)
    for rows, (above, below), down in _strips(tile_h):
        for columns, (left, right), across in _strips(tile_w):
            around = curves[[above, above, below, below], [left, right, left, right]]
            # (h, w, 4): what the curve of each of the four tiles around makes of a pixel
            greys = np.take(np.ascontiguousarray(around.T), places[rows, columns], axis=0)
            upper = greys[..., 0] + (greys[..., 1] - greys[..., 0]) * across
            lower = greys[..., 2] + (greys[..., 3] - greys[..., 2]) * across
            result[rows, columns] = np.rint(upper + (lower - upper) * down[:, None])
    return np.ascontiguousarray(result[:height, :width])


def _curve(bins: NDArray[np.uint8], *, clip_limit: float) -> NDArray[np.float64]:
    """What becomes of each of `_LEVELS` grey levels, 0 to 255: the clipped cumulative histogram."""
    counted = cv2.calcHist([bins], [0], None, [_BINS], [0, _BINS])
    counts = np.asarray(counted, dtype=np.float64).ravel()
    clipped = np.minimum(counts, max(clip_limit * bins.size / _BINS, 1.0))
    clipped += (bins.size - clipped.sum()) / _BINS
    cumulative = np.cumsum(clipped) * (255.0 / bins.size)
    return np.interp(np.arange(_LEVELS) / _STEPS, np.arange(_BINS), cumulative)


def _strips(tile: int) -> Iterator[tuple[slice, tuple[int, int], NDArray[np.float32]]]:
    """Divide a side of eight tiles at the tiles' centres.

    Yields the pixels of each strip, the tiles before and after it, and the weight (n,) of the
    one after.
    """
    centred = (np.arange(_TILES * tile) + 0.5) / tile - 0.5
    before = np.floor(centred).astype(np.int64)
    for number in range(-1, _TILES):
        start, stop = np.searchsorted(before, [number, number + 1])
        if start < stop:
            weight = (centred[start:stop] - number).astype(np.float32)
            yield slice(start, stop), (max(number, 0), min(number + 1, _TILES - 1)), weight

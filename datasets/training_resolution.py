"""Which resolution to train at: the smallest at which a detector can still see the boxes.

YOLO's finest level has a cell every 8 pixels: a box with a side below that shares its cell with
its surroundings, and one below 16 covers two cells at most. Images are letterboxed, that is, their
longer side is brought to the training resolution; enlarging one adds no detail, so none is
measured as larger than it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

RESOLUTIONS = (416, 640, 1024, 1280)
# The largest share of boxes that may be smaller than so many pixels along their shorter side.
MOST_BELOW_16, MOST_BELOW_8 = 0.05, 0.01
REFERENCE_PX = 640
# A network's strides divide its input, so sides are multiples of this.
_STRIDE = 32
# Sets without boxes: Sabottke and Spieler, "The effect of image resolution on deep learning in
# radiography" (Radiology: AI 2020), found the best AUCs of most chest findings between 256 and 448.
CLASSIFIER_RESOLUTIONS = (224, 320, 448)
# A point of percentage is hardly worth the pixels.
_HARDLY = 0.01
_ROUNDING_PX = 1e-3


@dataclass(frozen=True)
class ResolutionRow:
    """What becomes of the boxes at one resolution; ``cost`` is that of 640 pixels times so many.

    ``below_8``, ``below_16`` and ``below_32`` are shares of the boxes, and with
    ``median_shorter_side_px`` None where there are no boxes.
    """

    resolution: int
    below_8: float | None
    below_16: float | None
    below_32: float | None
    median_shorter_side_px: float | None
    cost: float


@dataclass(frozen=True)
class Recommendation:
    """The recommended ``resolution`` in pixels, None without images, its ``reason``, and all rows.

    ``enough`` is False where even the largest resolution leaves too many boxes too small.
    """

    resolution: int | None
    reason: str
    enough: bool
    rows: tuple[ResolutionRow, ...]


def recommend_resolution(
    image_sizes_wh: Sequence[tuple[int, int]],
    box_sides_wh: NDArray[np.float64],
    box_image_sizes_wh: NDArray[np.float64],
) -> Recommendation:
    """Choose a resolution from the sizes of images and, (N, 2) px each, of boxes and their images.

    The smallest at which at most 5 % of the boxes are below 16 pixels and at most 1 % below 8
    along their shorter side, and never more than the images have themselves. Where there is none,
    the smallest at which hardly more boxes are below 16 pixels than at the largest.
    """
    if not image_sizes_wh:
        return Recommendation(None, "There is no image that can be read.", True, ())
    longest = [max(size) for size in image_sizes_wh]
    if len(box_sides_wh) == 0:
        return _for_classifiers(_as_resolution(median(longest)))
    own = _as_resolution(max(longest))
    candidates = sorted({r for r in RESOLUTIONS if r < own} | {min(own, max(RESOLUTIONS))})
    rows = tuple(_row(r, box_sides_wh, box_image_sizes_wh) for r in candidates)
    for number, row in enumerate(rows):
        if _serves(row):
            return Recommendation(row.resolution, _reason(rows[: number + 1], own), True, rows)
    best = rows[-1].below_16 or 0.0
    row = next(row for row in rows if (row.below_16 or 0.0) <= best + _HARDLY)
    stored = float((box_sides_wh.min(axis=1) < 16 - _ROUNDING_PX).mean())
    reason = _not_enough(row, rows[-1], stored=stored)
    return Recommendation(row.resolution, reason, False, rows)


def _as_resolution(side: float) -> int:
    """The multiple of the stride that is nearest to a side."""
    return max(_STRIDE, round(side / _STRIDE) * _STRIDE)


def _row(
    resolution: int, sides_wh: NDArray[np.float64], sizes_wh: NDArray[np.float64]
) -> ResolutionRow:
    factors = np.minimum(1.0, resolution / sizes_wh.max(axis=1))
    shorter = sides_wh.min(axis=1) * factors
    # Corners come from fractions in text files: 16 may have become 15.9999.
    below = [round(float((shorter < limit - _ROUNDING_PX).mean()), 6) for limit in (8, 16, 32)]
    middle = round(float(np.median(shorter)), 1)
    return ResolutionRow(resolution, below[0], below[1], below[2], middle, _cost(resolution))


def _cost(resolution: int) -> float:
    return round((resolution / REFERENCE_PX) ** 2, 2)


def _serves(row: ResolutionRow) -> bool:
    return (row.below_16 or 0.0) <= MOST_BELOW_16 and (row.below_8 or 0.0) <= MOST_BELOW_8


def _reason(rows: Sequence[ResolutionRow], own: int) -> str:
    row = rows[-1]
    text = f"At {row.resolution:,} px {_shares(row)}"
    if len(rows) > 1:
        return f"{text}; at {rows[-2].resolution:,} px {_shares(rows[-2])}."
    ending = "the images have no more" if row.resolution == own else "it is the smallest considered"
    return f"{text}, and {ending}."


def _not_enough(row: ResolutionRow, last: ResolutionRow, *, stored: float) -> str:
    """``stored`` is the share below 16 pixels in the images as they are."""
    text = f"At {row.resolution:,} px {_shares(row)}"
    if row is not last:
        text += f"; at {last.resolution:,} px still {last.below_16 or 0:.1%} are below 16"
    if stored > MOST_BELOW_16:
        return (
            f"{text}. In the images as they are stored it is {stored:.1%}, so a larger resolution "
            "adds no detail: expect the smallest to be missed."
        )
    return f"{text}. Cut the images into tiles, or expect the smallest to be missed."


def _shares(row: ResolutionRow) -> str:
    if not row.below_16:
        return "no box is below 16 px along its shorter side"
    below_8 = f"{row.below_8:.1%}" if row.below_8 else "none"
    return (
        f"{row.below_16:.1%} of the boxes are below 16 px along their shorter side and "
        f"{below_8} below 8"
    )


def _for_classifiers(own: int) -> Recommendation:
    """``own`` is the longer side of the median image."""
    candidates = [r for r in CLASSIFIER_RESOLUTIONS if r < own]
    if own <= max(CLASSIFIER_RESOLUTIONS):
        candidates.append(own)
    rows = tuple(ResolutionRow(r, None, None, None, None, _cost(r)) for r in candidates)
    reason = (
        "There are no boxes to measure. Classifiers of chest radiographs gain little beyond 256 "
        "to 448 px (Sabottke and Spieler 2020)"
    )
    ending = ", and half of the images have no more." if candidates[-1] == own else "."
    return Recommendation(candidates[-1], reason + ending, True, rows)

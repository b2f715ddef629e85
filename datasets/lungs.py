"""Where the lungs are in a frontal chest radiograph, found without a trained model.

Dark regions of many thresholds are candidates, as in MSER (Matas et al., BMVC 2002); each is
compared with the shape of a lung, and the pair that looks most like two lungs is taken. White or
missing lungs have no such pair, and None is the answer. It is meant for telling where the heat of
a map lies, not for measuring lungs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lucency.configs.display import DisplaySpec
from lucency.datasets.display import display
from lucency.datasets.radiographs import Radiograph

Mask = NDArray[np.bool_]
Bits = NDArray[np.uint8]
Grey = NDArray[np.float32]

_SIDE = 192  # pixels of either side of the copy that is searched
_COPY = DisplaySpec(method="percentile", low=0.5, high=99.5, crop="field", longest_side=_SIDE)
# Blurs, in pixels of the copy: one takes out vessels, one leaves only how brightness falls off.
_FINE, _COARSE = 2.0, 0.16 * _SIDE
# Thresholds: shades from 0 to 1, and shades against the surroundings.
_SHADES = np.linspace(0.12, 0.75, 22)
_DIFFERENCES = np.linspace(-0.25, 0.12, 20)
# One lung's share of the copy; its height and width as shares of the side.
_AREA, _HEIGHT, _WIDTH = (0.025, 0.28), (0.25, 0.85), (0.12, 0.5)
# Smaller lungs are less likely, and so are those that differ less from what is around them.
_FULL_AREA, _FULL_CONTRAST = 0.06, 0.3
_HEIGHT_TO_WIDTH = 1.75
_CUT_OFF = 0.35  # of a side of the region's box may lie on the image's edge
_SHAPE = 48  # pixels of the square in which shapes are compared
_CANDIDATES = 25  # of each side, that are tried in pairs
# Between the lungs, as shares of the side; and how far apart their tops may well be.
_GAP = (-0.06, 0.25)
_TOPS = 0.12
# A pair of a lower score is not believed; chosen by looking at 150 radiographs of five sites.
_LEAST_SCORE = 0.125


@dataclass(frozen=True)
class _Region:
    """A dark region: ``mask`` (h, w) with its left upper corner at (x, y) of the copy."""

    mask: Bits
    x: int
    y: int

    @property
    def right(self) -> int:
        return int(self.x + self.mask.shape[1])

    @property
    def bottom(self) -> int:
        return int(self.y + self.mask.shape[0])

    @property
    def area(self) -> int:
        return int(self.mask.sum())

    def in_copy(self) -> Bits:
        """The region as a mask (_SIDE, _SIDE)."""
        whole = np.zeros((_SIDE, _SIDE), dtype=np.uint8)
        whole[self.y : self.bottom, self.x : self.right] = self.mask
        return whole


def find_lungs(radiograph: Radiograph) -> Mask | None:
    """Both lungs as a mask (H, W) of the stored image; None where no two regions look like them.

    What lies behind the heart and the diaphragm is left out.
    """
    shown = display(radiograph, _COPY)
    copy = cv2.resize(shown.image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    both = _both_lungs(np.asarray(copy, dtype=np.float32) / np.float32(255))
    if both is None:
        return None
    x1, y1, x2, y2 = shown.shown
    shares = cv2.resize(both.astype(np.float32), (x2 - x1, y2 - y1))
    found = np.zeros(radiograph.pixels.shape, dtype=np.bool_)
    found[y1:y2, x1:x2] = shares > 0.5
    return found


def _both_lungs(grey: Grey) -> Bits | None:
    """The lungs in the copy (_SIDE, _SIDE) of shades from 0 to 1."""
    smooth = _blurred(grey, _FINE)
    regions = [
        *_dark_regions(smooth, _SHADES),
        *_dark_regions(smooth - _blurred(grey, _COARSE), _DIFFERENCES),
    ]
    lefts = _most_alike(regions, smooth, at_left=True)
    rights = _most_alike(regions, smooth, at_left=False)
    best, lungs = _LEAST_SCORE, None
    for (left_score, left), (right_score, right) in product(lefts, rights):
        score = np.sqrt(left_score * right_score) * _fit_together(left, right)
        if score >= best:
            best, lungs = score, (left, right)
    if lungs is None:
        return None
    return _completed(lungs[0], at_left=True) | _completed(lungs[1], at_left=False)


def _blurred(grey: Grey, sigma: float) -> Grey:
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), sigma), dtype=np.float32)


def _dark_regions(shades: Grey, thresholds: NDArray[np.float64]) -> Iterator[_Region]:
    """The connected parts below each threshold that have the size of a lung."""
    small = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    for threshold in thresholds:
        dark = cv2.morphologyEx((shades < threshold).astype(np.uint8), cv2.MORPH_OPEN, small)
        _, places, boxes, _ = cv2.connectedComponentsWithStats(dark, connectivity=4)
        for number, (x, y, width, height, area) in enumerate(boxes[1:], start=1):
            sizes = (area / _SIDE**2, height / _SIDE, width / _SIDE)
            ranges = (_AREA, _HEIGHT, _WIDTH)
            if all(low < size < high for size, (low, high) in zip(sizes, ranges, strict=True)):
                part = places[y : y + height, x : x + width] == number
                region = _Region(part.astype(np.uint8), int(x), int(y))
                if not _is_cut_off(region):
                    yield region


def _is_cut_off(region: _Region) -> bool:
    """Whether much of a side lies on the image's edge, as with the air beside a body."""
    mask = region.mask
    sides = (
        (region.x == 0, mask[:, 0]),
        (region.y == 0, mask[0]),
        (region.right == _SIDE, mask[:, -1]),
        (region.bottom == _SIDE, mask[-1]),
    )
    return any(on_edge and side.mean() > _CUT_OFF for on_edge, side in sides)


def _most_alike(
    regions: Sequence[_Region], smooth: Grey, *, at_left: bool
) -> list[tuple[float, _Region]]:
    """The regions most like the lung at the image's left or right, with their scores."""
    scored = []
    for region in regions:
        middle = region.x + float(np.nonzero(region.mask)[1].mean())
        if (middle if at_left else _SIDE - middle) <= 0.6 * _SIDE:
            scored.append((_likeness(region, smooth, at_left=at_left), region))
    return sorted(scored, key=lambda one: one[0], reverse=True)[:_CANDIDATES]


def _likeness(region: _Region, smooth: Grey, *, at_left: bool) -> float:
    """How like a lung a region is, from 0 to 1: its shape, proportions, contrast and size."""
    closed = _padded(region.mask, cv2.MORPH_CLOSE, np.ones((11, 11), np.uint8))
    square = cv2.resize(closed.astype(np.float32), (_SHAPE, _SHAPE), interpolation=cv2.INTER_AREA)
    lung = _lung_shape() if at_left else _lung_shape()[:, ::-1]
    overlap = np.sum((square > 0.5) & lung) / np.sum((square > 0.5) | lung)
    height, width = region.mask.shape
    stretch = max(0.0, abs(np.log(height / width / _HEIGHT_TO_WIDTH)) - 0.35)
    whole = _Region(closed, region.x, region.y).in_copy()
    near, far = (cv2.dilate(whole, np.ones((side, side), np.uint8)) for side in (3, 7))
    contrast = smooth[far > near].mean() - smooth[whole > 0].mean()
    size = closed.sum() / _SIDE**2
    return float(
        overlap**2
        * np.exp(-(stretch**2) / 0.15)
        * np.sqrt(np.clip(contrast / _FULL_CONTRAST, 0.0, 1.0))
        * min(size / _FULL_AREA, 1.0) ** 2
    )


def _fit_together(left: _Region, right: _Region) -> float:
    """How well two regions go together as lungs, from 0 to 1."""
    gap = (right.x - left.right) / _SIDE
    if not _GAP[0] <= gap <= _GAP[1]:
        return 0.0
    shared = min(left.bottom, right.bottom) - max(left.y, right.y)
    overlap = shared / max(left.mask.shape[0], right.mask.shape[0])
    if overlap < 0.5:
        return 0.0
    ratio = min(left.area, right.area) / max(left.area, right.area)
    tops = (left.y - right.y) / _SIDE / _TOPS
    return float(overlap * np.sqrt(min(ratio / 0.6, 1.0)) * np.exp(-(tops**2)))


def _completed(region: _Region, *, at_left: bool) -> Bits:
    """The region (_SIDE, _SIDE) with what shadows and ribs take out of it.

    Towards the chest wall a lung is convex, so there its hull counts; towards the heart and the
    diaphragm only gaps narrower than a quarter of its height are closed.
    """
    height = region.mask.shape[0]
    closed = _padded(region.in_copy(), cv2.MORPH_CLOSE, _disc(0.24 * height))
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull = np.zeros_like(closed)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.concatenate(outlines)), 1)
    # 0 from the chest wall to the first of the lung, row by row; the dome stays out of that.
    from_wall = closed if at_left else closed[:, ::-1]
    reached = np.maximum.accumulate(from_wall, axis=1)
    full = closed | (hull & (1 - (reached if at_left else reached[:, ::-1])))
    full = _padded(full, cv2.MORPH_OPEN, _disc(0.08 * height))
    # Thresholds that part the lung from the heart lie inside of its edge.
    return np.asarray(cv2.dilate(full, _disc(3)), dtype=np.uint8)


def _padded(mask: Bits, operation: int, element: Bits) -> Bits:
    """The operation with nothing beyond the mask's edges: OpenCV's closing sticks to them."""
    pad = max(element.shape)
    wide = cv2.copyMakeBorder(mask, pad, pad, pad, pad, cv2.BORDER_CONSTANT)
    done = cv2.morphologyEx(wide, operation, element)[pad:-pad, pad:-pad]
    return np.asarray(done, dtype=np.uint8)


def _disc(diameter: float) -> Any:
    side = max(3, int(diameter) | 1)
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


@cache
def _lung_shape() -> Mask:
    """The lung at the image's left in its own box (_SHAPE, _SHAPE).

    Its top is narrow and near the middle of the chest, its base hollow.
    """
    y = np.linspace(0, 1, _SHAPE)[:, None]
    x = np.linspace(0, 1, _SHAPE)[None]
    wall = 0.62 * (1 - np.sqrt(1 - (1 - np.clip(y / 0.75, 0, 1)) ** 2.2))
    border = 0.92 + 0.08 * np.sin(np.pi * y) - 0.25 * np.clip(y - 0.55, 0, 1)
    base = 0.86 + 0.14 * np.abs(x - 0.55) / 0.55
    return np.asarray((x >= wall) & (x <= border) & (y <= base))

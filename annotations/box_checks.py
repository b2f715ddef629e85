"""Boxes that are probably slips: by size, by shape, and by what lies in the same place.

Each threshold is a constant here with its reason. Boxes of FracAtlas cover 1/2,700 to 1/16 of
their image and are up to 7 times as long as wide; of TBX11K 1/380 to 1/4, and 3 times.
"""

import math
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import TypeAlias

from lucency.annotations.census import Census
from lucency.annotations.checked_images import CheckedImage
from lucency.annotations.formats import NORMALISED
from lucency.annotations.geometry import Box, overlap
from lucency.annotations.problems import Problem

# A click that slipped leaves a box of a pixel or two; nobody draws one below three.
SMALLEST_SIDE_PX = 3.0
# At 640 px, the usual input of a detector, a square of this share has a side of 4.5 px: below
# the finest grid (8 px) by so much that nothing of it is left.
SMALLEST_SHARE = 1 / 20_000
LARGEST_SHARE = 0.9
# Rib and clavicle fractures along the bone stay below 8.
LONGEST_TO_WIDEST = 10.0
# By chance, one box in two million; TBX11K's smallest real lesions are at 4.9.
OUTLIER_DEVIATIONS = 5.0
OUTLIER_LEAST_BOXES = 20
# Boxes of one size have a deviation near 0; within 4.5 times the median, none is an outlier.
OUTLIER_LEAST_SPREAD = 0.3
# Two people who box the same finding agree at about 0.8; above 0.9 one box was drawn twice.
SAME_IOU = 0.9
# A finding inside another (a nodule that fills its opacity) does not come as close as this.
SAME_IOU_OTHER_LABEL = 0.95

_Ranked: TypeAlias = tuple[float, Problem]


def check_boxes(images: Sequence[CheckedImage], census: Census) -> Iterator[Problem]:
    """All problems of boxes, the worst of each rule first."""
    limits = _limits(census)
    found: list[_Ranked] = []
    for image in images:
        if image.entry.findings.labels:
            found += _sizes(image, limits)
            found += _same_places(image)
    return (problem for _, problem in sorted(found, key=itemgetter(0)))


_Limits: TypeAlias = dict[str, tuple[float, float, float]]


def _limits(census: Census) -> _Limits:
    """Of each class with enough boxes: median, least and greatest logarithm of the size."""
    limits: _Limits = {}
    for label, count in census.classes.items():
        if count.boxes >= OUTLIER_LEAST_BOXES:
            middle, spread = count.typical()
            reach = OUTLIER_DEVIATIONS * max(spread, OUTLIER_LEAST_SPREAD)
            limits[label] = middle, middle - reach, middle + reach
    return limits


_NO_LIMITS = (0.0, -math.inf, math.inf)


def _sizes(image: CheckedImage, limits: _Limits) -> Iterator[_Ranked]:
    """Boxes too small, too large or too long, and the outliers of their class.

    A box that one rule has found is not told by the next.
    """
    entry = image.entry
    width, height = entry.size_wh
    smallest_px = 0.0 if entry.size_wh == NORMALISED else SMALLEST_SIDE_PX
    numbers = iter(entry.findings.corners)
    for label, x1, y1, x2, y2 in zip(
        entry.findings.labels, numbers, numbers, numbers, numbers, strict=True
    ):
        across, down = x2 - x1, y2 - y1
        share = across * down / (width * height)
        # Fractions of an unknown size say nothing of the shape: no ratio for them.
        ratio = max(across / down, down / across) if smallest_px else 1.0
        middle, least, greatest = limits.get(label, _NO_LIMITS)
        if min(across, down) < smallest_px or share < SMALLEST_SHARE:
            rule, rank, text = "tiny-box", share, f"{_size(across, down)}: {_part(share)}"
        elif share > LARGEST_SHARE:
            rule, rank, text = "huge-box", -share, f"covers {share:.1%} of the image"
        elif ratio > LONGEST_TO_WIDEST:
            rule, rank = "extreme-shape", -ratio
            text = f"{_size(across, down)}: {ratio:.0f} times as long as wide"
        elif not least <= (size := math.log(share)) <= greatest:
            rule, rank = "size-outlier", -abs(size - middle)
            times, word = math.exp(abs(size - middle)), "larger" if size > middle else "smaller"
            text = f"{_part(share)}, {times:.0f} times {word} than the median of '{label}'"
        else:
            continue
        box = Box(x1, y1, x2, y2)
        yield rank, Problem(rule, text, image.name, entry.source, label=label, box=box)


def _same_places(image: CheckedImage) -> Iterator[_Ranked]:
    """Boxes that lie on another one, each told once."""
    entry = image.entry
    labels, corners = entry.findings.labels, entry.findings.corners
    if len(labels) < 2:
        return
    order = sorted(range(len(labels)), key=lambda number: corners[4 * number])
    told: set[int] = set()
    for place, one in enumerate(order):
        if one in told:
            continue
        x1, y1, x2, y2 = corners[4 * one : 4 * one + 4]
        # Boxes of this IoU share so much of their width that the later cannot start beyond.
        last = x1 + (1 - SAME_IOU) * (x2 - x1)
        for later in range(place + 1, len(order)):
            other = order[later]
            if corners[4 * other] > last:
                break
            if other in told:
                continue
            box, beside = Box(x1, y1, x2, y2), Box(*corners[4 * other : 4 * other + 4])
            iou = overlap(box, beside)
            same = labels[one] == labels[other]
            if iou <= (SAME_IOU if same else SAME_IOU_OTHER_LABEL):
                continue
            told.add(other)
            rule, text = "near-duplicate", f"lies on another '{labels[one]}' with IoU {iou:.2f}"
            if not same:
                rule = "two-labels"
                text = f"'{labels[other]}' lies on '{labels[one]}' with IoU {iou:.2f}"
            problem = Problem(
                rule, text, image.name, entry.source, label=labels[other], box=beside, other=box
            )
            yield -iou, problem


def _size(across: float, down: float) -> str:
    return f"{across:.1f} × {down:.1f} px"


def _part(share: float) -> str:
    return f"{share:.1%} of the image" if share >= 0.001 else f"1/{1 / share:,.0f} of the image"

"""Counting a set: its images by status and split, its boxes by class and split."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from lucency.annotations.checked_images import CheckedImage
from lucency.annotations.findings import Status
from lucency.annotations.records import SPLITS

# The median absolute deviation of a normal distribution, times this, is its standard deviation.
_NORMAL = 1.4826
# A share of the image that no real box has, so that its logarithm is finite.
_SMALLEST = 1e-18


@dataclass
class ClassCount:
    """The boxes of one class: how many, in how many images, by split, and how large.

    ``log_shares`` are the natural logarithms of each box's share of its image's area, since
    sizes of findings are spread by factors and not by pixels.
    """

    boxes: int = 0
    images: int = 0
    by_split: Counter[str] = field(default_factory=Counter)
    log_shares: list[float] = field(default_factory=list)

    def typical(self) -> tuple[float, float]:
        """Median and robust standard deviation of the logarithms of the sizes."""
        middle = median(self.log_shares)
        return middle, _NORMAL * median(abs(value - middle) for value in self.log_shares)


@dataclass(frozen=True)
class Census:
    """Images by split and status (a split may be the empty text), and classes in their order."""

    images: Counter[tuple[str, Status]]
    classes: dict[str, ClassCount]

    @property
    def boxes(self) -> int:
        """How many boxes there are."""
        return sum(count.boxes for count in self.classes.values())

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that hold images with a known status."""
        there = {split for (split, status) in self.images if status is not Status.UNKNOWN}
        return tuple(split for split in SPLITS if split in there)

    def status(self, status: Status) -> int:
        """How many images have a status."""
        return sum(count for (_, found), count in self.images.items() if found is status)

    def to_json(self) -> dict[str, Any]:
        """The counts, ready for JSON."""
        return {
            "images": {status.value: self.status(status) for status in Status},
            "splits": {
                split: {status.value: self.images[split, status] for status in Status}
                for split in self.splits
            },
            "boxes": self.boxes,
            "classes": {
                label: {
                    "boxes": count.boxes,
                    "images": count.images,
                    "by_split": {split: count.by_split[split] for split in self.splits},
                    "median_share_of_image": round(math.exp(count.typical()[0]), 8)
                    if count.boxes
                    else None,
                }
                for label, count in self.classes.items()
            },
        }


def take_census(images: Sequence[CheckedImage], labels: Iterable[str]) -> Census:
    """Count ``images``; ``labels`` are all classes, also those without a box."""
    statuses: Counter[tuple[str, Status]] = Counter()
    classes = {label: ClassCount() for label in labels}
    for image in images:
        entry = image.entry
        statuses[entry.split, entry.status] += 1
        area = entry.size_wh[0] * entry.size_wh[1]
        found = entry.findings
        for label in set(found.labels):
            classes[label].images += 1
        numbers = iter(found.corners)
        for label, x1, y1, x2, y2 in zip(
            found.labels, numbers, numbers, numbers, numbers, strict=True
        ):
            count = classes[label]
            count.boxes += 1
            count.by_split[entry.split] += 1
            share = (x2 - x1) * (y2 - y1) / area
            count.log_shares.append(math.log(max(share, _SMALLEST)))
    return Census(statuses, classes)

"""The stored values of an image as levels: how many pixels have each, and looking them up."""

from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = TypeVar("Grey", np.uint8, np.uint16)

# OpenCV looks up 16-bit pixels from its version 5 on, in a quarter of NumPy's time.
_LOOKS_UP_16_BITS = int(cv2.__version__.split(".")[0]) >= 5
# OpenCV counts in float32, which holds every whole number up to this one.
_MOST_COUNTED = 1 << 24
# With more bins than these NumPy counts fewer pixels than those faster: each of OpenCV's threads
# fills bins of its own, which are then added up.
_FEW_BINS = 1 << 12
_FEW_PIXELS = 1 << 20
# So many pixels tell percentiles; with fewer a bar of a few bright lines may be missed or doubled.
_ENOUGH = 1 << 21


@dataclass(frozen=True)
class Levels:
    """The values that may be stored, and which of them each pixel has.

    ``stored`` (L,) in no particular order; ``places`` (H, W) the place of each pixel's value
    among them.
    """

    stored: NDArray[np.int64]
    places: NDArray[Any]

    @classmethod
    def of(cls, pixels: NDArray[Any]) -> "Levels":
        """All levels that 8 or 16 bits can hold; of 32-bit pixels (H, W) those that occur."""
        if pixels.dtype.itemsize > 2:
            stored, places = np.unique(pixels, return_inverse=True)
            return cls(stored.astype(np.int64), places.reshape(pixels.shape))
        # A signed value's bits, read without sign, are its place: no pixel need be copied.
        unsigned = np.dtype(f"uint{8 * pixels.dtype.itemsize}")
        every = np.arange(1 << (8 * pixels.dtype.itemsize)).astype(unsigned)
        return cls(every.view(pixels.dtype).astype(np.int64), pixels.view(unsigned))

    def counts(self, *, sampled: bool = False) -> NDArray[np.int64]:
        """How many pixels (L,) have each level.

        With ``sampled`` only every n-th row of an image of more than two megapixels counts.
        """
        places = self.places
        if sampled:
            places = places[:: -(-places.size // _ENOUGH)]
        if places.dtype.itemsize > 2:
            return np.bincount(places.ravel(), minlength=len(self.stored))
        return _counted(places, len(self.stored))

    def look_up(self, table: NDArray[Grey]) -> NDArray[Grey]:
        """The entry of ``table`` (L,) for each pixel, as a new array (H, W)."""
        if table.dtype == self.places.dtype and np.array_equal(table, np.arange(len(table))):
            return self.places.copy()
        bits = 8 * self.places.dtype.itemsize
        if bits == 8 or (bits == 16 and _LOOKS_UP_16_BITS):
            return np.asarray(cv2.LUT(self.places, table), dtype=table.dtype)
        return np.take(table, self.places)


def _counted(places: NDArray[Any], count: int) -> NDArray[np.int64]:
    """How often each place (L,) from 0 to ``count`` - 1 occurs."""
    # Most 16-bit images fill 12 bits, and empty bins cost as much as full ones.
    bins = count if count <= _FEW_BINS else int(places.max()) + 1
    if bins > _FEW_BINS and places.size < _FEW_PIXELS:
        return np.bincount(places.ravel(), minlength=count)
    total = np.zeros(count, dtype=np.int64)
    rows = max(1, _MOST_COUNTED // places.shape[1])
    for top in range(0, len(places), rows):
        counted = cv2.calcHist([places[top : top + rows]], [0], None, [bins], [0, bins])
        total[:bins] += np.asarray(counted).ravel().astype(np.int64)
    return total


def percentiles(
    values: NDArray[np.float64], counts: NDArray[np.int64], ranks: tuple[float, float]
) -> tuple[float, float]:
    """Percentiles of the pixels from their histogram, as `numpy.percentile` interpolates them.

    ``values`` (L,) and ``counts`` (L,) of each level, at least one of them above 0.
    """
    occurring = counts > 0
    values, counts = values[occurring], counts[occurring]
    order = np.argsort(values, kind="stable")
    ordered, cumulative = values[order], np.cumsum(counts[order])
    last = int(cumulative[-1]) - 1

    def at(rank: float) -> float:
        position = rank / 100.0 * last
        below = int(position)
        lower, upper = (
            float(ordered[np.searchsorted(cumulative, min(place, last), side="right")])
            for place in (below, below + 1)
        )
        return lower + (upper - lower) * (position - below)

    return at(ranks[0]), at(ranks[1])

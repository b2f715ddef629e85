"""Grey values for people to look at: a viewer windows them itself, so they keep their depth."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucency.configs.display import DisplaySpec
from lucency.datasets.display import reduce_to, shades_of
from lucency.datasets.levels import Levels
from lucency.datasets.radiographs import Radiograph

LARGEST = (1 << 16) - 1
# Shades are counted in 1/255; so far from the straight line nobody sees a curve as one.
_STRAIGHT = 1e-6


@dataclass(frozen=True)
class Viewed:
    """A radiograph as grey values, and how they are shown at first.

    ``grey`` (h, w) uint16, each below 2 to the power of ``bits``. ``low`` and below is black,
    ``high`` and above white, straight between; the other way round where ``inverted``: low values
    are bright. ``low`` is less than ``high``; both may lie outside of what occurs.
    ``stored_wh`` are the sides of the image as stored, which boxes are measured in.
    """

    grey: NDArray[np.uint16]
    stored_wh: tuple[int, int]
    bits: int
    low: float
    high: float
    inverted: bool


@dataclass(frozen=True)
class _View:
    """The grey value (L,) of each level, and how grey values are shown."""

    table: NDArray[np.uint16]
    bits: int
    low: float
    high: float
    inverted: bool


@dataclass(frozen=True)
class _Line:
    """A shade for each stored value: ``slope * value + intercept``, but not below 0 or above 1."""

    slope: float
    intercept: float

    def of(self, values: NDArray[Any]) -> NDArray[np.float64]:
        return np.clip(self.slope * values + self.intercept, 0.0, 1.0)

    def at(self, shade: float) -> float:
        return (shade - self.intercept) / self.slope


def viewed(radiograph: Radiograph, *, longest_side: int | None = None) -> Viewed:
    """Grey values of the whole image, reduced by area so that no side is longer.

    At first they are shown as `display` shows the image with the default `DisplaySpec`. Where that
    is a straight line, they are the stored values, moved so that none is negative. A VOI LUT, a
    sigmoid, a Modality LUT, a step, or more levels than 16 bits hold: there they are the shades
    themselves in 16 bits, and what the file's view leaves out is lost.
    """
    levels = Levels.of(radiograph.pixels)
    shades = shades_of(levels, radiograph, DisplaySpec())
    view = _stored_values(levels, shades, radiograph) or _shades_as_values(shades)
    grey = reduce_to(levels.look_up(view.table), longest_side=longest_side)
    return Viewed(grey, radiograph.size_wh, view.bits, view.low, view.high, view.inverted)


def _shades_as_values(shades: NDArray[np.float64]) -> _View:
    table = np.rint(shades * LARGEST).astype(np.uint16)
    return _View(table, 16, 0.0, float(LARGEST), inverted=False)


def _stored_values(
    levels: Levels, shades: NDArray[np.float64], radiograph: Radiograph
) -> _View | None:
    """Stored values, where their shades are a straight line and they fit into 16 bits."""
    low, high = int(radiograph.pixels.min()), int(radiograph.pixels.max())
    base = min(low, 0)
    if high - base > LARGEST:
        base = low
    if high - base > LARGEST:
        return None
    used = (levels.stored >= low) & (levels.stored <= high)
    padding = np.zeros_like(used)
    if radiograph.padding is not None:
        first, last = radiograph.padding
        padding = (levels.stored >= first) & (levels.stored <= last)
    line = _line(levels.stored[used & ~padding], shades[used & ~padding])
    if line is None:
        return None
    bits = max(1, (high - base).bit_length())
    if low >= 0:
        bits = max(bits, min(radiograph.bits, 16))
    table = np.clip(levels.stored - base, 0, LARGEST).astype(np.uint16)
    # What fills up the rectangle is black in every window, unless the file's view shows it.
    black = padding & (np.abs(line.of(levels.stored) - shades) > _STRAIGHT)
    table[black] = 0 if line.slope > 0 else (1 << bits) - 1
    ends = sorted((line.at(0.0) - base, line.at(1.0) - base))
    # Rounded, since -0.0 and 37.999999999999964 are not what a file says.
    black_at, white_at = (round(end, 6) + 0.0 for end in ends)
    return _View(table, bits, black_at, white_at, inverted=line.slope < 0)


def _line(values: NDArray[np.int64], shades: NDArray[np.float64]) -> _Line | None:
    """The straight line through the shades of values (N,); None where they do not lie on one."""
    between = np.flatnonzero((shades > 0.0) & (shades < 1.0))
    if not len(between):
        return None
    first, last = between[np.argmin(values[between])], between[np.argmax(values[between])]
    if first == last:
        return None
    slope = float((shades[last] - shades[first]) / (values[last] - values[first]))
    if slope == 0.0:
        return None
    line = _Line(slope, float(shades[first] - slope * values[first]))
    return line if np.abs(line.of(values) - shades).max() <= _STRAIGHT else None

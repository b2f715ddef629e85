"""The one function that turns stored values into the 8-bit image a model sees.

Training, evaluation, export and the service all call `display`, so a model never meets pixels
prepared in another way. The steps and their order are those of DICOM's grayscale pipeline
(PS3.3 C.11.1 Modality LUT, C.11.2 VOI LUT, C.7.6.3.1.2 photometric interpretation).
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lucency.configs.display import DisplaySpec
from lucency.datasets.field import find_crop
from lucency.datasets.radiographs import Greyscale, Lut, Radiograph, Window

# Beyond this many levels (32-bit pixels) a table of all levels would be larger than the image.
_MOST_LEVELS = 1 << 17


@dataclass(frozen=True)
class Displayed:
    """A displayed image and how it lies in the stored one.

    ``image`` (h, w) uint8, bone bright; ``shown`` is the part of the stored image that it shows,
    as x1, y1, x2, y2 in stored pixels, half-open.
    """

    image: NDArray[np.uint8]
    shown: tuple[int, int, int, int]

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Pixels of the displayed image for one stored pixel, across and down."""
        x1, y1, x2, y2 = self.shown
        height, width = self.image.shape
        return width / (x2 - x1), height / (y2 - y1)

    def to_displayed(self, points_xy: NDArray[Any]) -> NDArray[Any]:
        """Points (…, 2), or boxes (…, 4) as two corners, from stored into displayed pixels.

        They may come to lie outside of the image where it was cropped.
        """
        pairs = points_xy.shape[-1] // 2
        offset = np.tile(self.shown[:2], pairs)
        return (points_xy - offset) * np.tile(self.scale_xy, pairs)

    def to_stored(self, points_xy: NDArray[Any]) -> NDArray[Any]:
        """Points (…, 2), or boxes (…, 4) as two corners, from displayed into stored pixels."""
        pairs = points_xy.shape[-1] // 2
        offset = np.tile(self.shown[:2], pairs)
        return points_xy / np.tile(self.scale_xy, pairs) + offset


def display(radiograph: Radiograph, spec: DisplaySpec) -> Displayed:
    """Render a radiograph.

    Modality LUT, then VOI LUT, window or percentiles, then MONOCHROME1 inversion, then the
    reduction to ``spec.longest_side``. Every step but the last depends on the stored value
    alone, so it is worked out once for each level and looked up for each pixel.
    """
    shown = find_crop(radiograph, spec.crop)
    x1, y1, x2, y2 = shown
    levels, index = _levels(radiograph.pixels[y1:y2, x1:x2])
    values = _modality_values(levels, radiograph.greyscale)
    if spec.method == "percentile":
        counts = np.bincount(index.ravel(), minlength=len(levels))
        shades = _ramp(values, *_percentiles(values, counts, (spec.low, spec.high)))
    else:
        shades = _as_displayed(values, levels, index, radiograph)
    if radiograph.greyscale.inverted:
        shades = 1.0 - shades
    table = np.rint(shades * 255.0).astype(np.uint8)
    return Displayed(reduce_to(np.take(table, index), longest_side=spec.longest_side), shown)


def reduce_to(image: NDArray[np.uint8], *, longest_side: int | None) -> NDArray[np.uint8]:
    """Reduce (H, W) by area averaging so that no side is longer; smaller images pass as they are.

    Area averaging keeps thin dark lines as a faint grey; plain subsampling may skip them.
    """
    height, width = image.shape
    if longest_side is None or max(height, width) <= longest_side:
        return image
    factor = longest_side / max(height, width)
    size_wh = (max(1, round(width * factor)), max(1, round(height * factor)))
    reduced = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
    return np.asarray(reduced, dtype=np.uint8)


def _levels(pixels: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The levels (L,) that may occur, ascending, and for each pixel (H, W) the index of its level.

    Levels without a pixel may be among them, the first and the last excepted.
    """
    low, high = int(pixels.min()), int(pixels.max())
    if high - low >= _MOST_LEVELS:
        levels, places = np.unique(pixels, return_inverse=True)
        return levels.astype(np.int64), places.reshape(pixels.shape)
    index: NDArray[Any] = pixels if low == 0 else pixels.astype(np.int32) - low
    return np.arange(low, high + 1, dtype=np.int64), index


def _modality_values(levels: NDArray[np.int64], greyscale: Greyscale) -> NDArray[np.float64]:
    if greyscale.modality_lut is not None:
        return _look_up(levels, greyscale.modality_lut).astype(np.float64)
    return levels.astype(np.float64) * greyscale.slope + greyscale.intercept


def _as_displayed(
    values: NDArray[np.float64],
    levels: NDArray[np.int64],
    index: NDArray[Any],
    radiograph: Radiograph,
) -> NDArray[np.float64]:
    """Shades in [0, 1] as the file asks for them, else over the whole range of the pixels."""
    greyscale = radiograph.greyscale
    if greyscale.voi_lut is not None:
        shades = _look_up(np.rint(values).astype(np.int64), greyscale.voi_lut)
        return shades / float((1 << greyscale.voi_lut.bits) - 1)
    if greyscale.window is not None:
        return _windowed(values, greyscale.window)
    plain = greyscale.modality_lut is None and (greyscale.slope, greyscale.intercept) == (1, 0)
    if plain and radiograph.bits == 8 and levels[0] >= 0:
        return _ramp(values, 0.0, 255.0)
    # Only levels that occur count: a Modality LUT need not be monotonic.
    occurring = values[np.bincount(index.ravel(), minlength=len(levels)) > 0]
    return _ramp(values, float(occurring.min()), float(occurring.max()))


def _look_up(inputs: NDArray[np.int64], lut: Lut) -> NDArray[np.uint16]:
    """Inputs below the first take the first entry, inputs above the last the last (C.11.1.1.1)."""
    return lut.values[np.clip(inputs - lut.first, 0, len(lut.values) - 1)]


def _windowed(values: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    """A VOI window: LINEAR (C.11.2.1.2.1), SIGMOID (C.11.2.1.3.1) or LINEAR_EXACT (.3.2)."""
    center, width = window.center, window.width
    if window.function == "SIGMOID":
        # exp overflows beyond 709; the sigmoid is 0 or 1 to the last digit long before.
        power = np.clip(-4.0 * (values - center) / width, -500.0, 500.0)
        return 1.0 / (1.0 + np.exp(power))
    if window.function == "LINEAR":
        center, width = center - 0.5, width - 1.0
    return _ramp(values, center - width / 2, center + width / 2)


def _ramp(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """0 at ``low`` and below, 1 at ``high`` and above, straight between; a step if they meet."""
    if high <= low:
        return (values > low).astype(np.float64)
    return np.clip((values - low) / (high - low), 0.0, 1.0)


def _percentiles(
    values: NDArray[np.float64], counts: NDArray[np.int64], ranks: tuple[float, float]
) -> tuple[float, float]:
    """Percentiles of the pixels from their histogram, as `numpy.percentile` interpolates them.

    ``values`` (L,) and ``counts`` (L,) of each level. Where both percentiles meet, because one
    value fills nearly the whole image, the whole range takes their place.
    """
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

    low, high = at(ranks[0]), at(ranks[1])
    return (low, high) if low < high else (at(0.0), at(100.0))

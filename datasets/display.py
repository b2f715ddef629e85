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
from lucency.datasets.clahe import equalised
from lucency.datasets.field import find_crop
from lucency.datasets.levels import Grey, Levels, percentiles
from lucency.datasets.radiographs import Greyscale, Lut, Radiograph, Window


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
        return np.asarray((points_xy - offset) * np.tile(self.scale_xy, pairs))

    def to_stored(self, points_xy: NDArray[Any]) -> NDArray[Any]:
        """Points (…, 2), or boxes (…, 4) as two corners, from displayed into stored pixels."""
        pairs = points_xy.shape[-1] // 2
        offset = np.tile(self.shown[:2], pairs)
        return np.asarray(points_xy / np.tile(self.scale_xy, pairs) + offset)


def display(
    radiograph: Radiograph,
    spec: DisplaySpec,
    *,
    shown: tuple[int, int, int, int] | None = None,
) -> Displayed:
    """Render a radiograph; ``shown`` is what `find_crop` finds, where that is known.

    The crop; the Modality LUT; VOI LUT, window or percentiles, measured in what the crop shows;
    MONOCHROME1 inversion; the reduction to ``spec.longest_side``; CLAHE. Up to the inversion
    everything depends on the stored value alone, so it is worked out once for each level and
    looked up for each pixel.
    """
    shown = shown or find_crop(radiograph, spec.crop)
    x1, y1, x2, y2 = shown
    levels = Levels.of(radiograph.pixels[y1:y2, x1:x2])
    shades = shades_of(levels, radiograph, spec)
    if spec.clahe is None:
        table = np.rint(shades * 255.0).astype(np.uint8)
        return Displayed(reduce_to(levels.look_up(table), longest_side=spec.longest_side), shown)
    deep = levels.look_up(np.rint(shades * 65535.0).astype(np.uint16))
    reduced = reduce_to(deep, longest_side=spec.longest_side)
    return Displayed(equalised(reduced, clip_limit=spec.clahe), shown)


def reduce_to(image: NDArray[Grey], *, longest_side: int | None) -> NDArray[Grey]:
    """Reduce (H, W) by area averaging so that no side is longer; smaller images pass as they are.

    Area averaging keeps thin dark lines as a faint grey; plain subsampling may skip them.
    """
    height, width = image.shape
    if longest_side is None or max(height, width) <= longest_side:
        return image
    factor = longest_side / max(height, width)
    size_wh = (max(1, round(width * factor)), max(1, round(height * factor)))
    reduced = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
    return np.asarray(reduced, dtype=image.dtype)


def shades_of(levels: Levels, radiograph: Radiograph, spec: DisplaySpec) -> NDArray[np.float64]:
    """The shade (L,) of each level, from 0, black, to 1, white."""
    greyscale = radiograph.greyscale
    values = _modality_values(levels.stored, greyscale)
    views: tuple[Lut | Window, ...] = (*greyscale.voi_luts, *greyscale.windows)
    stretched = False
    if spec.method == "as_displayed" and views:
        shades = _viewed(values, views[spec.view if spec.view < len(views) else 0])
    elif spec.method == "as_displayed" and _is_plain_8_bit(radiograph):
        shades = _ramp(values, 0.0, 255.0)
    else:
        stretched = True
        low, high = (spec.low, spec.high) if spec.method == "percentile" else (0.0, 100.0)
        # Of an inverted image the highest values are black, so the ranks change places.
        ranks = (100.0 - high, 100.0 - low) if greyscale.inverted else (low, high)
        shades = _ramp(values, *_stretch(levels, values, ranks, radiograph.padding))
    if greyscale.inverted:
        shades = 1.0 - shades
    if stretched:
        shades[_is_padding(levels, radiograph.padding)] = 0.0
    return shades


def _stretch(
    levels: Levels,
    values: NDArray[np.float64],
    ranks: tuple[float, float],
    padding: tuple[int, int] | None,
) -> tuple[float, float]:
    """The values between which grey levels lie: percentiles of the picture without its padding.

    Where both meet, because one value fills nearly the whole image, its whole range. All pixels
    count where all are padding.
    """
    is_padding = _is_padding(levels, padding)
    # The ends of the whole range may be single pixels, so nothing may be passed over there.
    if ranks[0] > 0.0 and ranks[1] < 100.0:
        counts = np.where(is_padding, 0, levels.counts(sampled=True))
        low, high = percentiles(values, counts, ranks) if counts.any() else (0.0, 0.0)
        if low < high:
            return low, high
    counts = levels.counts()
    counts = counts if is_padding[counts > 0].all() else np.where(is_padding, 0, counts)
    low, high = percentiles(values, counts, ranks)
    return (low, high) if low < high else percentiles(values, counts, (0.0, 100.0))


def _is_padding(levels: Levels, padding: tuple[int, int] | None) -> NDArray[np.bool_]:
    if padding is None:
        return np.zeros(len(levels.stored), dtype=np.bool_)
    return (levels.stored >= padding[0]) & (levels.stored <= padding[1])


def _is_plain_8_bit(radiograph: Radiograph) -> bool:
    """Whether the stored values are shades as they stand: unsigned, 8 bits, not rescaled."""
    greyscale = radiograph.greyscale
    rescaled = greyscale.modality_lut is not None or greyscale.slope != 1 or greyscale.intercept
    return not rescaled and radiograph.bits == 8 and int(radiograph.pixels.min()) >= 0


def _modality_values(stored: NDArray[np.int64], greyscale: Greyscale) -> NDArray[np.float64]:
    if greyscale.modality_lut is not None:
        return _look_up(stored, greyscale.modality_lut).astype(np.float64)
    return stored.astype(np.float64) * greyscale.slope + greyscale.intercept


def _viewed(values: NDArray[np.float64], view: Lut | Window) -> NDArray[np.float64]:
    """Shades through a VOI LUT or a window."""
    if isinstance(view, Window):
        return _windowed(values, view)
    shades = _look_up(np.rint(values).astype(np.int64), view)
    return shades / float((1 << view.bits) - 1)


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

"""Where in a radiograph the exposed field is, and where in that the body.

Both are found in a copy of about 400 pixels. What is cut off must look like nothing: a margin of
one black, a bar as bright as an unexposed film, or flat background. Where that is not sure, more
is kept, up to the whole image.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lucency.datasets.radiographs import Radiograph

Crop = Literal["none", "field", "body"]
Part = tuple[int, int, int, int]
Grey = NDArray[np.float32]
Mask = NDArray[np.bool_]

_SIDE = 384  # pixels of the longer side of the copy
_SMALLEST = 0.2  # of a side; a smaller part is not believed
# Shades, from 0 to 1 between the percentiles 0.5 and 99.5 of what is left.
_BLACK = 0.03
_WHITE = 0.8
_LIGHT = 0.6
# A bar is this bright along its lines, begins this near to the edge and ends as abruptly.
_BAR_SHARE = 0.85
_BAR_REACH = 0.06
_BAR_STEP = 0.2
_DEEP = 0.2
# Margin around the body, and thickness of what along an edge is no body: shares of the longer side.
_MARGIN = 0.04
# Letters and lead markers are smaller than this share of the image, and apart from the body.
_SPECK = 0.002
_BEYOND_WHITE = float(np.float32(1.0001))  # the end of the histogram of shades


@dataclass(frozen=True)
class ExposedField:
    """What every crop of one radiograph begins with.

    ``part`` is the exposed field in pixels of ``grey``, the small copy that it was found in; None
    of an image that is of one shade or tiny, which is not cropped.
    """

    grey: Grey | None
    part: Part


def find_field(radiograph: Radiograph) -> ExposedField:
    """Find the exposed field, in a fraction of a millisecond for a small image."""
    grey = _small_copy(radiograph)
    return ExposedField(grey, (0, 0, 0, 0) if grey is None else _exposed(grey))


def find_crop(radiograph: Radiograph, crop: Crop, *, exposed: ExposedField | None = None) -> Part:
    """The part of the image to be shown, as x1, y1, x2, y2 in stored pixels, half-open.

    ``field`` leaves out black margins and the bright bars that collimators and the edges of
    cassettes leave, one within the other; ``body`` also leaves out the background around the
    body, with lead markers and letters in it. A few milliseconds, whatever the size; less where
    the ``exposed`` field, from `find_field`, is known.
    """
    width, height = radiograph.size_wh
    if crop == "none":
        return 0, 0, width, height
    exposed = exposed or find_field(radiograph)
    grey = exposed.grey
    if grey is None:
        return 0, 0, width, height
    x1, y1, x2, y2 = exposed.part if crop == "field" else _body(grey, exposed.part)
    rows, columns = grey.shape
    return (
        x1 * width // columns,
        y1 * height // rows,
        -(-x2 * width // columns),
        -(-y2 * height // rows),
    )


def _small_copy(radiograph: Radiograph) -> Grey | None:
    """The image in shades from 0 to 1, bone bright; None if it is of one shade or tiny."""
    greyscale = radiograph.greyscale
    step = max(1, max(radiograph.size_wh) // (2 * _SIDE))
    pixels = np.ascontiguousarray(radiograph.pixels[::step, ::step])
    values = pixels.astype(np.float32)
    lut = greyscale.modality_lut
    falling = greyscale.slope < 0 if lut is None else bool(lut.values[0] > lut.values[-1])
    if greyscale.inverted != falling:
        np.negative(values, out=values)
    if radiograph.padding is not None:
        low, high = radiograph.padding
        padding = (pixels >= low) & (pixels <= high)
        if not padding.all():
            values[padding] = values[~padding].min()
    factor = _SIDE / max(values.shape)
    if factor < 1.0:
        size_wh = [max(1, round(side * factor)) for side in values.shape[::-1]]
        values = np.asarray(cv2.resize(values, size_wh, interpolation=cv2.INTER_AREA), np.float32)
    if min(values.shape) < 32 or values.min() == values.max():
        return None
    return _stretched(values, values)


def _stretched(values: Grey, part: Grey) -> Grey:
    """Shades (h, w) from 0 to 1 between two percentiles of ``part``; all 0 where these meet."""
    low, high = _limits(part[::2, ::2].ravel())
    if high <= low:
        return np.zeros_like(values)
    shades = values - np.float32(low)
    shades *= np.float32(1.0 / (high - low))
    return np.clip(shades, 0.0, 1.0, out=shades)


def _limits(values: Grey) -> tuple[float, float]:
    """The percentiles 0.5 and 99.5 of (n,), as `numpy.percentile` interpolates them.

    In half its time, since only one side is sorted for each; ``values`` come out of order.
    """
    if len(values) < 16:
        low, high = np.percentile(values, [0.5, 99.5])
        return float(low), float(high)
    limits = []
    start = 0
    for rank in (0.005, 0.995):
        position = rank * (len(values) - 1)
        place = int(position)
        values[start:].partition(place - start)
        start = place + 1
        lower, upper = values[place], values[start:].min()
        step, share = float(upper - lower), position - place
        # From the nearer of both, so that rounding is numpy's.
        near = float(lower) + step * share
        limits.append(near if share < 0.5 else float(upper) - step * (1.0 - share))
    return limits[0], limits[1]


def _exposed(grey: Grey) -> Part:
    """Peel bright bars and black margins off, one after the other."""
    rows, columns = grey.shape
    part = (0, 0, columns, rows)
    shades = grey
    while True:
        x1, y1, x2, y2 = part
        inner = shades[y1:y2, x1:x2]
        margins = _bars(inner, (columns, rows), white=_WHITE, most=0.4)
        bars = any(margins)
        left, top, right, bottom = margins if bars else map(_black_lines, _shares(inner <= _BLACK))
        peeled = (x1 + left, y1 + top, x2 - right, y2 - bottom)
        too_small = (
            peeled[2] - peeled[0] < _SMALLEST * columns or peeled[3] - peeled[1] < _SMALLEST * rows
        )
        if peeled == part or too_small:
            return part
        part = peeled
        if bars:  # beside a white margin a whole body may have looked black
            x1, y1, x2, y2 = part
            shades = _stretched(grey, grey[y1:y2, x1:x2])


def _from_outside(image: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """The image (h, w) as lines that begin at the left, the top, the right, the bottom."""
    return image.T, image, image.T[::-1], image[::-1]


def _shares(mask: Mask) -> tuple[NDArray[np.float64], ...]:
    """The share of each line of (h, w) that is set, in the order of `_from_outside`."""
    bits = mask.view(np.uint8)
    height, width = mask.shape
    columns = cv2.reduce(bits, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() / height
    rows = cv2.reduce(bits, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() / width
    return columns, rows, columns[::-1], rows[::-1]


def _black_lines(shares: NDArray[np.float64]) -> int:
    """How many of the outer lines are black from end to end; ``shares`` (n,) of each is black."""
    black = shares >= 0.995
    return len(black) if black.all() else int(np.argmin(black))


def _bars(image: Grey, sides_wh: tuple[int, int], *, white: float, most: float) -> list[int]:
    """How many lines bars take at the left, the top, the right, the bottom; see `_bar_lines`."""
    return [
        _bar_lines(lines, shares, side, white=white, most=most)
        for lines, shares, side in zip(
            _from_outside(image), _shares(image >= white), sides_wh * 2, strict=True
        )
    ]


def _bar_lines(
    lines: Grey, shares: NDArray[np.float64], side: int, *, white: float, most: float
) -> int:
    """How many of the outer lines a bar of ``white`` takes, with what little lies outside of it.

    A bar ends abruptly, even if it lies askew by three degrees; a belly that is as bright ends
    in curves, and is kept: a deep bar has to end in half the lines. ``shares`` (n,) of each line
    is white, ``side`` is the length of the image's side in lines, ``most`` the share of ``lines``
    that a bar may take.
    """
    full = shares >= _BAR_SHARE
    reach = max(3, round(_BAR_REACH * side))
    begins = np.flatnonzero(full[:reach])
    if not len(begins):
        return 0
    end = int(begins[-1]) + 1
    while end < len(full) and full[end]:
        end += 1
    ahead = reach if end <= _DEEP * len(full) else reach // 2
    beyond = (lines[end : end + ahead] >= white - _BAR_STEP).mean(axis=1)
    return end if beyond.min(initial=1.0) <= 0.5 and end <= most * len(full) else 0


def _body(grey: Grey, field: Part) -> Part:
    """The box around all that stands out of a flat background, with a margin; else the field."""
    x1, y1, x2, y2 = field
    edge = round(_MARGIN * max(grey.shape))
    if min(x2 - x1, y2 - y1) <= 3 * edge:
        return field
    inner = grey[y1:y2, x1:x2]
    shades = _stretched(inner, inner)
    part = np.asarray(cv2.GaussianBlur(shades, (0, 0), 1.5), dtype=np.float32)
    background = _background(part, edge)
    if background is None:
        return field
    excess = part - _flattened(part, background)
    noise = 1.48 * _median(np.abs(excess[::2][background[::2]])) + 0.001
    standing_out = excess > max(4.0 * noise, 0.012)
    clearly = excess > max(8.0 * noise, 0.06)
    bars = _bars(part, (x2 - x1, y2 - y1), white=_LIGHT, most=0.12)
    for mask, bar in zip(_from_outside(standing_out), bars, strict=True):
        mask[:bar] = False
        # Along the edge only that counts which goes on inwards: no frame, no letters.
        mask[bar : bar + edge] &= mask[bar + edge]
    box = _box_around(standing_out, clearly)
    if box is None:
        return field
    return (
        max(x1, x1 + box[0] - edge),
        max(y1, y1 + box[1] - edge),
        min(x2, x1 + box[2] + edge),
        min(y2, y1 + box[3] + edge),
    )


def _background(part: Grey, edge: int) -> Mask | None:
    """Where the flat, dark background is (h, w); None where there is no such thing.

    It is the commonest of the darker shades. Lungs are dark, too, but neither flat nor the
    darkest, nor do they lie along the edges.
    """
    # In 256 bins from 0 to 1.0001; OpenCV counts bytes four times as fast as floats.
    bins = np.multiply(part, 256.0 / _BEYOND_WHITE, dtype=np.float64).astype(np.uint8)
    counts = np.asarray(cv2.calcHist([bins], [0], None, [256], [0.0, 256.0])).ravel()
    smooth = np.convolve(counts, np.ones(7) / 7, "same")
    level = (int(np.argmax(smooth[:128])) + 0.5) / 256
    below = np.float32(level) - part
    noise = 1.48 * _median(below[below >= 0.0]) + 0.002
    much_darker = np.count_nonzero(part < level - 6.0 * noise)
    if noise > 0.05 or much_darker / part.size > 0.08:
        return None
    background = np.abs(below, out=below) <= 4.0 * noise
    inside = background[edge:-edge, edge:-edge]
    total = np.count_nonzero(background)
    along = total - cv2.countNonZero(inside.view(np.uint8))
    is_one = total / part.size >= 0.12 and along / (part.size - inside.size) >= 0.25
    return background if is_one else None


def _flattened(part: Grey, background: Mask) -> Grey:
    """The background's shade everywhere (h, w): the medians of columns, then those of rows.

    Image plates are read line by line, which leaves bands along rows and columns.
    """
    bits = background.view(np.uint8)
    # NumPy takes several times as long to transpose.
    lines = np.asarray(cv2.transpose(part[::2]), dtype=np.float32)
    columns = _medians(lines, np.asarray(cv2.transpose(bits[::2]), dtype=np.uint8))
    rows = _medians(part[:, ::2] - columns[::2], np.ascontiguousarray(bits[:, ::2]))
    return np.asarray(columns + rows[:, None], dtype=np.float32)


def _medians(lines: Grey, valid: NDArray[np.uint8]) -> Grey:
    """The median of the valid values of each line; between lines with too few, a straight line."""
    count, length = lines.shape
    counts = cv2.reduce(valid, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
    ordered = cv2.copyTo(lines, valid, np.full_like(lines, np.inf))
    ordered.sort(axis=1)
    enough = np.flatnonzero(counts >= max(1, length // 10))
    if not len(enough):
        return np.zeros(count, dtype=np.float32)
    medians = ordered[enough, counts[enough] // 2]
    return np.asarray(np.interp(np.arange(count), enough, medians), dtype=np.float32)


def _median(values: Grey) -> float:
    """The median of (n,), none of them negative, which come out of order; infinite of none."""
    if not len(values):
        return math.inf
    middle, odd = divmod(len(values), 2)
    values.partition(middle)
    upper = values[middle]
    return float(upper if odd else (values[:middle].max() + upper) / np.float32(2))


def _box_around(mask: Mask, clearly: Mask) -> Part | None:
    """The box around all connected parts in which more than a speck stands out clearly."""
    opened = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, places = cv2.connectedComponents(opened, connectivity=8, ltype=cv2.CV_16U)
    seeds = np.bincount(places[clearly & mask], minlength=count)
    seeds[0] = 0  # what is in no part
    parts = np.flatnonzero(seeds >= _SPECK * mask.size)
    if not len(parts):
        return None
    boxes = [cv2.boundingRect((places == part).view(np.uint8)) for part in parts]
    left, top, width, height = np.array(boxes).T
    return (
        int(left.min()),
        int(top.min()),
        int((left + width).max()),
        int((top + height).max()),
    )

"""Where in a radiograph the exposed field is, and where in that the body.

Both are found in a copy of about 400 pixels. What is cut off must look like nothing: a margin of
one black, a bar as bright as an unexposed film, or flat background. Where that is not sure, more
is kept, up to the whole image.
"""

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


def find_crop(radiograph: Radiograph, crop: Crop) -> Part:
    """The part of the image to be shown, as x1, y1, x2, y2 in stored pixels, half-open.

    ``field`` leaves out black margins and the bright bars that collimators and the edges of
    cassettes leave, one within the other; ``body`` also leaves out the background around the
    body, with lead markers and letters in it. A few milliseconds, whatever the size.
    """
    width, height = radiograph.size_wh
    if crop == "none":
        return 0, 0, width, height
    grey = _small_copy(radiograph)
    if grey is None:
        return 0, 0, width, height
    field = _exposed(grey)
    x1, y1, x2, y2 = field if crop == "field" else _body(grey, field)
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
    pixels = radiograph.pixels[::step, ::step]
    values = np.array(pixels, dtype=np.float32)
    lut = greyscale.modality_lut
    falling = greyscale.slope < 0 if lut is None else bool(lut.values[0] > lut.values[-1])
    if greyscale.inverted != falling:
        values = -values
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
    return _stretched(values, (0, 0, values.shape[1], values.shape[0]))


def _stretched(values: Grey, part: Part) -> Grey:
    """Shades from 0 to 1 between two percentiles of a part; all 0 where these meet."""
    x1, y1, x2, y2 = part
    low, high = np.percentile(values[y1:y2:2, x1:x2:2], [0.5, 99.5])
    if high <= low:
        return np.zeros_like(values)
    shades = (values - np.float32(low)) * np.float32(1.0 / (high - low))
    return np.asarray(np.clip(shades, 0.0, 1.0), dtype=np.float32)


def _exposed(grey: Grey) -> Part:
    """Peel bright bars and black margins off, one after the other."""
    rows, columns = grey.shape
    part = (0, 0, columns, rows)
    shades = grey
    while True:
        x1, y1, x2, y2 = part
        inner = _from_outside(shades[y1:y2, x1:x2])
        margins = [
            _bar_lines(lines, side, white=_WHITE, most=0.4)
            for lines, side in zip(inner, (columns, rows) * 2, strict=True)
        ]
        bars = any(margins)
        left, top, right, bottom = margins if bars else map(_black_lines, inner)
        peeled = (x1 + left, y1 + top, x2 - right, y2 - bottom)
        too_small = (
            peeled[2] - peeled[0] < _SMALLEST * columns or peeled[3] - peeled[1] < _SMALLEST * rows
        )
        if peeled == part or too_small:
            return part
        part = peeled
        if bars:  # beside a white margin a whole body may have looked black
            shades = _stretched(grey, part)


def _from_outside(image: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """The image (h, w) as lines that begin at the left, the top, the right, the bottom."""
    return image.T, image, image.T[::-1], image[::-1]


def _black_lines(lines: Grey) -> int:
    """How many of the outer lines are black from end to end."""
    black = (lines <= _BLACK).mean(axis=1) >= 0.995
    return len(black) if black.all() else int(np.argmin(black))


def _bar_lines(lines: Grey, side: int, *, white: float, most: float) -> int:
    """How many of the outer lines a bar of ``white`` takes, with what little lies outside of it.

    A bar ends abruptly, even if it lies askew by three degrees; a belly that is as bright ends
    in curves, and is kept: a deep bar has to end in half the lines. ``side`` is the length of
    the image's side in lines, ``most`` the share of ``lines`` that a bar may take.
    """
    full = (lines >= white).mean(axis=1) >= _BAR_SHARE
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
    shades = _stretched(grey, field)[y1:y2, x1:x2]
    part = np.asarray(cv2.GaussianBlur(shades, (0, 0), 1.5), dtype=np.float32)
    background = _background(part, edge)
    if background is None:
        return field
    excess = part - _flattened(part, background)
    noise = 1.48 * float(np.median(np.abs(excess[::2][background[::2]]))) + 0.001
    standing_out = excess > max(4.0 * noise, 0.012)
    clearly = excess > max(8.0 * noise, 0.06)
    for mask, lines in zip(_from_outside(standing_out), _from_outside(part), strict=True):
        bar = _bar_lines(lines, len(mask), white=_LIGHT, most=0.12)
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
    counts = np.asarray(cv2.calcHist([part], [0], None, [256], [0.0, 1.0001])).ravel()
    smooth = np.convolve(counts, np.ones(7) / 7, "same")
    level = (int(np.argmax(smooth[:128])) + 0.5) / 256
    below = level - part[part <= level]
    noise = 1.48 * float(np.median(below)) + 0.002 if below.size else 1.0
    background = np.abs(part - level) <= 4.0 * noise
    along = np.ones(part.shape, dtype=np.bool_)
    along[edge:-edge, edge:-edge] = False
    is_one = (
        noise <= 0.05
        and float((part < level - 6.0 * noise).mean()) <= 0.08
        and float(background.mean()) >= 0.12
        and float(background[along].mean()) >= 0.25
    )
    return background if is_one else None


def _flattened(part: Grey, background: Mask) -> Grey:
    """The background's shade everywhere (h, w): the medians of columns, then those of rows.

    Image plates are read line by line, which leaves bands along rows and columns.
    """
    columns = _medians(part[::2], background[::2])
    half = np.ascontiguousarray((part - columns)[:, ::2].T)
    rows = _medians(half, background[:, ::2].T)
    return np.asarray(columns + rows[:, None], dtype=np.float32)


def _medians(values: Grey, valid: Mask) -> Grey:
    """The median of the valid values of each column; between columns with too few, a line."""
    counts = valid.sum(axis=0)
    ordered = np.sort(np.where(valid, values, np.float32(np.inf)), axis=0)
    enough = np.flatnonzero(counts >= max(1, len(values) // 10))
    if not len(enough):
        return np.zeros(values.shape[1], dtype=np.float32)
    medians = ordered[counts[enough] // 2, enough]
    return np.asarray(np.interp(np.arange(values.shape[1]), enough, medians), dtype=np.float32)


def _box_around(mask: Mask, clearly: Mask) -> Part | None:
    """The box around all connected parts in which more than a speck stands out clearly."""
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, places, statistics, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    seeds = np.bincount(places[clearly & mask], minlength=count)
    parts = [
        row
        for seed, row in zip(seeds[1:], statistics[1:], strict=True)
        if seed >= _SPECK * mask.size
    ]
    if not parts:
        return None
    found = np.array(parts, dtype=np.int64)
    corners = found[:, :2] + found[:, 2:4]
    return (
        int(found[:, 0].min()),
        int(found[:, 1].min()),
        int(corners[:, 0].max()),
        int(corners[:, 1].max()),
    )

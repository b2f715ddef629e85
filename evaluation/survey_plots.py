"""Plots of a survey as inline SVG: its colours and letters are those of the page, by day or night.

The SVG uses the classes and custom properties that ``explore.html`` defines, so it belongs into
that page and nowhere else. Every text is escaped by `Markup.format`.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from lucency.datasets.histograms import Histogram

WIDTH, HEIGHT = 360, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 10, 16, 36
_SQUARE_HEIGHT = 300
HEAT_PX = 256
# A heat map is clear where no box is, and hides at most so much of the image below.
_MOST_HEAT = 0.8

Text = Callable[[float], str]


def histogram_plot(
    shown: Histogram, *, x_label: str, text: Text | None = None, ticks: Sequence[float] = ()
) -> Markup:
    """Bars over a number; ``text`` writes values of the axis, which ``ticks`` may choose."""
    write = text or _plain
    low, high = shown.edges[0], shown.edges[-1]
    scale = math.log if shown.logarithmic else float
    span = scale(high) - scale(low)

    def x_of(value: float) -> float:
        return _LEFT + (scale(value) - scale(low)) / span * (WIDTH - _LEFT - _RIGHT)

    most = max(shown.counts, default=0)
    parts = [_y_axis(most)]
    for left, right, count in zip(shown.edges, shown.edges[1:], shown.counts, strict=False):
        if count:
            told = f"{write(left)} to {write(right)}: {count:,}"
            parts.append(_bar(x_of(left), x_of(right), count / max(most, 1), told))
    for tick in ticks or even_ticks(low, high, 6):
        parts.append(_x_tick(x_of(tick), write(tick)))
    if shown.median is not None:
        parts.append(_median(x_of(min(max(shown.median, low), high)), write(shown.median)))
    return _figure(parts, x_label=x_label)


def count_plot(counts: Mapping[str, int], *, x_label: str) -> Markup:
    """A bar for each name, in their order."""
    most = max(counts.values(), default=0)
    step = (WIDTH - _LEFT - _RIGHT) / max(len(counts), 1)
    gap = min(step * 0.14, 6)
    parts = [_y_axis(most)]
    for number, (name, count) in enumerate(counts.items()):
        left = _LEFT + number * step
        told = f"{name}: {count:,}"
        parts.append(_bar(left + gap, left + step - gap, count / max(most, 1), told))
        parts.append(_x_tick(left + step / 2, name, line=False))
    return _figure(parts, x_label=x_label)


def size_plot(sizes: Sequence[tuple[int, int, int]]) -> Markup:
    """Widths and heights of images in pixels; the larger a circle, the more images."""
    longest = max((max(width, height) for width, height, _ in sizes), default=1)
    ticks = even_ticks(0, longest * 1.08, 5)
    high = max(longest * 1.08, ticks[-1])
    most = max((count for _, _, count in sizes), default=1)
    side = _SQUARE_HEIGHT - _TOP - _BOTTOM

    def x_of(value: float) -> float:
        return _LEFT + value / high * (WIDTH - _LEFT - _RIGHT)

    def y_of(value: float) -> float:
        return _TOP + side - value / high * side

    parts = []
    for tick in ticks:
        parts.append(_grid(y_of(tick)))
        parts.append(_y_tick(y_of(tick), f"{tick:,.0f}"))
        parts.append(_x_tick(x_of(tick), f"{tick:,.0f}", bottom=_SQUARE_HEIGHT - _BOTTOM))
    parts.append(
        Markup('<line class="square" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
            _digits(x_of(0)), _digits(y_of(0)), _digits(x_of(high)), _digits(y_of(high))
        )
    )
    # Large circles first, so that small ones stay to be seen.
    for width, height, count in sorted(sizes, key=lambda size: -size[2]):
        radius = 2.2 + 13 * math.sqrt(count / most)
        circle = Markup('<circle cx="{}" cy="{}" r="{}"><title>{}</title></circle>')
        told = f"{width:,} × {height:,} px: {count:,}"
        parts.append(
            circle.format(_digits(x_of(width)), _digits(y_of(height)), _digits(radius), told)
        )
    return _figure(parts, x_label="width in px; height upwards", height=_SQUARE_HEIGHT)


def heat_map(
    counts: NDArray[np.int64], mean: NDArray[np.uint8] | None, *, width_to_height: float
) -> NDArray[np.uint8]:
    """Where boxes are, over the ``mean`` of all images: (H, W, 3) RGB, at most 256 px.

    ``counts`` (G, G) on images squeezed into a square; ``width_to_height`` gives them their
    usual shape again.
    """
    width = HEAT_PX if width_to_height >= 1 else max(1, round(HEAT_PX * width_to_height))
    height = HEAT_PX if width_to_height <= 1 else max(1, round(HEAT_PX / width_to_height))
    most = max(int(counts.max(initial=0)), 1)
    shares = (counts / most).astype(np.float32)
    strength = np.clip(cv2.resize(shares, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
    below = np.zeros((height, width), np.uint8)
    if mean is not None:
        # The mean of dark images would hardly be seen.
        bright = mean * (255.0 / max(int(mean.max()), 1))
        below = np.asarray(cv2.resize(bright, (width, height))).clip(0, 255).astype(np.uint8)
    # The dark end of the colours would look like a shadow in the image.
    levels = np.rint((0.3 + 0.7 * strength) * 255).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    # The square root lets a place with few boxes be seen beside one with many.
    opacity = (_MOST_HEAT * np.sqrt(strength))[..., None]
    mixed = below[..., None] * (1 - opacity) * 0.85 + colours * opacity
    return np.asarray(np.rint(mixed).clip(0, 255), dtype=np.uint8)


def even_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from ``low`` to ``high``, at most ``most`` and one more."""
    rough = max(high - low, 1e-9) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _figure(parts: Sequence[Markup], *, x_label: str, height: int = HEIGHT) -> Markup:
    label = Markup('<text class="axis" x="{}" y="{}" text-anchor="middle">{}</text>').format(
        (WIDTH + _LEFT - _RIGHT) // 2, height - 4, x_label
    )
    start = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">')
    return (
        start.format(WIDTH, height, x_label) + Markup("").join([*parts, label]) + Markup("</svg>")
    )


def _y_axis(most: int) -> Markup:
    parts = []
    for tick in even_ticks(0, max(most, 1), 4):
        if tick == int(tick):
            y = _TOP + (1 - tick / max(most, 1)) * (HEIGHT - _TOP - _BOTTOM)
            parts += [_grid(y), _y_tick(y, f"{tick:,.0f}")]
    return Markup("").join(parts)


def _grid(y: float) -> Markup:
    line = Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>')
    return line.format(_LEFT, WIDTH - _RIGHT, _digits(y), _digits(y))


def _y_tick(y: float, text: str) -> Markup:
    tick = Markup('<text x="{}" y="{}" text-anchor="end">{}</text>')
    return tick.format(_LEFT - 6, _digits(y + 3.5), text)


def _x_tick(x: float, text: str, *, line: bool = True, bottom: float = HEIGHT - _BOTTOM) -> Markup:
    stroke = Markup('<line class="tick" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>')
    mark = stroke.format(_digits(x), bottom, bottom + 4) if line else Markup("")
    label = Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>')
    return mark + label.format(_digits(x), bottom + 16, text)


def _bar(left: float, right: float, share: float, told: str) -> Markup:
    height = max(share * (HEIGHT - _TOP - _BOTTOM), 0.8 if share else 0.0)
    bar = Markup('<rect x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>')
    y = HEIGHT - _BOTTOM - height
    return bar.format(
        _digits(left), _digits(y), _digits(max(right - left - 0.8, 0.8)), _digits(height), told
    )


def _median(x: float, text: str) -> Markup:
    line = Markup('<line class="median" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>')
    anchor = "start" if x < WIDTH * 0.6 else "end"
    label = Markup('<text class="median" x="{}" y="{}" text-anchor="{}">median {}</text>')
    shift = 5 if anchor == "start" else -5
    drawn = line.format(_digits(x), _TOP - 8, HEIGHT - _BOTTOM)
    return drawn + label.format(_digits(x + shift), _TOP - 2, anchor, text)


def _digits(value: float) -> str:
    return f"{value:.1f}"


def _plain(value: float) -> str:
    """A number as short as it can be said."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"

"""What all plots share: colours, lines, axes, and how a figure becomes SVG."""

import io
from collections.abc import Mapping, Sequence
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

# Okabe and Ito's palette without yellow, which white paper swallows; then the styles change.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#22262E")
STYLES = ("-", "--", "-.", ":")
# One marker for each operating point, in the order screening, balanced, specific.
MARKERS = ("o", "s", "^", "D", "v", "P")
INK, FAINT = "#22262E", "#C9CED6"
SIDE_INCHES = 4.6
# Class name → point name → (x, y) of the point on the curve's axes.
Points = Mapping[str, Mapping[str, tuple[float, float]]]


def new_axes(x_label: str, y_label: str, *, square: bool = True) -> tuple[Figure, Axes]:
    """A figure with one pair of axes from 0 to 1; not ``square`` ones have any height."""
    figure = Figure(figsize=(SIDE_INCHES, SIDE_INCHES * 0.92), layout="constrained")
    axes = figure.add_subplot()
    if square:
        axes.set_aspect("equal")
        axes.set_ylim(0.0, 1.02)
    axes.set_xlim(0.0, 1.0)
    dress(axes, x_label, y_label)
    return figure, axes


def dress(axes: Axes, x_label: str, y_label: str) -> None:
    """Give axes their labels, grid and colours."""
    axes.set_xlabel(x_label, color=INK)
    axes.set_ylabel(y_label, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#8A919C")
    axes.tick_params(colors="#4A515C", labelsize=8.5)
    axes.grid(color="#EDEFF2", linewidth=0.8)
    axes.set_axisbelow(True)


def style_of(number: int) -> tuple[str, str]:
    """The colour and line style of the curve of this number."""
    return COLOURS[number % len(COLOURS)], STYLES[number // len(COLOURS) % len(STYLES)]


def add_curve(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], name: str, number: int
) -> None:
    """Draw a curve by its number, and name it in the legend."""
    colour, style = style_of(number)
    axes.plot(x, y, color=colour, linestyle=style, linewidth=1.8, label=name, zorder=3)


def mark_points(axes: Axes, names: Sequence[str], points: Points) -> None:
    """A marker for each operating point, in its class's colour; each name once in the legend."""
    markers: dict[str, str] = {}
    for name, by_point in points.items():
        if name not in names:
            continue
        colour, _ = style_of(list(names).index(name))
        for point, (x, y) in by_point.items():
            markers.setdefault(point, MARKERS[len(markers) % len(MARKERS)])
            axes.plot(
                [x],
                [y],
                marker=markers[point],
                markersize=7.5,
                markerfacecolor=colour,
                markeredgecolor="white",
                linestyle="none",
                zorder=5,
                clip_on=False,
            )
    for point, marker in markers.items():
        axes.plot([], [], marker=marker, color="#5A616C", linestyle="none", label=point)


def add_legend(
    axes: Axes, *, loc: Literal["lower left", "lower right", "upper left", "upper right", "best"]
) -> None:
    """A legend, if there is anything to name; ``best`` is where it hides least."""
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc=loc, fontsize=8.5, framealpha=0.9, edgecolor="#E3E6EA", labelcolor=INK)


def svg_of(figure: Figure) -> bytes:
    """The figure as SVG with its letters as outlines; the same figure gives the same bytes."""
    out = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "lucency", "svg.fonttype": "path"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()

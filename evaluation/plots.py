"""Curves and matrices as SVG: sharp on every screen and in print, and self-contained."""

import io
from collections.abc import Mapping, Sequence
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lucency.evaluation.average_precision import PrecisionRecallCurve
from lucency.evaluation.roc import RocCurve

# Okabe and Ito's palette without yellow, which white paper swallows; then the styles change.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#22262E")
STYLES = ("-", "--", "-.", ":")
# One marker for each operating point, in the order screening, balanced, specific.
MARKERS = ("o", "s", "^", "D", "v", "P")
INK, FAINT = "#22262E", "#C9CED6"
SIDE_INCHES = 4.6
# Class name → point name → (x, y) of the point on the curve's axes.
Points = Mapping[str, Mapping[str, tuple[float, float]]]


def precision_recall_plot(
    curves: Mapping[str, PrecisionRecallCurve], points: Points | None = None
) -> bytes:
    """Precision over recall, one line a class, on lines of equal F1.

    ``points`` are the operating points by class and name as (recall, precision). Returns SVG.
    """
    figure, axes = _axes("Recall (sensitivity)", "Precision (PPV)")
    recall = np.linspace(0.01, 1.0, 200)
    for f1 in (0.2, 0.4, 0.6, 0.8):
        right = recall[recall > f1 / 2 + 0.005]
        axes.plot(right, f1 * right / (2 * right - f1), color=FAINT, linewidth=0.8, zorder=1)
        # Where the line leaves the picture on the right: precision at recall 1.
        axes.text(1.015, f1 / (2 - f1), f"F1 {f1:.1f}", fontsize=7, color="#7A828E", va="center")
    for number, (name, curve) in enumerate(curves.items()):
        _curve(axes, curve.recall, curve.precision, name, number)
    _mark(axes, list(curves), points or {})
    _legend(axes, loc="lower left")
    return _svg(figure)


def roc_plot(curves: Mapping[str, RocCurve], points: Points | None = None) -> bytes:
    """Sensitivity over 1 - specificity, one line a class, with the diagonal of chance.

    ``points`` are the operating points by class and name as (1 - specificity, sensitivity).
    Returns SVG.
    """
    figure, axes = _axes("1 - specificity", "Sensitivity")
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, zorder=1)
    for number, (name, curve) in enumerate(curves.items()):
        _curve(axes, curve.false_positive_rate, curve.true_positive_rate, name, number)
    _mark(axes, list(curves), points or {})
    _legend(axes, loc="lower right")
    return _svg(figure)


def score_histogram(
    right: NDArray[np.float64],
    wrong: NDArray[np.float64],
    *,
    names: tuple[str, str],
    thresholds: Mapping[str, float],
) -> bytes:
    """Where the scores lie, of what should score high and of what should not.

    ``right`` (N,) and ``wrong`` (M,) in [0, 1], either may be empty; ``names`` are theirs;
    ``thresholds`` by operating point are drawn as lines. Returns SVG.
    """
    figure, axes = _axes("Score", "Count", square=False)
    edges = np.linspace(0.0, 1.0, 26).tolist()
    counts, _, _ = axes.hist(wrong, bins=edges, color=COLOURS[1], alpha=0.75, label=names[1])
    axes.hist(
        right,
        bins=edges,
        histtype="step",
        color=COLOURS[0],
        linewidth=1.8,
        label=names[0],
        zorder=4,
    )
    # At a low score there may be thousands, at a high one a few; this axis shows both.
    if np.max(counts) > 100:
        axes.set_yscale("symlog", linthresh=10)
        axes.yaxis.set_major_formatter("{x:.0f}")
    axes.set_ylim(bottom=0)
    for number, (name, threshold) in enumerate(thresholds.items()):
        label = f"{name} {threshold:.2f}"
        style = STYLES[1 + number % 3]
        axes.axvline(threshold, color=INK, linewidth=1.1, linestyle=style, label=label)
    _legend(axes, loc="upper right")
    return _svg(figure)


def confusion_plot(counts: NDArray[np.int64], *, names: Sequence[str]) -> bytes:
    """A confusion matrix (K, K), truth by row and call by column, shaded by row. Returns SVG."""
    figure, axes = _axes("Called", "Truth")
    axes.grid(visible=False)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    ticks = np.arange(len(names))
    axes.set_xticks(ticks, names)
    axes.set_yticks(ticks, names, rotation=90, va="center")
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    size = 14 if len(names) <= 3 else 8
    for row, column in np.ndindex(*counts.shape):
        colour = "white" if shares[row, column] > 0.55 else INK
        text = f"{counts[row, column]}\n{shares[row, column]:.0%}"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size)
    return _svg(figure)


def _axes(x_label: str, y_label: str, *, square: bool = True) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(SIDE_INCHES, SIDE_INCHES * 0.92), layout="constrained")
    axes = figure.add_subplot()
    if square:
        axes.set_aspect("equal")
        axes.set_ylim(0.0, 1.02)
    axes.set_xlim(0.0, 1.0)
    axes.set_xlabel(x_label, color=INK)
    axes.set_ylabel(y_label, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#8A919C")
    axes.tick_params(colors="#4A515C", labelsize=8.5)
    axes.grid(color="#EDEFF2", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _style(number: int) -> tuple[str, str]:
    return COLOURS[number % len(COLOURS)], STYLES[number // len(COLOURS) % len(STYLES)]


def _curve(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], name: str, number: int
) -> None:
    colour, style = _style(number)
    axes.plot(x, y, color=colour, linestyle=style, linewidth=1.8, label=name, zorder=3)


def _mark(axes: Axes, names: Sequence[str], points: Points) -> None:
    """A marker for each operating point, in its class's colour; each name once in the legend."""
    markers: dict[str, str] = {}
    for name, by_point in points.items():
        if name not in names:
            continue
        colour, _ = _style(list(names).index(name))
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


def _legend(axes: Axes, *, loc: Literal["lower left", "lower right", "upper right"]) -> None:
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc=loc, fontsize=8.5, framealpha=0.9, edgecolor="#E3E6EA", labelcolor=INK)


def _svg(figure: Figure) -> bytes:
    """The figure as SVG with its letters as outlines; the same figure gives the same bytes."""
    out = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "lucency", "svg.fonttype": "path"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()

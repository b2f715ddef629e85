"""Curves and matrices as SVG: sharp on every screen and in print, and self-contained."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lucency.evaluation.average_precision import PrecisionRecallCurve
from lucency.evaluation.calibration import ReliabilityBins
from lucency.evaluation.plot_style import (
    COLOURS,
    FAINT,
    INK,
    SIDE_INCHES,
    STYLES,
    Points,
    add_curve,
    add_legend,
    dress,
    mark_points,
    new_axes,
    style_of,
    svg_of,
)


def precision_recall_plot(
    curves: Mapping[str, PrecisionRecallCurve], points: Points | None = None
) -> bytes:
    """Precision over recall, one line a class, on lines of equal F1.

    ``points`` are the operating points by class and name as (recall, precision). Returns SVG.
    """
    figure, axes = new_axes("Recall (sensitivity)", "Precision (PPV)")
    recall = np.linspace(0.01, 1.0, 200)
    for f1 in (0.2, 0.4, 0.6, 0.8):
        right = recall[recall > f1 / 2 + 0.005]
        axes.plot(right, f1 * right / (2 * right - f1), color=FAINT, linewidth=0.8, zorder=1)
        # Where the line leaves the picture on the right: precision at recall 1.
        axes.text(1.015, f1 / (2 - f1), f"F1 {f1:.1f}", fontsize=7, color="#7A828E", va="center")
    for number, (name, curve) in enumerate(curves.items()):
        add_curve(axes, curve.recall, curve.precision, name, number)
    mark_points(axes, list(curves), points or {})
    add_legend(axes, loc="lower left")
    return svg_of(figure)


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
    figure, axes = new_axes("Score", "Count", square=False)
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
    add_legend(axes, loc="best")
    return svg_of(figure)


def reliability_diagram(
    curves: Mapping[str, ReliabilityBins], *, outcome: str, counted: str
) -> bytes:
    """How often a score was right, with 95% intervals, and below how many had it.

    ``curves`` are named sets of scores, such as raw and calibrated ones, in bins of equal width;
    ``outcome`` names what the share is of and ``counted`` what has a score. On the diagonal
    scores are probabilities. Returns SVG.
    """
    figure = Figure(figsize=(SIDE_INCHES, SIDE_INCHES * 1.12), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(4, 1))
    axes, below = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    dress(axes, "", outcome)
    dress(below, "Score", counted)
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, zorder=1)
    for number, (name, bins) in enumerate(curves.items()):
        some = bins.count > 0
        x, y = bins.confidence[some], bins.accuracy[some]
        add_curve(axes, x, y, name, number)
        colour, _ = style_of(number)
        axes.plot(x, y, "o", color=colour, markersize=4.5, zorder=4)
        axes.vlines(x, bins.low[some], bins.high[some], color=colour, linewidth=1.0, zorder=2)
        edges = np.linspace(0.0, 1.0, len(bins.count) + 1)
        below.stairs(bins.count, edges, color=colour, linewidth=1.4)
    for each in (axes, below):
        each.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.02)
    # Of a detector's boxes nearly all score low, of a good classifier's images few in the middle.
    below.set_yscale("symlog", linthresh=1)
    below.set_ylim(bottom=0)
    below.yaxis.set_major_formatter("{x:.0f}")
    most = max((int(bins.count.max(initial=0)) for bins in curves.values()), default=0)
    below.set_yticks(_powers_of_ten(most))
    below.minorticks_off()
    add_legend(axes, loc="best")
    return svg_of(figure)


def confusion_plot(
    counts: NDArray[np.int64], *, names: Sequence[str], last_uncounted: bool = False
) -> bytes:
    """A confusion matrix (K, K), truth by row and call by column, shaded by row.

    With ``last_uncounted`` what is of the last class and called so has no number. Returns SVG.
    """
    side = max(SIDE_INCHES, 1.6 + 0.8 * len(names))
    figure = Figure(figsize=(side, side * 0.92), layout="constrained")
    axes = figure.add_subplot()
    dress(axes, "Called", "Truth")
    axes.grid(visible=False)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    ticks = np.arange(len(names))
    # Upright text under many columns would run into its neighbour.
    upright = len(names) <= 3
    axes.set_xticks(
        ticks, names, rotation=0 if upright else 30, ha="center" if upright else "right"
    )
    axes.set_yticks(ticks, names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for row, column in np.ndindex(*counts.shape):
        colour = "white" if shares[row, column] > 0.55 else INK
        text = f"{counts[row, column]}\n{shares[row, column]:.0%}"
        if last_uncounted and row == column == len(names) - 1:
            text = "–"
        size = 14 if upright else 9
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size)
    return svg_of(figure)


def _powers_of_ten(most: int) -> list[int]:
    return [0, *(10**power for power in range(math.ceil(math.log10(max(most, 1))) + 1))]

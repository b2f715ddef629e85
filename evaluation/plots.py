"""Curves and matrices as SVG: sharp on every screen and in print, and self-contained."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.average_precision import PrecisionRecallCurve
from lucency.evaluation.plot_style import (
    COLOURS,
    FAINT,
    INK,
    STYLES,
    Points,
    add_curve,
    add_legend,
    mark_points,
    new_axes,
    svg_of,
)
from lucency.evaluation.roc import RocCurve


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


def roc_plot(curves: Mapping[str, RocCurve], points: Points | None = None) -> bytes:
    """Sensitivity over 1 - specificity, one line a class, with the diagonal of chance.

    ``points`` are the operating points by class and name as (1 - specificity, sensitivity).
    Returns SVG.
    """
    figure, axes = new_axes("1 - specificity", "Sensitivity")
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, zorder=1)
    for number, (name, curve) in enumerate(curves.items()):
        add_curve(axes, curve.false_positive_rate, curve.true_positive_rate, name, number)
    mark_points(axes, list(curves), points or {})
    add_legend(axes, loc="lower right")
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
    add_legend(axes, loc="upper right")
    return svg_of(figure)


def confusion_plot(counts: NDArray[np.int64], *, names: Sequence[str]) -> bytes:
    """A confusion matrix (K, K), truth by row and call by column, shaded by row. Returns SVG."""
    figure, axes = new_axes("Called", "Truth")
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
    return svg_of(figure)

"""The curves of a classifier's training, drawn from its table of epochs."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lucency.classification.run_folder import EpochResult, best_result
from lucency.evaluation.plot_style import (
    COLOURS,
    FAINT,
    INK,
    SIDE_INCHES,
    add_legend,
    dress,
    svg_of,
)


def learning_curves(history: Sequence[EpochResult]) -> bytes:
    """Losses and validation AUC by epoch as SVG; the best epoch is marked.

    A grey line stands where fine-tuning followed the head's own epochs.

    Raises
    ------
    ValueError
        There is no epoch yet.

    """
    if not history:
        raise ValueError("curves need at least one epoch")
    figure = Figure(figsize=(SIDE_INCHES * 2, SIDE_INCHES * 0.8), layout="constrained")
    losses, aucs = figure.subplots(1, 2)
    dress(losses, "Epoch", "Loss")
    dress(aucs, "Epoch", "AUC on validation data")
    _line(losses, history, [row.train_loss for row in history], 0, "training (as trained with)")
    _line(losses, history, [row.val_loss for row in history], 1, "validation (cross-entropy)")
    _line(aucs, history, [row.val_auc for row in history], 0, "")
    best = best_result(history)
    aucs.axvline(best.epoch, color=INK, linewidth=0.8, linestyle=":")
    aucs.annotate(
        f"{best.val_auc:.3f}",
        (best.epoch, best.val_auc),
        textcoords="offset points",
        xytext=(5, -12),
        color=INK,
        fontsize=8.5,
    )
    losses.set_ylim(0, None)
    lowest = min(row.val_auc for row in history)
    aucs.set_ylim(max(0.0, math.floor(lowest * 10 - 0.2) / 10), 1.0)
    head = sum(row.phase == "head" for row in history)
    for axes in (losses, aucs):
        if 0 < head < len(history):
            axes.axvline(head + 0.5, color=FAINT, linewidth=1.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(losses, loc="upper right")
    return svg_of(figure)


def _line(
    axes: Axes, history: Sequence[EpochResult], values: Sequence[float], number: int, label: str
) -> None:
    epochs = [row.epoch for row in history]
    # A run of one epoch would have no line.
    marker = "o" if len(epochs) == 1 else ""
    axes.plot(epochs, values, color=COLOURS[number], linewidth=1.8, marker=marker, label=label)

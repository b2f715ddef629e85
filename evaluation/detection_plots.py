"""Plots of a detector's figures as SVG, in the style of `lucency.evaluation.plots`."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lucency.configs.errors import DatasetError
from lucency.evaluation.detection_measures import ALL_CLASSES, FROC_FALSE_POSITIVES, Froc
from lucency.evaluation.error_types import FALSE_ALARMS, MISSES, ErrorTypes
from lucency.evaluation.plot_style import (
    COLOURS,
    INK,
    SIDE_INCHES,
    Points,
    add_legend,
    dress,
    mark_points,
    new_axes,
    style_of,
    svg_of,
)
from lucency.evaluation.plots import confusion_plot

_LEAST_FALSE_POSITIVES = 1 / 16
_FRACTIONS = {0.125: "1/8", 0.25: "1/4", 0.5: "1/2"}
_LOSSES = {"box_loss": "box", "cls_loss": "class", "dfl_loss": "edges (DFL)"}
_METRICS = {
    "metrics/mAP50(B)": "mAP50",
    "metrics/mAP50-95(B)": "mAP50-95",
    "metrics/precision(B)": "precision",
    "metrics/recall(B)": "recall",
}


def froc_plot(curves: Mapping[str, Froc], points: Points | None = None) -> bytes:
    """Sensitivity over false positives an image from 1/16 to 8, one line a class.

    Dots are the figures at 1/8 to 8, with their intervals where there is a single curve.
    ``points`` are the operating points by class and name as (false positives an image,
    sensitivity); those outside the axis are left out. Returns SVG.
    """
    figure, axes = new_axes("False positives an image", "Sensitivity", square=False)
    most = FROC_FALSE_POSITIVES[-1]
    axes.set_xscale("log", base=2)
    axes.set_xlim(_LEAST_FALSE_POSITIVES, most * 1.12)
    axes.set_ylim(0.0, 1.02)
    axes.set_xticks(
        FROC_FALSE_POSITIVES, [_FRACTIONS.get(x, f"{x:.0f}") for x in FROC_FALSE_POSITIVES]
    )
    axes.minorticks_off()
    for number, (name, froc) in enumerate(curves.items()):
        x, y = _shown_froc(froc)
        colour, style = style_of(number)
        axes.plot(
            x,
            y,
            drawstyle="steps-post",
            color=colour,
            linestyle=style,
            linewidth=1.8,
            label=name,
            zorder=3,
        )
        for false_alarms, found in froc.at.items():
            if found.value is not None:
                axes.plot([false_alarms], [found.value], ".", color=colour, markersize=5)
            if len(curves) == 1 and found.low is not None and found.high is not None:
                axes.vlines(false_alarms, found.low, found.high, color=colour, linewidth=1.0)
    shown = {
        name: {
            point: (x, y)
            for point, (x, y) in by_point.items()
            if _LEAST_FALSE_POSITIVES <= x <= most
        }
        for name, by_point in (points or {}).items()
    }
    mark_points(axes, list(curves), shown)
    # Curves rise to the right: low ones leave room above them, high ones below.
    low = all(froc.sensitivity.max(initial=0.0) < 0.6 for froc in curves.values())
    add_legend(axes, loc="upper left" if low else "lower right")
    return svg_of(figure)


def detection_confusion_plot(counts: NDArray[np.int64], *, class_names: Sequence[str]) -> bytes:
    """`confusion_matrix` (C + 1, C + 1), shaded by row; the last is background. Returns SVG."""
    # What is neither marked nor called cannot be counted.
    return confusion_plot(counts, names=[*class_names, "background"], last_uncounted=True)


def error_types_plot(found: ErrorTypes) -> bytes:
    """Bars of each kind of false alarm and miss, divided by class. Returns SVG."""
    kinds = [*FALSE_ALARMS, *MISSES]
    figure = Figure(figsize=(SIDE_INCHES * 1.25, SIDE_INCHES * 0.8), layout="constrained")
    axes = figure.add_subplot()
    dress(axes, "Boxes, and below findings", "")
    axes.grid(visible=False, axis="y")
    rows = [*range(len(FALSE_ALARMS)), *(len(FALSE_ALARMS) + 0.5 + n for n in range(len(MISSES)))]
    left = np.zeros(len(kinds))
    classes = [name for name in found.counts if name != ALL_CLASSES]
    for number, name in enumerate(classes):
        widths = np.array([found.counts[name][kind] for kind in kinds], dtype=np.float64)
        colour, style = style_of(number)
        hatch = "" if style == "-" else "//"
        axes.barh(rows, widths, 0.72, left=left, color=colour, hatch=hatch, label=name)
        left += widths
    most = max(left.max(initial=0), 1.0)
    for row, total in zip(rows, left, strict=True):
        axes.text(total + most * 0.015, row, f"{total:.0f}", va="center", color=INK, fontsize=8.5)
    axes.set_yticks(rows, kinds)
    axes.set_ylim(max(rows) + 0.6, -0.6)
    axes.set_xlim(0, most * 1.1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(classes) > 1:
        add_legend(axes, loc="upper right")
    return svg_of(figure)


def learning_curves(results_csv: Path) -> bytes:
    """Losses and figures by epoch from the ``results.csv`` of a run, as Ultralytics writes it.

    Losses on training data are solid and on validation data dashed. Returns SVG.

    Raises
    ------
    DatasetError
        The file cannot be read, or is no such table.

    """
    columns = _columns(results_csv)
    epochs = columns["epoch"]
    figure = Figure(figsize=(SIDE_INCHES * 2, SIDE_INCHES * 0.8), layout="constrained")
    losses, figures = figure.subplots(1, 2)
    dress(losses, "Epoch", "Loss")
    dress(figures, "Epoch", "On validation data")
    for number, (name, label) in enumerate(_LOSSES.items()):
        for split, style in (("train", "-"), ("val", "--")):
            values = columns.get(f"{split}/{name}")
            if values is not None:
                colour = COLOURS[number]
                _line(losses, epochs, values, label=f"{label}, {split}", colour=colour, style=style)
    for number, (name, label) in enumerate(_METRICS.items()):
        if name in columns:
            colour, style = style_of(number)
            width = 1.8 if number < 2 else 1.0
            _line(
                figures, epochs, columns[name], label=label, colour=colour, style=style, width=width
            )
    # Room for the legend above the curves.
    figures.set_ylim(0, 1.5 * max(figures.get_ylim()[1], 0.1))
    losses.set_ylim(0, None)
    _mark_best(figures, epochs, columns.get("metrics/mAP50(B)"))
    for axes in (losses, figures):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(losses, loc="upper right")
    add_legend(figures, loc="upper left")
    return svg_of(figure)


def _shown_froc(froc: Froc) -> tuple[list[float], list[float]]:
    """The part of a curve on the axis, level from its ends to those of the axis."""
    x, y = froc.false_positives_per_image, froc.sensitivity
    most = FROC_FALSE_POSITIVES[-1]
    inside = (x > _LEAST_FALSE_POSITIVES) & (x <= most)
    start = y[x <= _LEAST_FALSE_POSITIVES].max(initial=0.0)
    end = y[x <= most].max(initial=0.0)
    return [_LEAST_FALSE_POSITIVES, *x[inside], most], [start, *y[inside], end]


def _line(
    axes: Axes,
    epochs: NDArray[np.float64],
    values: NDArray[np.float64],
    *,
    label: str,
    colour: str,
    style: str,
    width: float = 1.8,
) -> None:
    # A run of one epoch would have no line.
    marker = "o" if len(epochs) == 1 else ""
    axes.plot(
        epochs, values, color=colour, linestyle=style, linewidth=width, marker=marker, label=label
    )


def _mark_best(axes: Axes, epochs: NDArray[np.float64], values: NDArray[np.float64] | None) -> None:
    if values is None or not (values > 0).any():
        return
    best = int(np.nanargmax(values))
    axes.axvline(epochs[best], color=INK, linewidth=0.8, linestyle=":")
    axes.plot(
        [epochs[best]],
        [values[best]],
        "o",
        color=COLOURS[0],
        label=f"highest mAP50 {values[best]:.3f}, epoch {epochs[best]:.0f}",
    )


def _columns(path: Path) -> dict[str, NDArray[np.float64]]:
    """The columns of a table of numbers; what is not finite is NaN."""
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(
            f"{path}: cannot be read: {reason}; is it a run's results.csv?"
        ) from None
    # Ultralytics has padded names and values with blanks.
    names = [name.strip() for name in rows[0]] if rows else []
    if "epoch" not in names:
        raise DatasetError(f"{path}: has no column 'epoch'; is it a run's results.csv?")
    try:
        # A run that is being written may end in a part of a line.
        values = [[float(value) for value in row] for row in rows[1:] if len(row) == len(names)]
    except ValueError as error:
        raise DatasetError(f"{path}: must hold numbers only: {error}") from None
    table = np.array(values, dtype=np.float64).reshape(-1, len(names))
    table[~np.isfinite(table)] = np.nan
    return dict(zip(names, table.T, strict=True))

"""A classifier's evaluation in the terminal: the tables that fit 80 columns."""

from functools import partial
from typing import TYPE_CHECKING

from lucency.classification.evaluate import Evaluation
from lucency.classification.report_tables import (
    FEW_LABELS,
    auc_table,
    basis_line,
    calibration_table,
    comparison_table,
    confusion_table,
    headline,
    points_table,
    subgroups_table,
)
from lucency.evaluation.report import Table
from lucency.evaluation.terminal_tables import grid

if TYPE_CHECKING:
    from rich.console import Console

# What the page shows besides these would not fit.
POINT_COLUMNS, GROUP_COLUMNS, CONFUSION_COLUMNS = 6, 7, 8
SHORT_NAMES = {
    "operating point": "point",
    "positive": "pos.",
    "negative": "neg.",
    "sensitivity": "sens.",
    "specificity": "spec.",
    "average precision": "AP",
    "AUC by DeLong": "by DeLong",
    "ECE, equal bins": "equal bins",
    "Brier score": "Brier",
}


def print_evaluation(found: Evaluation, console: "Console") -> None:
    """Print the figures, what they stand on, and what must be known of them."""
    measured, facts = found.measured, found.facts
    measures = measured.measures
    console.print(
        f"[bold]{facts['model']}[/] on {facts['dataset']}, split '{facts['split']}'",
        highlight=False,
    )
    console.print(basis_line(measures), highlight=False)
    console.print(f"Thresholds: {measured.thresholds.origin}.", highlight=False)
    for note in found.notes:
        console.print(f"Note: {note}", style="yellow", highlight=False)
    chief = list(headline(measured).items())
    console.print(_grid(Table("Figures", ("figure", "value"), chief), one_line=True))
    console.print(_grid(auc_table(measures)))
    few = len(measures.labels) <= FEW_LABELS
    # One label's name is short enough for a further column.
    columns = POINT_COLUMNS + (len(measures.labels) == 1)
    points = list(measured.thresholds.values) if few else [measured.chief_point]
    console.print(_grid(points_table(measures, points), most=columns))
    confusion = confusion_table(measures)
    if confusion is not None:
        console.print(_grid(confusion, most=CONFUSION_COLUMNS))
    console.print(_grid(calibration_table(found)))
    if found.subgroups:
        groups = subgroups_table(found.subgroups, measured.chief_point)
        console.print(_grid(groups, most=GROUP_COLUMNS))
    compared = comparison_table(found)
    if compared is not None:
        console.print(_grid(compared))


_grid = partial(grid, short_names=SHORT_NAMES)

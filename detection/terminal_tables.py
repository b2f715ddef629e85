"""An evaluation in the terminal: the tables that fit 80 columns."""

from functools import partial
from typing import TYPE_CHECKING

from lucency.detection.evaluate import Evaluation
from lucency.detection.measurement import CHIEF_POINT
from lucency.detection.report_tables import (
    basis_line,
    cases_table,
    comparison_table,
    froc_table,
    headline,
    points_table,
    rules_table,
    subgroups_table,
)
from lucency.evaluation.report import Table
from lucency.evaluation.terminal_tables import grid, turned

if TYPE_CHECKING:
    from rich.console import Console

# What the page shows besides these would not fit.
POINT_COLUMNS = 7
CASE_COLUMNS = 5
FROC_COLUMNS = 5
SHORT_NAMES = {
    "operating point": "point",
    "false alarms an image": "alarms/ image",
    "negatives": "neg.",
    "findings": "find.",
}


def print_evaluation(found: Evaluation, console: "Console") -> None:
    """Print the figures, what they stand on, and what must be known of them."""
    measured = found.measured
    measures = measured.measures
    facts = found.facts
    console.print(
        f"[bold]{facts['model']}[/] on {facts['dataset']}, split '{facts['split']}'",
        highlight=False,
    )
    console.print(basis_line(measures), highlight=False)
    if measures.points:
        console.print(f"Thresholds: {measured.thresholds.origin}.", highlight=False)
    for note in found.notes:
        console.print(f"Note: {note}", style="yellow", highlight=False)
    chief = headline(measures, CHIEF_POINT)
    console.print(_grid(Table("Figures", ("figure", "value"), list(chief.items())), one_line=True))
    console.print(_grid(turned(froc_table(measures)), most=FROC_COLUMNS, one_line=True))
    if measures.points:
        console.print(_grid(points_table(measures), most=POINT_COLUMNS))
        console.print(_grid(cases_table(measures.image_level, "images"), most=CASE_COLUMNS))
        console.print(_grid(rules_table(measures)))
    if measures.patient_level:
        console.print(_grid(cases_table(measures.patient_level, "patients"), most=CASE_COLUMNS))
    if found.subgroups:
        console.print(_grid(subgroups_table(found.subgroups, CHIEF_POINT)))
    compared = comparison_table(found)
    if compared is not None:
        console.print(_grid(compared))


_grid = partial(grid, short_names=SHORT_NAMES)

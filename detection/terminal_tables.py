"""An evaluation in the terminal: compact tables, every figure with its interval, 80 columns."""

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
from lucency.evaluation.estimates import Estimate
from lucency.evaluation.report import Cell, Table, format_cell

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as TerminalTable

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
    console.print(_grid(_turned(froc_table(measures)), most=FROC_COLUMNS, one_line=True))
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


def _grid(table: Table, *, most: int | None = None, one_line: bool = False) -> "TerminalTable":
    """The first ``most`` columns; an interval stands below its value, or beside it."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table as TerminalTable

    grid = TerminalTable(
        title=escape(table.title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for column, is_number in list(zip(table.columns, table.numeric, strict=True))[:most]:
        grid.add_column(
            escape(SHORT_NAMES.get(column, column)),
            justify="right" if is_number else "left",
            overflow="fold",
        )
    for row in table.rows:
        grid.add_row(*(escape(_text(cell, one_line=one_line)) for cell in row[:most]))
    return grid


def _text(cell: Cell, *, one_line: bool) -> str:
    value = format_cell(cell)
    if not isinstance(cell, Estimate) or cell.low is None or cell.high is None:
        return value
    between = " " if one_line else "\n"
    dash = " to " if cell.low < 0 else "–"
    return f"{value}{between}{_short(cell.low)}{dash}{_short(cell.high)}"


def _turned(table: Table) -> Table:
    """A row for each column: many columns with intervals are too wide for a terminal."""
    head, *columns = zip(table.columns, *table.rows, strict=True)
    return Table(table.title, ["", *map(format_cell, head[1:])], columns, table.caption)


def _short(value: float) -> str:
    """Two digits, and no nought before the point: an interval's ends need no more."""
    if abs(value) >= 10:
        return f"{value:.0f}"
    text = f"{value:.2f}"
    return text.removeprefix("0") if text.startswith("0.") else text.replace("-0.", "-.")

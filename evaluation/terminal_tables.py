"""Tables of a report in the terminal: compact, every figure with its interval, 80 columns."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lucency.evaluation.estimates import Estimate
from lucency.evaluation.report import Cell, Table, format_cell

if TYPE_CHECKING:
    from rich.table import Table as TerminalTable


def grid(
    table: Table,
    *,
    short_names: Mapping[str, str],
    most: int | None = None,
    one_line: bool = False,
) -> "TerminalTable":
    """The first ``most`` columns; an interval stands below its value, or beside it.

    ``short_names`` are what long column names are called here.
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table as TerminalTable

    shown = TerminalTable(
        title=escape(table.title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for column, is_number in list(zip(table.columns, table.numeric, strict=True))[:most]:
        shown.add_column(
            escape(short_names.get(column, column)),
            justify="right" if is_number else "left",
            overflow="fold",
        )
    for row in table.rows:
        shown.add_row(*(escape(_text(cell, one_line=one_line)) for cell in row[:most]))
    return shown


def turned(table: Table) -> Table:
    """A row for each column: many columns with intervals are too wide for a terminal."""
    head, *columns = zip(table.columns, *table.rows, strict=True)
    return Table(table.title, ["", *map(format_cell, head[1:])], columns, table.caption)


def _text(cell: Cell, *, one_line: bool) -> str:
    value = format_cell(cell)
    if not isinstance(cell, Estimate) or cell.low is None or cell.high is None:
        return value
    between = " " if one_line else "\n"
    dash = " to " if cell.low < 0 else "–"
    return f"{value}{between}{_short(cell.low)}{dash}{_short(cell.high)}"


def _short(value: float) -> str:
    """Two digits, and no nought before the point: an interval's ends need no more."""
    if abs(value) >= 10:
        return f"{value:.0f}"
    text = f"{value:.2f}"
    return text.removeprefix("0") if text.startswith("0.") else text.replace("-0.", "-.")

"""Tables in the terminal: short, complete, intervals beside or below their value."""

import io

import pytest
from rich.console import Console

from lucency.evaluation.estimates import Estimate
from lucency.evaluation.report import Table
from lucency.evaluation.terminal_tables import grid, turned

TABLE = Table(
    "Rates [of a model]",
    ("model", "sensitivity", "more"),
    [
        ("[a]", Estimate(0.9, 0.8123, 1.0), 3),
        ("b", Estimate(-0.1, -0.25, 0.05), None),
        ("c", Estimate(None), 12),
        ("d", Estimate(31.0, 12.4, 55.5), 1),
    ],
)


def shown(table: Table, **options: object) -> str:
    out = io.StringIO()
    console = Console(file=out, width=80)
    console.print(grid(table, **{"short_names": {}, **options}))
    return out.getvalue()


def test_intervals_stand_below_their_values() -> None:
    lines = [line.split() for line in shown(TABLE).splitlines()]
    assert ["[a]", "0.900", "3"] in lines and [".81–1.00"] in lines
    assert ["-.25", "to", ".05"] in lines and ["12–56"] in lines
    assert ["c", "–", "12"] in lines


def test_or_beside_them() -> None:
    lines = [line.split() for line in shown(TABLE, one_line=True).splitlines()]
    assert ["[a]", "0.900", ".81–1.00", "3"] in lines


@pytest.mark.parametrize(("most", "there"), [(2, False), (3, True), (None, True)])
def test_only_the_first_columns_are_shown(most: int | None, there: bool) -> None:
    assert ("more" in shown(TABLE, most=most)) is there


def test_names_are_shortened() -> None:
    text = shown(TABLE, short_names={"sensitivity": "sens."})
    assert "sens." in text and "sensitivity" not in text


def test_a_turned_table_has_a_row_for_each_column() -> None:
    table = turned(Table("t", ("model", "x", "y"), [("a", 1, 2), ("b", 3, 4)]))
    assert list(table.columns) == ["", "a", "b"]
    assert [tuple(row) for row in table.rows] == [("x", 1, 3), ("y", 2, 4)]

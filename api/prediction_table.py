"""The table that `predict` closes with: one row a file, and what each model is for."""

from collections.abc import Iterator, Sequence

import typer
from rich.console import Console, JustifyMethod
from rich.table import Table

from lucency.api.prediction_csv import looked_for_boxes
from lucency.api.prediction_outcomes import Outcome
from lucency.api.schemas import Flag, Report
from lucency.configs.bundle import RESEARCH_USE

# More is for a file, not for a screen.
MOST_ROWS = 100

Row = tuple[str, str, str, str, str, str, str]


class ClosingTable:
    """What is told of all files, without holding their reports.

    ``errors`` and ``notes`` are sentences for stderr.
    """

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.notes: list[str] = []
        self._rows: list[Row] = []
        self._count = 0
        self._intended: dict[str, None] = {}

    def add(self, outcome: Outcome) -> None:
        """Take in what became of the next file."""
        self._count += 1
        if len(self._rows) < MOST_ROWS:
            self._rows.append(_row(outcome))
        if outcome.report is None:
            self.errors.append(outcome.error)
        else:
            self._intended |= dict.fromkeys(_intended(outcome.report))

    def print(self) -> None:
        """Print the first rows and what each model is for; errors and notes on stderr."""
        columns = ("file", "kind", "findings", "best", "whole image", "look twice", "ms")
        # A column that says nothing is left out, but for those that tell what was found.
        told = [any(row[place] for row in self._rows) for place in range(len(columns))]
        shown = [place for place in range(len(columns)) if told[place] or place in (0, 2, 3)]
        table = Table(box=None)
        for place in shown:
            justify: JustifyMethod = "right" if columns[place] in ("findings", "ms") else "left"
            whole = columns[place] == "best"
            table.add_column(columns[place], justify=justify, overflow="fold", no_wrap=whole)
        for row in self._rows:
            table.add_row(*(row[place] for place in shown))
        console = Console(markup=False, emoji=False)  # a file's name may hold brackets
        console.print(table)
        console.print(self._caption(), style="dim italic", highlight=False)
        for line in self._intended:
            console.print(line, highlight=False)
        for note in self.notes:
            typer.echo(f"note: {note}", err=True)
        for error in self.errors:
            typer.echo(f"error: {error}", err=True)

    def _caption(self) -> str:
        marked = any("*" in row[4] for row in self._rows)
        flagged = any(row[5] for row in self._rows)
        doubtful = any(row[3].endswith("?") for row in self._rows)
        more = self._count - len(self._rows)
        parts = (
            f"And {more} more files, of which --csv and --json tell. " if more else "",
            "? below the threshold of 'specific'. " if doubtful else "",
            "* at or above the threshold. " if marked else "",
            "Reasons to look twice are told in full with --json. " if flagged else "",
            RESEARCH_USE,
        )
        return "".join(parts)


def _row(outcome: Outcome) -> Row:
    name = _printable(outcome.image.name)
    report = outcome.report
    if report is None:
        return name, "", "–", "failed", "", "", ""
    # Where no detector looked, "0" and "none" would say that nothing is there.
    looked = looked_for_boxes(report)
    best = report.findings[0] if report.findings else None
    unsure = " ?" if best and best.tier == "doubtful" else ""
    none = "none" if looked else "no detector"
    return (
        name,
        report.route.kind if report.route else "",
        str(len(report.findings)) if looked else "–",
        f"{best.label} {best.score:.2f}{unsure}" if best else none,
        ", ".join(_verdicts(report)),
        _flags(report.flags),
        f"{report.timings_ms.total:.0f}",
    )


def _printable(name: str) -> str:
    return name if name.isprintable() else name.encode("unicode_escape").decode("ascii")


def _verdicts(report: Report) -> Iterator[str]:
    for each in report.classifications:
        for label, probability in each.probabilities.items():
            yield f"{label} {probability:.2f}{' *' if each.verdicts[label] else ''}"


def _flags(flags: Sequence[Flag]) -> str:
    """The kinds of the flags as words, each once, with the label where there is one."""
    said = (
        f"{flag.kind.replace('-', ' ')}{f' ({flag.label})' * bool(flag.label)}" for flag in flags
    )
    return ", ".join(dict.fromkeys(said))


def _intended(report: Report) -> Iterator[str]:
    """What each model that answered is for, where its bundle says so: one line each."""
    classifiers = {each.model for each in report.classifications}
    for model in report.models:
        answered = model.task == "detection" or model.name in classifiers
        if answered and model.intended_use != RESEARCH_USE:
            yield f"{model.name}: {model.intended_use}"

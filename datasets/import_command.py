"""``lucency import``: public sets, and one's own images in folders or with a table."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lucency.annotations.choices import Readers
from lucency.configs.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection

    from rich.console import Console

    from lucency.annotations.ledger import Reason
    from lucency.datasets.import_table import TableColumns
    from lucency.datasets.importing import ImportedSet

_EXAMPLES = 3


def import_(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A set of --list; or folders, csv for your own."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="The set as it was unpacked.")
    ] = None,
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="New folder.")] = None,
    list_sets: Annotated[
        bool, typer.Option("--list", metavar="", help="List the sets and where they are to be had.")
    ] = False,
    image_column: Annotated[
        str | None, typer.Option(metavar="TITLE", help="csv: the column that names the images.")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(metavar="TITLE", help="csv: a column of names of labels.")
    ] = None,
    patient_column: Annotated[
        str | None, typer.Option(metavar="TITLE", help="csv: the column of the patients.")
    ] = None,
    readers: Annotated[
        Readers, typer.Option(help="What is made of several readers' boxes of an image.")
    ] = Readers.ALL,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REASON", help="Go on without what is lost for this reason. Repeatable."
        ),
    ] = None,
) -> None:
    """Make a data set of a public set as it was downloaded, or of your own images.

    `lucency import --list` tells what is known, and where it is to be had. Unreadable images are
    left out and told of; anything else that would be lost stops the import, unless --allow names
    the reason. Origin, licence and citation are kept in source.json.
    """
    from rich.console import Console

    from lucency.annotations.losses import reasons_from
    from lucency.datasets.import_table import TableColumns

    console = Console()
    if list_sets:
        _list(console)
        return
    if name is None or folder is None or out is None:
        raise ConfigError(
            "import needs NAME DIR OUT, such as `lucency import fracatlas FracAtlas OUT`; "
            "`lucency import --list` tells the names"
        )
    columns = TableColumns(image_column, label_column, patient_column)
    allowed = reasons_from(allow or [])
    made = _import(name, folder, out, columns, readers, allowed, console=console)
    _report(made, console=console, out=out)


def _import(
    name: str,
    folder: Path,
    out: Path,
    columns: "TableColumns",
    readers: Readers,
    allow: "Collection[Reason]",
    *,
    console: "Console",
) -> "ImportedSet":
    from functools import partial

    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn

    from lucency.datasets import import_folders, import_table
    from lucency.datasets.import_table import TableColumns
    from lucency.datasets.importing import Read, import_images
    from lucency.datasets.public_sets import PUBLIC_SETS, PublicSet, public_reader

    own: dict[str, tuple[PublicSet, Read]] = {
        "folders": (import_folders.FOLDERS, import_folders.read),
        "csv": (import_table.TABLE, partial(import_table.read, columns=columns)),
    }
    if name != "csv" and columns != TableColumns():
        raise ConfigError(f"import {name}: only `lucency import csv` has options for columns")
    if name not in own and name not in PUBLIC_SETS:
        names = ", ".join([*PUBLIC_SETS, *own])
        raise ConfigError(f"import {name}: no such set; there are {names}")
    if name in own:
        public_set, read = own[name]
    else:
        module = public_reader(name)
        public_set, read = module.PUBLIC_SET, module.read
    shown = (SpinnerColumn(), TextColumn("Looking at images: {task.completed}"))
    with Bar(*shown, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("images", total=None)
        return import_images(
            public_set,
            read,
            folder,
            out,
            readers=readers,
            allow=allow,
            progress=lambda done: bar.update(task, completed=done),
        )


def _list(console: "Console") -> None:
    """Name and contents, then the page and the licence; addresses are not broken."""
    from lucency.datasets.import_folders import FOLDERS
    from lucency.datasets.import_table import TABLE
    from lucency.datasets.public_sets import PUBLIC_SETS, public_set

    entries = [*map(public_set, PUBLIC_SETS), FOLDERS, TABLE]
    width = max(len(entry.name) for entry in entries) + 2
    for entry in entries:
        first, *further = (text for text in (entry.contents, entry.where, entry.licence) if text)
        console.print(f"[bold]{entry.name:{width}}[/]{first}", highlight=False, soft_wrap=True)
        for text in further:
            console.print(" " * width + text, highlight=False, markup=False, soft_wrap=True)


def _report(made: "ImportedSet", *, console: "Console", out: Path) -> None:
    from shlex import quote

    from rich.markup import escape
    from rich.table import Table

    counts = made.counts
    table = Table(title=escape(made.public_set.title), title_justify="left", show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    for rows in _sections(made):
        for what, count in rows:
            table.add_row(escape(what), f"{count:,}")
        table.add_section()
    console.print(table)
    lines = [f"hint: {hint}" for hint in made.ledger.hints]
    lines += [_left_out(made)] if counts.left_out else []
    images = f"{counts.images:,} image{'s' * (counts.images != 1)}"
    lines += [f"Wrote {images} to {out}, their origin to {out / 'source.json'}."]
    if made.public_set.licence:
        lines += [f"Licence: {made.public_set.licence}"]
        lines += [f"Please cite: {made.public_set.citation}"]
    lines += [f"Next: lucency split {quote(str(out))}"]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _sections(made: "ImportedSet") -> list[list[tuple[str, int]]]:
    """The summary's rows, a list for each section that has something to say."""
    from lucency.annotations.ledger import Reason

    counts = made.counts
    images = [(f"images, {status}", n) for status, n in counts.status.items() if n]
    images += [(f"left out, {reason}", n) for reason, n in counts.left_out.items()]
    contradictions = made.ledger.noted_by_reason()[Reason.CONTRADICTION]
    images += [("of these contradictory, see ledger.json", contradictions)] * bool(contradictions)
    labels = []
    for label, told in counts.labels.items():
        labels += [(f"label {label}, {what}", n) for what, n in told.items() if n]
    boxes = [(f"boxes of {label}", n) for label, n in counts.boxes.items()]
    totals = made.ledger.totals()
    boxes += [(f"boxes {what}", totals[what]) for what in ("clipped", "merged") if totals[what]]
    dropped = sorted(made.ledger.dropped_by_reason().items())
    boxes += [(f"boxes dropped, {reason}", n) for reason, n in dropped]
    patients = [("patients", counts.patients)] if counts.patients else []
    if counts.images_without_patient:
        patients += [("images whose patient is not known", counts.images_without_patient)]
    splits = [(f"official split, {split}", n) for split, n in counts.official_splits.items()]
    return [rows for rows in (images, labels, boxes, patients, splits) if rows]


def _left_out(made: "ImportedSet") -> str:
    entries = [entry for entry in made.ledger.image_entries if entry.left_out]
    names = [(entry.image or entry.source).rpartition("/")[2] for entry in entries[:_EXAMPLES]]
    total = sum(made.counts.left_out.values())
    more = f" and {total - len(names):,} more" if total > len(names) else ""
    reasons = ", ".join(made.counts.left_out)
    return f"Left out ({reasons}): {', '.join(names)}{more}; all are in ledger.json."

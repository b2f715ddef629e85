"""``lucency convert`` and ``lucency formats``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lucency.annotations.choices import Edge, Geometry, Readers

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from lucency.annotations.convert import ConversionResult
    from lucency.annotations.ledger import Ledger


def convert(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Annotation file or folder.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder.")],
    images: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where the images are, if not beside the annotations."),
    ] = None,
    negatives: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Further images, known to show nothing."),
    ] = None,
    from_format: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="FORMAT", help="One of `lucency formats`; otherwise told by content."
        ),
    ] = None,
    to_format: Annotated[
        str,
        typer.Option(
            "--to", metavar="FORMAT", help="Another format that `lucency formats` can write."
        ),
    ] = "yolo",
    rename: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="OLD=NEW", help="Rename a label. Repeatable."),
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option(metavar="LABEL", help="Leave a label out. Repeatable.")
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Class names in their order, one a line.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REASON", help="Go on without what is lost for this reason. Repeatable."
        ),
    ] = None,
    geometry: Annotated[
        Geometry | None,
        typer.Option(
            help="Shapes that are kept.",
            show_default="box for yolo, outline for others",
        ),
    ] = None,
    edge: Annotated[
        Edge, typer.Option(help="What becomes of a box that reaches beyond its image.")
    ] = Edge.CLIP,
    readers: Annotated[
        Readers, typer.Option(help="What is made of several readers' boxes of an image.")
    ] = Readers.ALL,
    voc_origin: Annotated[
        int,
        typer.Option(
            min=0, max=1, metavar="0|1", help="Pascal VOC: where the pixels are counted from."
        ),
    ] = 0,
    stretched: Annotated[
        bool,
        typer.Option(
            "--stretched", metavar="", help="Images were resized without keeping proportions."
        ),
    ] = False,
    labels_only: Annotated[
        bool,
        typer.Option(
            "--labels-only", metavar="", help="Do not look for images; write labels alone."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar="", help="Only tell; write nothing.")
    ] = False,
) -> None:
    """Turn annotations of any format into a YOLO data set; every box is accounted for.

    Nothing is written if a box or an image would be lost, unless --allow names the reason.
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from lucency.annotations.convert import Options
    from lucency.annotations.convert import convert as convert_annotations
    from lucency.annotations.losses import reasons_from
    from lucency.annotations.yolo import read_class_file

    allowed = reasons_from(allow or [])
    options = Options(
        images=images,
        negatives=negatives,
        from_format=from_format,
        to_format=to_format,
        classes=read_class_file(classes) if classes else None,
        rename=_renaming(rename or []),
        drop=drop or [],
        geometry=geometry,
        edge=edge,
        readers=readers,
        voc_origin=voc_origin,
        stretched=stretched,
        labels_only=labels_only,
    )
    console = Console()
    columns = (SpinnerColumn(), TextColumn("Looking at images: {task.completed}"))
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("images", total=None)
        result = convert_annotations(
            source,
            out,
            options,
            allow=allowed,
            dry_run=dry_run,
            progress=lambda done: bar.update(task, completed=done),
        )
    _report(result, console=console, out=out, labels_only=labels_only, dry_run=dry_run)


def formats() -> None:
    """List the annotation formats that can be read and written."""
    from rich.console import Console
    from rich.table import Table

    from lucency.annotations.formats import FORMATS

    table = Table()
    for heading in ("format", "what it is", "read", "written"):
        table.add_column(heading)
    for known in FORMATS:
        table.add_row(known.name, known.title, "yes", "yes" if known.writes else "")
    Console().print(table)


def _renaming(pairs: list[str]) -> dict[str, str]:
    from lucency.annotations import documents
    from lucency.configs.errors import ConfigError

    renamed: dict[str, str] = {}
    for pair in pairs:
        old, equals, new = pair.partition("=")
        if not (old and equals and documents.text(new)):
            raise ConfigError(f"--map {documents.shown(pair)}: must be old=new")
        if renamed.setdefault(old, new) != new:
            raise ConfigError(f"--map {pair}: '{old}' is already renamed to '{renamed[old]}'")
    return renamed


def _report(
    result: "ConversionResult", *, console: "Console", out: Path, labels_only: bool, dry_run: bool
) -> None:
    from shlex import quote

    console.print(_box_table(result.ledger))
    console.print(_image_table(result.ledger))
    for hint in result.ledger.hints:
        console.print(f"hint: {hint}", highlight=False, markup=False, soft_wrap=True)
    count = len(result.images)
    names = ", ".join(result.label_map) or "none"
    what = f"{'the labels of ' * labels_only}{count:,} image{'s' * (count != 1)}"
    done = "Would write" if dry_run else "Wrote"
    line = f"{done} {what} to {out} (read as {result.format.title}; classes: {names})."
    console.print(line, highlight=False, markup=False, soft_wrap=True)
    if not dry_run:
        line = f"What was changed or left out is in {out / 'ledger.json'}."
        if result.dataset is not None:
            line += f"\nNext: lucency split {quote(str(out))}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _box_table(ledger: "Ledger") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    from lucency.annotations.ledger import Outcome

    reasons = sorted(ledger.dropped_by_reason())
    table = Table(title="Boxes by label in the source", title_justify="left")
    table.add_column("label", overflow="fold")
    for heading in ("in", "written", "of these clipped", "merged", *reasons):
        table.add_column(str(heading), justify="right", overflow="fold")
    by_label = ledger.dropped_by_label()
    labels = sorted({label for label, _ in ledger.outcomes})
    for label in labels:
        counts = {outcome: ledger.outcomes[label, outcome] for outcome in Outcome}
        written = counts[Outcome.WRITTEN] + counts[Outcome.CLIPPED]
        row = [sum(counts.values()), written, counts[Outcome.CLIPPED], counts[Outcome.MERGED]]
        row += [by_label[label, reason] for reason in reasons]
        table.add_row(escape(label or "(none)"), *(f"{count:,}" for count in row))
    totals, dropped = ledger.totals(), ledger.dropped_by_reason()
    row = [totals[key] for key in ("in", "written", "clipped", "merged")]
    row += [dropped[reason] for reason in reasons]
    table.add_section()
    table.add_row("total", *(f"{count:,}" for count in row))
    return table


def _image_table(ledger: "Ledger") -> "Table":
    from rich.table import Table

    from lucency.annotations.findings import Status
    from lucency.annotations.ledger import Reason

    table = Table(title="Images", title_justify="left")
    left_out, noted = ledger.left_out_by_reason(), ledger.noted_by_reason()
    row = []
    for status in Status:
        table.add_column(status.value, justify="right", overflow="fold")
        row.append(ledger.images[status])
    for reason in (Reason.SCALED, Reason.TURNED):
        if noted[reason]:
            table.add_column(f"of these {reason}", justify="right", overflow="fold")
            row.append(noted[reason])
    for reason, count in sorted(left_out.items()):
        table.add_column(f"left out: {reason}", justify="right", overflow="fold")
        row.append(count)
    table.add_row(*(f"{count:,}" for count in row))
    return table

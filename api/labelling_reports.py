"""What `lucency prepare`, `collect` and `agree` say when they are done."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from lucency.annotations.annotators import Annotators
    from lucency.annotations.ledger import Ledger
    from lucency.datasets.collect import Collected
    from lucency.datasets.prepare import Prepared


def tell_prepared(prepared: "Prepared", *, labels: bool) -> None:
    """Counts of files and images, everything that was met, and the next commands."""
    from rich.console import Console
    from rich.table import Table

    from lucency.datasets.prepare import LABELS_TXT, shared_uids

    images = prepared.images
    files = sum(len(image.originals) for image in images)
    boxes = sum(len(image.prelabels.boxes) for image in images if image.prelabels)
    counts = {
        "files": files + len(prepared.unreadable),
        "images": len(images),
        "same picture": files - len(images),
        "unreadable": len(prepared.unreadable),
        "other files": prepared.passed_over,
        "proposed boxes": boxes,
    }
    table = Table(title=f"{prepared.out}", title_justify="left")
    for name in counts:
        table.add_column(name, justify="right")
    table.add_row(*(f"{count:,}" for count in counts.values()))
    Console().print(table)
    for line in prepared.unreadable:
        typer.echo(f"left out: {line}", err=True)
    for image in images:
        for twin in image.originals[1:]:
            typer.echo(f"note: {twin.path} shows what {image.originals[0].path} shows")
    for uid in shared_uids(images):
        typer.echo(f"note: different pictures carry one SOPInstanceUID, {uid}; all were prepared")
    burned = [i.name for i in images if any(each.identity.burned_in for each in i.originals)]
    if burned:
        typer.echo(
            "warning: text about the patient is in the pixels, as the files say, of "
            f"{', '.join(burned)}; look at all images before you pass them on"
        )
    typer.echo(f"Keep {prepared.private_map} and pass it to nobody: it says who the patients are.")
    out = shlex.quote(str(prepared.out))
    listed = shlex.quote(str(prepared.out / LABELS_TXT))
    choice = f" --labels {listed} --validate-label exact" if labels else ""
    typer.echo(f"Next: labelme {out}{choice}\nThen: lucency collect {out} SET")


def tell_collected(collected: "Collected", out: Path) -> None:
    """What became of the pre-labels, what the set has, and what is amiss."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from lucency.annotations.findings import Status
    from lucency.datasets.collect import COLLECT_JSON

    counts = collected.tally
    if collected.corrections:
        table = Table(title="Boxes against the pre-labels", title_justify="left", box=None)
        table.add_column("label", overflow="fold")
        for name in counts.row(""):
            table.add_column(name.replace("_", " "), justify="right", overflow="fold")
        for label in counts.labels():
            table.add_row(escape(label), *(f"{count:,}" for count in counts.row(label).values()))
        Console().print(table)
    statuses = collected.conversion.ledger.images
    typer.echo(
        f"Documents: {collected.reviewed:,} reviewed, {collected.unreviewed:,} not. "
        f"Images in the set: {', '.join(f'{statuses[status]:,} {status}' for status in Status)}."
    )
    _tell_losses(collected.conversion.ledger)
    if collected.unticked:
        typer.echo(
            f"note: changed but not ticked, and taken for reviewed: "
            f"{_counted(len(collected.unticked), 'document')}, such as {collected.unticked[0]}"
        )
    if collected.new_labels:
        typer.echo(f"note: labels that labels.txt does not have: {', '.join(collected.new_labels)}")
    if collected.shared:
        typer.echo(
            f"warning: of several patients, so that none is written: "
            f"{_counted(len(collected.shared), 'image')}, such as {collected.shared[0]}"
        )
    if not collected.mapped:
        typer.echo(
            "warning: without the private map no patient is known, so `lucency split` cannot keep "
            "patients together; name it with --private-map FILE"
        )
    elif not collected.patients:
        typer.echo(
            "warning: the private map names no patient, so `lucency split` cannot keep patients "
            "together"
        )
    typer.echo(f"Details: {out / COLLECT_JSON}\nNext: lucency split {shlex.quote(str(out))}")


def _tell_losses(ledger: "Ledger") -> None:
    """What was allowed to be lost, if anything was."""
    from lucency.annotations.ledger import Reason
    from lucency.annotations.losses import LOSSES

    boxes, images = ledger.dropped_by_reason(), ledger.left_out_by_reason()
    for reason in LOSSES:
        noun = "file" if reason is Reason.UNREADABLE_ANNOTATION else "image"
        lost = [_counted(images[reason], noun)] if images[reason] else []
        lost += [_counted(boxes[reason], "box", "boxes")] if boxes[reason] else []
        if lost:
            typer.echo(f"left out: {' and '.join(lost)} ({reason})", err=True)


def tell_uncompared(found: "Annotators") -> None:
    """What no figure is about: images not looked at, and what cannot be read."""
    for name, count in found.unknown.items():
        if count:
            typer.echo(f"note: not compared, as {name} has not looked: {_counted(count, 'image')}")
    for name, ledger in found.ledgers.items():
        for reason, count in ledger.dropped_by_reason().items():
            boxes = _counted(count, "box", "boxes")
            typer.echo(f"warning: not compared: {boxes} of {name} ({reason})", err=True)
        for reason, count in ledger.left_out_by_reason().items():
            files = _counted(count, "file")
            typer.echo(f"warning: not compared: {files} of {name} ({reason})", err=True)


def _counted(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"

"""The labelling loop: ``prepare`` before annotators begin, ``collect`` after, and ``agree``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lucency.datasets.commands import Method

if TYPE_CHECKING:
    from lucency.annotations.annotators import Annotators
    from lucency.datasets.collect import Collected
    from lucency.datasets.prepare import Prepared


def prepare(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE...", help="DICOM, PNG, TIFF or JPEG files, or folders."),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the annotators.")],
    bundle: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER|NAME",
            help="A detector that proposes boxes; the least certain images come first.",
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="The labels to choose from, one a line.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="One label to choose from. May be repeated.")
    ] = None,
    display: Annotated[
        Method, typer.Option(help="As the file asks for, or between two percentiles.")
    ] = Method.AS_DISPLAYED,
    low: Annotated[float | None, typer.Option(help="Percentile shown black.")] = None,
    high: Annotated[float | None, typer.Option(help="Percentile shown white.")] = None,
    keep_names: Annotated[
        bool, typer.Option("--keep-names", help="Put the file's name after the number.")
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="unreadable-image: go on without what cannot be decoded."),
    ] = None,
) -> None:
    """Turn radiographs into 8-bit PNGs for labelme, without names, perhaps pre-labelled.

    OUT goes to the annotators. OUT-private, beside it, says which image is whose: keep it.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from lucency.annotations.ledger import Reason
    from lucency.annotations.losses import reasons_from
    from lucency.api.prelabel import open_prelabeller
    from lucency.configs.display import DisplaySpec
    from lucency.configs.schema import parse_config
    from lucency.datasets.prepare import prepare as prepare_images

    given = {"low": low, "high": high}
    values = {name: value for name, value in given.items() if value is not None}
    spec = parse_config(DisplaySpec, {"method": display.value, **values}, where="prepare")
    allowed = reasons_from(allow or [])
    prelabeller = open_prelabeller(bundle) if bundle else None
    names = _labels(labels, label or [], prelabeller.class_names if prelabeller else ())
    columns = (TextColumn("preparing"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("preparing", total=None)
        prepared = prepare_images(
            sources,
            out,
            spec=spec,
            labels=names,
            prelabel=prelabeller,
            keep_names=keep_names,
            allow_unreadable=Reason.UNREADABLE_IMAGE in allowed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    _tell_prepared(prepared, labels=bool(names))


def collect(
    folder: Annotated[Path, typer.Argument(help="A folder of `lucency prepare`, corrected.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the set.")],
    images: Annotated[
        Path | None, typer.Option(help="Folder with the PNGs, if the documents came without.")
    ] = None,
    private_map: Annotated[
        Path | None,
        typer.Option(help="The private map.", show_default="FOLDER-private/map.csv"),
    ] = None,
    originals: Annotated[
        bool, typer.Option("--originals", help="Put the original files into the set, not PNGs.")
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Go on without what is lost for this reason. May be repeated."),
    ] = None,
) -> None:
    """Turn corrected labelme documents into a data set; only reviewed images count.

    An image is reviewed if its flag `reviewed` is ticked or its shapes were changed.
    """
    from lucency.annotations.losses import reasons_from
    from lucency.datasets.collect import collect as collect_documents

    collected = collect_documents(
        folder,
        out,
        images=images,
        private_map=private_map,
        originals=originals,
        allow=reasons_from(allow or []),
    )
    _tell_collected(collected, out)


def agree(
    annotators: Annotated[
        list[Path],
        typer.Argument(metavar="A B...", help="Annotations of each, or a file that names readers."),
    ],
    iou: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Overlap from which two boxes are one.")
    ] = 0.5,
    from_format: Annotated[
        str | None, typer.Option("--from", help="The format; otherwise told by content.")
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write every figure and dispute here.")
    ] = None,
) -> None:
    """Compare annotators: matched boxes, Cohen's kappa of the images, and where they disagree."""
    from itertools import combinations

    from rich.console import Console

    from lucency.annotations.agree import compare
    from lucency.annotations.agreement_report import agreement_json, agreement_tables, dispute_lines
    from lucency.annotations.annotators import read_annotators
    from lucency.configs import atomic

    found = read_annotators(annotators, from_format=from_format)
    pairs = compare(found.images, iou=iou)
    console = Console()
    for pair in pairs:
        for table in agreement_tables(pair):
            console.print(table)
        for line in dispute_lines(pair):
            typer.echo(line)
    told = {frozenset((pair.first, pair.second)) for pair in pairs}
    apart = [pair for pair in combinations(found.images, 2) if frozenset(pair) not in told]
    for first, second in apart:
        typer.echo(f"note: {first} and {second} have no image in common")
    _tell_uncompared(found)
    if json_path is not None:
        atomic.write_text(json_path, agreement_json(pairs, iou=iou))


def _labels(path: Path | None, given: list[str], of_model: tuple[str, ...]) -> tuple[str, ...]:
    """The labels of a file, those given by name, then the model's own that are not among them."""
    from lucency.annotations.findings import LabelMap
    from lucency.annotations.yolo import read_class_file
    from lucency.configs.errors import ConfigError

    if path is not None and given:
        raise ConfigError("--labels and --label: give one of the two")
    names = read_class_file(path) if path is not None else tuple(given)
    try:
        chosen = LabelMap(names).names
    except ValueError as error:
        raise ConfigError(f"--label: {error}") from None
    return tuple(dict.fromkeys((*chosen, *of_model)))


def _tell_prepared(prepared: "Prepared", *, labels: bool) -> None:
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
        "no images": prepared.passed_over,
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
    burned = sum(any(each.identity.burned_in for each in image.originals) for image in images)
    if burned:
        typer.echo(
            f"warning: {burned} images are said to have text about the patient in their pixels; "
            "look at them before you pass them on"
        )
    typer.echo(f"Keep {prepared.private_map} and pass it to nobody: it says who the patients are.")
    choice = f" --labels {prepared.out / LABELS_TXT} --validate-label exact" if labels else ""
    typer.echo(f"Next: labelme {prepared.out}{choice}\nThen: lucency collect {prepared.out} SET")


def _tell_collected(collected: "Collected", out: Path) -> None:
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
        f"{collected.reviewed} documents reviewed, {collected.unreviewed} not; the set has "
        + ", ".join(f"{statuses[status]} {status}" for status in Status)
        + " images"
    )
    if collected.unticked:
        typer.echo(
            f"note: {len(collected.unticked)} of the reviewed were changed but not ticked, "
            f"such as {collected.unticked[0]}"
        )
    if collected.new_labels:
        typer.echo(f"note: labels.txt does not have {', '.join(collected.new_labels)}")
    if collected.shared:
        typer.echo(
            f"warning: {len(collected.shared)} images belong to several patients, such as "
            f"{collected.shared[0]}; no patient is written for them"
        )
    if not collected.patients:
        typer.echo("warning: no patient is known, so `lucency split` cannot keep patients together")
    typer.echo(f"Details: {out / COLLECT_JSON}\nNext: lucency split {out}")


def _tell_uncompared(found: "Annotators") -> None:
    for name, count in found.unknown.items():
        if count:
            typer.echo(f"note: {count} images that {name} has not looked at were not compared")
    for name, ledger in found.ledgers.items():
        for reason, count in ledger.dropped_by_reason().items():
            typer.echo(f"warning: {count} boxes of {name} cannot be compared: {reason}", err=True)
        for reason, count in ledger.left_out_by_reason().items():
            typer.echo(f"warning: {count} files of {name} were left out: {reason}", err=True)

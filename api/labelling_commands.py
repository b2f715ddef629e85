"""The labelling loop: ``prepare`` before annotators begin, ``collect`` after, and ``agree``."""

from pathlib import Path
from typing import Annotated

import typer

from lucency.datasets.commands import Display


def prepare(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE", help="Images (DICOM, PNG, TIFF, JPEG) or folders of them."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the annotators.")],
    bundle: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER",
            help="Detector that proposes boxes; images that it is least sure of come first.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Labels to choose from, one a line."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="One label to choose from. Repeatable."),
    ] = None,
    display: Annotated[
        Display, typer.Option(help="Grey levels of the whole image, as in `lucency render`.")
    ] = Display.AS_DISPLAYED,
    low: Annotated[
        float | None,
        typer.Option(metavar="PERCENT", help="So many of the pixels are black (percentile)."),
    ] = None,
    high: Annotated[
        float | None,
        typer.Option(metavar="PERCENT", help="All pixels above this percentile are white."),
    ] = None,
    keep_names: Annotated[
        bool,
        typer.Option("--keep-names", metavar="", help="Put the file's name after the number."),
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REASON", help="unreadable-image: go on without images that cannot be read."
        ),
    ] = None,
) -> None:
    """Turn radiographs into 8-bit PNGs for labelme, without names, perhaps pre-labelled.

    OUT goes to the annotators. OUT-private, beside it, says which image is whose: keep it.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from lucency.api.labelling_reports import tell_prepared
    from lucency.api.prelabel import open_prelabeller
    from lucency.configs.display import DisplaySpec
    from lucency.configs.schema import parse_config
    from lucency.datasets.prepare import prepare as prepare_images

    _refuse_prepare(display, low, high, allow or [])
    given = {"low": low, "high": high}
    values = {name: value for name, value in given.items() if value is not None}
    spec = parse_config(DisplaySpec, {"preset": display.value, **values}, where="prepare").whole()
    prelabeller = open_prelabeller(bundle) if bundle else None
    names = _labels(labels, label or [], prelabeller.class_names if prelabeller else ())
    columns = (TextColumn("preparing"), BarColumn(), MofNCompleteColumn(), Remaining())
    console = Console()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("preparing", total=None)
        prepared = prepare_images(
            sources,
            out,
            spec=spec,
            labels=names,
            prelabel=prelabeller,
            keep_names=keep_names,
            allow_unreadable=bool(allow),
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    tell_prepared(prepared, labels=bool(names))


def collect(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="A folder of `lucency prepare`, corrected."),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the set.")],
    images: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of the PNGs, if the documents came without."),
    ] = None,
    private_map: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Says which image is whose.",
            show_default="FOLDER-private/map.csv",
        ),
    ] = None,
    originals: Annotated[
        bool,
        typer.Option(
            "--originals", metavar="", help="Put the original files into the set, not the PNGs."
        ),
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REASON", help="Go on without what is lost for this reason. Repeatable."
        ),
    ] = None,
) -> None:
    """Turn corrected labelme documents into a data set; only reviewed images count.

    An image is reviewed if its flag `reviewed` is ticked or its shapes were changed.
    """
    from lucency.annotations.losses import reasons_from
    from lucency.api.labelling_reports import tell_collected
    from lucency.datasets.collect import collect as collect_documents

    collected = collect_documents(
        folder,
        out,
        images=images,
        private_map=private_map,
        originals=originals,
        allow=reasons_from(allow or []),
    )
    tell_collected(collected, out)


def agree(
    annotators: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE",
            help="One for each annotator, or one that names its readers.",
        ),
    ],
    iou: Annotated[
        float,
        typer.Option(
            min=0.01, max=1.0, metavar="NUMBER", help="Overlap from which two boxes match."
        ),
    ] = 0.5,
    from_format: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="FORMAT", help="One of `lucency formats`; otherwise told by content."
        ),
    ] = None,
    json_path: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write every figure and dispute to it."),
    ] = None,
) -> None:
    """Compare annotators: matched boxes, Cohen's kappa of the images, and where they disagree."""
    from itertools import combinations

    from rich.console import Console

    from lucency.annotations.agree import compare
    from lucency.annotations.agreement_report import agreement_json, agreement_tables, dispute_lines
    from lucency.annotations.annotators import read_annotators
    from lucency.api.labelling_reports import tell_uncompared
    from lucency.configs import atomic
    from lucency.configs.errors import ConfigError

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
    tell_uncompared(found)
    if json_path is not None:
        try:
            atomic.write_text(json_path, agreement_json(pairs, iou=iou))
        except OSError as error:
            raise ConfigError(f"{json_path}: cannot be written: {error.strerror}") from None


def _refuse_prepare(
    display: Display, low: float | None, high: float | None, allow: list[str]
) -> None:
    """Options that would do nothing are a mistake; raises `ConfigError`."""
    from lucency.annotations.ledger import Reason
    from lucency.configs.errors import ConfigError

    if display is Display.AS_DISPLAYED and not (low is None and high is None):
        raise ConfigError("--low and --high: go with a display between percentiles")
    for reason in allow:
        if reason != Reason.UNREADABLE_IMAGE:
            raise ConfigError(
                f"--allow {reason}: no reason to lose an image here; there is "
                f"{Reason.UNREADABLE_IMAGE}"
            )


def _labels(path: Path | None, given: list[str], of_model: tuple[str, ...]) -> tuple[str, ...]:
    """The labels of a file, those given by name, then the model's own that are not among them."""
    from lucency.annotations.findings import LabelMap
    from lucency.annotations.yolo import read_class_file
    from lucency.configs.errors import ConfigError

    if path is not None and given:
        raise ConfigError("--labels and --label: give one of the two")
    names = read_class_file(path) if path is not None else tuple(given)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ConfigError(f"--label {twice[0]}: is there twice; name each label once")
    try:
        chosen = LabelMap(names).names
    except ValueError as error:
        raise ConfigError(f"--label: {error}") from None
    return tuple(dict.fromkeys((*chosen, *of_model)))

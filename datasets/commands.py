"""Commands that bring a set into shape: ``split``, ``render``, ``phantoms``."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import re

    from lucency.annotations.records import Dataset

SetArgument = Annotated[Path, typer.Argument(metavar="SET", help="Folder with dataset.csv.")]


class Method(StrEnum):
    """How stored values become grey levels; see `DisplaySpec`."""

    AS_DISPLAYED = "as_displayed"
    PERCENTILE = "percentile"


class Region(StrEnum):
    """What a phantom shows."""

    LIMB = "limb"
    CHEST = "chest"


class Annotations(StrEnum):
    """The format that phantoms are written in."""

    LABELME = "labelme"
    COCO = "coco"


def split(
    folder: SetArgument,
    ratios: Annotated[
        str, typer.Option(help="Shares of train, val and test, for what is not assigned.")
    ] = "70/15/15",
    seed: Annotated[int, typer.Option(help="Another seed gives another split.")] = 0,
    assign: Annotated[
        list[str] | None,
        typer.Option(metavar="SPLIT=FILE", help="An official list: val=valid.csv. Repeatable."),
    ] = None,
    patient_pattern: Annotated[
        str | None,
        typer.Option(metavar="REGEX", help="Finds the patient in a file name: '(person\\d+)'."),
    ] = None,
    patients: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Image names first, and a column patient_id."),
    ] = None,
) -> None:
    """Divide a set into train, val and test by patient, with like shares of every class.

    No patient and no identical image ever stands in two splits. Files move into images/SPLIT and
    labels/SPLIT; run it again to divide anew. Images of unknown status stay outside.
    """
    from lucency.annotations.records import read_dataset
    from lucency.datasets.patients import identify_patients, read_patients
    from lucency.datasets.placement import apply_split, finish_interrupted_split
    from lucency.datasets.split import read_assignments, split_dataset, unmatched

    shares = _ratios(ratios)
    assigned = read_assignments(_assignment(text) for text in assign or ())
    table = read_patients(patients) if patients else {}
    if finish_interrupted_split(folder):
        typer.echo(f"note: an interrupted split of {folder} was finished first")
    dataset = identify_patients(
        read_dataset(folder), pattern=_compiled(patient_pattern), patients=table
    )
    placed = apply_split(split_dataset(dataset, ratios=shares, seed=seed, assigned=assigned))
    _show_splits(placed)
    lost = unmatched(dataset, assigned)
    if lost:
        typer.echo(
            f"note: {len(lost)} of {len(assigned)} assigned names are not in the set: {lost[0]} …"
        )
    anonymous = sum(not record.patient_id for record in placed.records)
    if anonymous:
        typer.echo(
            f"warning: {anonymous} of {len(placed.records)} images name no patient, and each was "
            "taken for a patient of its own; --patient-pattern or --patients can tell"
        )


def render(
    folder: SetArgument,
    display: Annotated[
        Method, typer.Option(help="As the file asks for, or between two percentiles.")
    ] = Method.AS_DISPLAYED,
    low: Annotated[float | None, typer.Option(help="Percentile shown black.")] = None,
    high: Annotated[float | None, typer.Option(help="Percentile shown white.")] = None,
    longest_side: Annotated[
        int | None, typer.Option(help="Reduce larger images to this many pixels.")
    ] = None,
) -> None:
    """Render a set into the 8-bit PNGs that models see.

    The rendered set lies in SET/display; the original images stay as they are.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from lucency.annotations.records import read_dataset
    from lucency.configs.display import DisplaySpec
    from lucency.configs.schema import parse_config
    from lucency.datasets.render import render as render_set

    given = {"low": low, "high": high, "longest_side": longest_side}
    values = {name: value for name, value in given.items() if value is not None}
    spec = parse_config(DisplaySpec, {"method": display.value, **values}, where="render")
    dataset = read_dataset(folder)
    columns = (TextColumn("rendering"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("rendering", total=len(dataset.records))
        rendered = render_set(
            dataset,
            spec,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    left_out = len(dataset.records) - len(rendered.records)
    typer.echo(f"{len(rendered.records)} images rendered in {rendered.root}")
    if left_out:
        typer.echo(f"note: {left_out} images of unknown status were left out")


def phantoms(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.")],
    region: Annotated[Region, typer.Option(help="What the phantoms show.")] = Region.LIMB,
    patients: Annotated[int, typer.Option(help="Number of patients, 2 or 3 images each.")] = 40,
    seed: Annotated[int, typer.Option(help="The same seed gives the same images.")] = 0,
    size: Annotated[int, typer.Option(help="Longer side of an image in pixels.")] = 320,
    annotations: Annotated[
        Annotations, typer.Option("--as", help="labelme JSON with DICOM, or COCO with PNG.")
    ] = Annotations.LABELME,
) -> None:
    """Make synthetic radiographs with exact annotations, to try everything out."""
    from lucency.datasets.phantom_files import write_coco, write_labelme
    from lucency.datasets.phantoms import make_chests, make_limbs

    make = make_limbs if region is Region.LIMB else make_chests
    write = write_labelme if annotations is Annotations.LABELME else write_coco
    count = write(make(patients, seed=seed, size=size), out)
    typer.echo(f"{count} images of {patients} patients in {out}")


def _ratios(text: str) -> tuple[float, float, float]:
    from lucency.configs.errors import ConfigError

    try:
        train, val, test = (float(part) for part in text.split("/"))
    except ValueError:
        raise ConfigError(
            f"--ratios: must be three numbers such as 70/15/15, got '{text}'"
        ) from None
    return train, val, test


def _assignment(text: str) -> tuple[str, Path]:
    from lucency.configs.errors import ConfigError

    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise ConfigError(f"--assign: must be SPLIT=FILE, such as val=valid.csv, got '{text}'")
    return name, Path(path)


def _compiled(pattern: str | None) -> "re.Pattern[str] | None":
    import re

    from lucency.configs.errors import ConfigError

    try:
        return re.compile(pattern) if pattern else None
    except re.error as error:
        raise ConfigError(f"--patient-pattern: '{pattern}' is no pattern: {error}") from None


def _show_splits(dataset: "Dataset") -> None:
    from collections import Counter

    from rich.console import Console
    from rich.table import Table

    from lucency.annotations.findings import Status
    from lucency.annotations.records import SPLITS, UNSPLIT

    table = Table(title=f"{dataset.root}", title_justify="left")
    table.add_column("split")
    for name in ("images", "patients", *dataset.label_map, "negative images"):
        table.add_column(name, justify="right")
    for name in (*SPLITS, UNSPLIT):
        records = dataset.in_split(name)
        if not records and name == UNSPLIT:
            continue
        boxes = Counter(finding.label for r in records for finding in dataset.findings(r))
        negatives = sum(record.status is Status.NEGATIVE for record in records)
        people = len({record.patient_id or record.sha256 for record in records})
        counts = (len(records), people, *(boxes[label] for label in dataset.label_map), negatives)
        table.add_row(name, *(f"{count:,}" for count in counts))
    Console().print(table)

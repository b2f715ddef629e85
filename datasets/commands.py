"""Commands that make images: ``render`` and ``phantoms``."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lucency.annotations.records import Dataset

SetArgument = Annotated[Path, typer.Argument(metavar="SET", help="Folder with dataset.csv.")]


class Display(StrEnum):
    """The presets of `DisplaySpec`."""

    AS_DISPLAYED = "as-displayed"
    PERCENTILE = "percentile"
    CHEST = "chest"
    BONE = "bone"
    CLAHE = "clahe"


class Crop(StrEnum):
    """The part of an image that is shown."""

    NONE = "none"
    FIELD = "field"
    BODY = "body"


class Region(StrEnum):
    """What a phantom shows."""

    LIMB = "limb"
    CHEST = "chest"


class Annotations(StrEnum):
    """The format that phantoms are written in."""

    LABELME = "labelme"
    COCO = "coco"


def render(
    folder: SetArgument,
    display: Annotated[
        Display, typer.Option(help="As the file asks for, or a named way of showing it.")
    ] = Display.AS_DISPLAYED,
    low: Annotated[float | None, typer.Option(help="Percentile shown black.")] = None,
    high: Annotated[float | None, typer.Option(help="Percentile shown white.")] = None,
    longest_side: Annotated[
        int | None, typer.Option(help="Reduce larger images to this many pixels.")
    ] = None,
    crop: Annotated[
        Crop | None,
        typer.Option(help="Leave margins out: show the exposed field, or the body alone."),
    ] = None,
) -> None:
    """Render a set into the 8-bit PNGs that models see.

    The rendered set lies in SET/display; the original images stay as they are.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from lucency.annotations.records import read_dataset
    from lucency.configs.display import DisplaySpec
    from lucency.configs.errors import ConfigError
    from lucency.configs.schema import parse_config
    from lucency.datasets.render import render as render_set

    if display is Display.AS_DISPLAYED and (low is not None or high is not None):
        name = "--low" if low is not None else "--high"
        raise ConfigError(
            f"render: {name} goes with a display between percentiles, not with 'as-displayed'; "
            "add --display percentile"
        )
    given = {"low": low, "high": high, "longest_side": longest_side, "crop": crop and crop.value}
    values = {name: value for name, value in given.items() if value is not None}
    spec = parse_config(DisplaySpec, {"preset": display.value, **values}, where="render")
    dataset = read_dataset(folder)
    columns = (TextColumn("rendering"), BarColumn(), MofNCompleteColumn(), Remaining())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("rendering", total=len(dataset.records))
        rendered = render_set(
            dataset,
            spec,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    _tell_of_render(dataset, rendered)


def _tell_of_render(dataset: "Dataset", rendered: "Dataset") -> None:
    from lucency.annotations.findings import Status
    from lucency.datasets.render import MANIFEST, crop_losses

    typer.echo(f"{len(rendered.records)} images rendered in {rendered.root}")
    unknown = sum(record.status is Status.UNKNOWN for record in dataset.records)
    if unknown:
        typer.echo(f"note: {unknown} images of unknown status were left out")
    losses = crop_losses(rendered)
    if losses.cut or losses.lost:
        typer.echo(
            f"warning: the crop cut {len(losses.cut)} boxes and lost {len(losses.lost)}; "
            f"{len(losses.left_out)} images that lost all their boxes were left out; "
            f"{MANIFEST} lists them"
        )


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

"""``lucency explore``."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from lucency.annotations.records import Dataset
    from lucency.datasets.survey import Survey

PAGE = "explore.html"
# So many classes, and labels, are listed in the terminal.
_MOST_ROWS = 15


def explore(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="Folder with dataset.csv.")],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page.", show_default=f"SET/{PAGE}")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all figures as JSON.")
    ] = None,
    augment: Annotated[
        Path | None,
        typer.Option(metavar="YAML", help="Show images under the augmentations of this file, too."),
    ] = None,
) -> None:
    """Look at a data set before training: one page with figures, pictures and what to mend.

    Every image is decoded once; nothing in the set is changed.
    """
    from rich.console import Console

    from lucency.annotations.records import read_dataset
    from lucency.evaluation.explore_page import write_explore_page
    from lucency.evaluation.report import write_json

    dataset = read_dataset(folder)
    # An archive, or a set that others share, may be there to be read alone.
    outside = html is None and not os.access(folder, os.W_OK)
    page = html or (Path(f"{folder.resolve().name}-{PAGE}") if outside else folder / PAGE)
    for option, path in (("--html", page), ("--json", json)):
        _refuse_unwritable(option, path)
    augmented = None
    if augment is not None:
        from lucency.evaluation.augment_sheet import augment_sheet

        augmented = augment_sheet(dataset, augment)
    console = Console()
    survey = _surveyed(dataset, console)
    if json is not None:
        write_json(survey.to_json(), json)
    write_explore_page(dataset, survey, page, augmented=augmented)
    _tell(survey, console)
    if outside:
        note = f"note: {folder} cannot be written to, so the page is in the current folder."
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    console.print(f"Page: {page}", highlight=False, markup=False, soft_wrap=True)


def _refuse_unwritable(option: str, path: Path | None) -> None:
    """Before the work, and not after it; raises `ConfigError`."""
    from lucency.configs.errors import ConfigError

    if path is None:
        return
    above = next(there for there in path.absolute().parents if there.exists())
    if path.is_dir() or not above.is_dir():
        raise ConfigError(f"{option} {path}: must be a file, in a folder")
    if not os.access(above, os.W_OK):
        raise ConfigError(f"{option} {path}: {above} cannot be written to; name another file")


def _surveyed(dataset: "Dataset", console: "Console") -> "Survey":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from lucency.datasets.survey import survey

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        tasks = {name: bar.add_task(name, total=None) for name in ("decoding", "comparing")}
        return survey(
            dataset,
            progress=lambda step, done, total: bar.update(tasks[step], completed=done, total=total),
        )


def _tell(survey: "Survey", console: "Console") -> None:
    """The table of splits, what to mend, and the resolution."""

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    patients = f"{survey.patients.patients:,}" if survey.patients.patients else "no named"
    say(
        f"{survey.name}: {_counted(survey.images, 'image')}, {_counted(survey.boxes, 'box')}, "
        f"{_counted(len(survey.classes), 'class')}, {_counted(len(survey.labels), 'label')}, "
        f"{patients} patients"
    )
    kinds = ", ".join(f"{kind.images:,} {kind.name}" for kind in survey.pixels.kinds)
    if survey.pixels.median_wh is not None:
        width, height = survey.pixels.median_wh
        say(f"{kinds}; median size {width:,} × {height:,} px")
    if survey.splits:
        console.print(_split_table(survey))
    for concern in survey.concerns:
        say(f"{concern.severity}: {concern.title}. {concern.detail}")
    if survey.resolution.resolution is not None:
        say(f"Train at {survey.resolution.resolution:,} px. {survey.resolution.reason}")


def _split_table(survey: "Survey") -> "Table":
    """What is in each split, a row each for the first classes and labels."""
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    table.add_column("")
    for split in survey.splits:
        table.add_column(escape(split.name), justify="right")

    def add(name: str, counts: Iterable[int]) -> None:
        table.add_row(escape(name), *(f"{count:,}" for count in counts))

    add("images", (split.images for split in survey.splits))
    add("patients", (split.patients for split in survey.splits))
    if survey.boxes:
        add("negative images", (split.negative for split in survey.splits))
    for count in survey.classes[:_MOST_ROWS]:
        add(f"boxes: {count.name}", count.boxes_by_split.values())
    for label in survey.labels[:_MOST_ROWS]:
        add(f"with {label.name}", label.positive_by_split.values())
    return table


def _counted(count: int, noun: str) -> str:
    plural = "es" if noun.endswith(("s", "x")) else "s"
    return f"{count:,} {noun}{plural * (count != 1)}"

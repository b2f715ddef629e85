"""The command ``split``: train, val and test by patient, locked."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lucency.configs.errors import ConfigError

if TYPE_CHECKING:
    import re

    from lucency.annotations.records import Dataset
    from lucency.datasets.near_duplicates import NearDuplicates
    from lucency.datasets.patients import Identified
    from lucency.datasets.split import SplitPlan

_MOST_SHARES = 6  # columns in which a share beside each count still finds room


def split(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="Folder with dataset.csv.")],
    ratios: Annotated[
        str | None,
        typer.Option(help="Shares of train, val and test, for what is not assigned: 70/15/15."),
    ] = None,
    folds: Annotated[
        int | None, typer.Option(metavar="K", help="Folds for cross-validation instead of ratios.")
    ] = None,
    fold: Annotated[
        int | None,
        typer.Option(metavar="I", help="The fold that is val, from 0; the others train."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed gives another split.")] = 0,
    stratify: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Balance the values of a column, as body_part and site are anyway. Repeatable.",
        ),
    ] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option(metavar="SPLIT=FILE", help="An official list: val=valid.csv. Repeatable."),
    ] = None,
    ignore_official: Annotated[
        bool, typer.Option("--ignore-official", help="Pass over the column official_split.")
    ] = False,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="Keep the splits that the set has, and lock them.")
    ] = False,
    patient_pattern: Annotated[
        str | None,
        typer.Option(metavar="REGEX", help="Finds the patient in a file name: '(person\\d+)'."),
    ] = None,
    patients: Annotated[
        Path | None, typer.Option(metavar="CSV", help="A table of images and their patients.")
    ] = None,
    patient_column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Its column of patients, if not patient_id."),
    ] = None,
) -> None:
    """Divide a set into train, val and test by patient, with like shares of every class.

    No patient, no identical image and no near-duplicate ever stands in two splits. Files move
    into images/SPLIT and labels/SPLIT, and split.lock.json keeps what is where; run it again to
    divide anew. Images of which nothing is known stay outside.
    """
    from lucency.annotations.records import read_dataset
    from lucency.datasets.assignments import read_assignments
    from lucency.datasets.participants import participants
    from lucency.datasets.patients import identify_patients, read_patients
    from lucency.datasets.placement import apply_split, finish_interrupted_split
    from lucency.datasets.split import RATIOS, keep_splits, split_dataset
    from lucency.datasets.split_lock import Origin, check_files

    _check_together(
        as_is=as_is,
        given={
            "--ratios": ratios,
            "--folds": folds,
            "--assign": assign or None,
            "--stratify": stratify or None,
            "--ignore-official": ignore_official or None,
        },
        fold=fold,
    )
    if patient_column is not None and patients is None:
        raise ConfigError("--patient-column: goes with --patients, the table that it is in")
    shares = RATIOS if ratios is None else _ratios(ratios)
    assigned = read_assignments(_assignment(text) for text in assign or ())
    table = read_patients(patients, column=patient_column or "patient_id") if patients else {}
    pattern = _compiled(patient_pattern)
    if finish_interrupted_split(folder):
        typer.echo(f"note: an interrupted split of {folder} was finished first")
    identified = identify_patients(read_dataset(folder), pattern=pattern, patients=table)
    dataset = identified.dataset
    check_files(dataset, participants(dataset))
    alike = _near_duplicates(dataset)
    if as_is:
        plan = keep_splits(dataset, alike=alike.groups)
    else:
        plan = split_dataset(
            dataset,
            ratios=shares,
            folds=folds,
            fold=fold or 0,
            seed=seed,
            assigned=assigned,
            honour_official=not ignore_official,
            columns=tuple(stratify or ()),
            alike=alike.groups,
        )
    origin = Origin(identified.sources, len(alike.groups), len(alike.unreadable))
    placed = apply_split(plan, origin=origin)
    _show_splits(placed, columns=plan.stratified)
    for line in _notes(placed, plan, identified, alike, assigned=assigned):
        typer.echo(line)


def _check_together(*, as_is: bool, given: dict[str, object], fold: int | None) -> None:
    """Refuse options that contradict each other."""
    named = [name for name, value in given.items() if value is not None]
    if as_is and named:
        raise ConfigError(f"--as-is: keeps the splits as they are, so {named[0]} has no place")
    if given["--folds"] is not None and given["--ratios"] is not None:
        raise ConfigError("--folds: divides into equal parts, so --ratios has no place")
    if fold is not None and given["--folds"] is None:
        raise ConfigError("--fold: goes with --folds, such as --folds 5 --fold 2")


def _ratios(text: str) -> tuple[float, float, float]:
    try:
        train, val, test = (float(part) for part in text.split("/"))
    except ValueError:
        raise ConfigError(
            f"--ratios: must be three numbers such as 70/15/15, got '{text}'"
        ) from None
    return train, val, test


def _assignment(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise ConfigError(f"--assign: must be SPLIT=FILE, such as val=valid.csv, got '{text}'")
    return name, Path(path)


def _compiled(pattern: str | None) -> "re.Pattern[str] | None":
    import re

    if pattern == "":
        raise ConfigError("--patient-pattern: is empty; give a pattern such as '(person\\d+)'")
    try:
        return re.compile(pattern) if pattern else None
    except re.error as error:
        raise ConfigError(f"--patient-pattern: '{pattern}' is no pattern: {error}") from None


def _near_duplicates(dataset: "Dataset") -> "NearDuplicates":
    from rich.console import Console
    from rich.progress import Progress

    from lucency.datasets.near_duplicates import near_duplicates

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("looking at images", total=len(dataset.records))

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            if done == total:  # how far the comparison is, nobody tells: the bar pulses
                bar.update(task, description="looking for near-duplicates", total=None)

        return near_duplicates(dataset, progress=show)


def _notes(
    placed: "Dataset",
    plan: "SplitPlan",
    identified: "Identified",
    alike: "NearDuplicates",
    *,
    assigned: dict[str, str],
) -> list[str]:
    """What the user should know about how the split came to be."""
    from lucency.annotations.records import SPLITS
    from lucency.datasets.assignments import unmatched
    from lucency.datasets.patients import NOTHING
    from lucency.datasets.split_counts import lacking
    from lucency.datasets.split_lock import LOCK

    notes = []
    lost = unmatched(placed, assigned)
    if lost:
        notes.append(
            f"note: {len(lost)} of {len(assigned)} assigned names are not in the set: {lost[0]} …"
        )
    if alike.groups:
        count = sum(len(group) for group in alike.groups)
        plural = "s" * (len(alike.groups) != 1)
        notes.append(
            f"note: near-duplicates were kept together: {count} images in {len(alike.groups)} "
            f"group{plural}"
        )
    if alike.unreadable:
        first = next(iter(alike.unreadable.values()))
        notes.append(
            f"warning: {len(alike.unreadable)} images cannot be decoded and were not compared for "
            f"near-duplicates: {first}"
        )
    if plan.overruled:
        one = plan.overruled[0]
        notes.append(
            f"note: {len(plan.overruled)} images are listed in another split than one of their "
            f"patient or picture and follow that: {one.image.name} from {one.listed} to "
            f"{one.split} …; {LOCK} lists them"
        )
    for split, share in zip(SPLITS, plan.ratios or (), strict=False):
        if share and not placed.in_split(split):
            notes.append(
                f"warning: no image is in {split}: there are too few patients, or the official "
                "split names all images for others; --ignore-official divides anew"
            )
    notes += [
        f"warning: {part} has none of the {', '.join(missing)}; --ratios, --seed or "
        "--ignore-official can change that"
        for part, missing in lacking(placed).items()
    ]
    anonymous = identified.sources[NOTHING]
    if anonymous:
        notes.append(
            f"warning: {anonymous} of {len(placed.records)} images name no patient, and each was "
            "taken for a patient of its own; --patient-pattern or --patients can tell"
        )
    return notes


def _show_splits(dataset: "Dataset", *, columns: tuple[str, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    from lucency.datasets.split_counts import count_splits

    parts, rows = count_splits(dataset, columns=columns)
    table = Table(title=str(dataset.root), title_justify="left")
    table.add_column("")
    for part in (*parts, "all"):
        table.add_column(part, justify="right")
    digits = 1 if len(parts) < 5 else 0
    for name, counts in rows.items():
        total = sum(counts)
        shares = [f" {f'{n / max(total, 1):.{digits}%}':>{digits + 5}}" for n in counts]
        if len(parts) > _MOST_SHARES:
            shares = [""] * len(parts)
        cells = [f"{n:,}{share}" for n, share in zip(counts, shares, strict=True)]
        table.add_row(name, *cells, f"{total:,}")
    Console().print(table)

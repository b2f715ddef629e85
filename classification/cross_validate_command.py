"""What `lucency cross-validate` does: a training a fold with its progress, then one table."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from lucency.classification.cross_validation import Training
    from lucency.classification.cross_validation_tables import Measured
    from lucency.classification.recipe import ClassificationConfig
    from lucency.datasets.near_duplicates import NearDuplicates


def cross_validate_classifier(
    config_path: Path,
    dataset: Path,
    out: Path,
    *,
    left_out: str,
    folds: int,
    overrides: Sequence[str],
    resume: bool,
    beside: Path | None,
) -> None:
    """Train each fold, measure what was held out, print and write the tables."""
    from rich.console import Console

    from lucency.classification.cross_validation import cross_validate, read_study
    from lucency.classification.cross_validation_measures import measure_study
    from lucency.classification.cross_validation_tables import Measured, write_study
    from lucency.classification.recipe import ClassificationConfig
    from lucency.classification.site_table import compare_sites
    from lucency.configs.schema import read_config
    from lucency.evaluation.interruption import told_how_to_go_on

    config = read_config(ClassificationConfig, config_path, overrides=overrides)
    # Now, and not after hours of training.
    inside = read_study(beside) if beside else None
    console = Console()
    console.print(f"All labelled images of {dataset} are used, whatever split they are in.")
    alike = _near_duplicates(dataset)
    with told_how_to_go_on(out):
        study = cross_validate(
            config,
            dataset,
            out,
            left_out=left_out,
            folds=folds,
            resume=resume,
            alike=alike,
            train_fold=_train_fold,
        )
    with console.status("Measuring …"):
        sites = compare_sites(study, inside) if inside else {}
        found = Measured(study, measure_study(study), sites, inside)
        write_study(found)
    _print(found, console)


def _near_duplicates(folder: Path) -> "NearDuplicates":
    from rich.console import Console
    from rich.progress import Progress

    from lucency.annotations.records import read_dataset
    from lucency.datasets.near_duplicates import near_duplicates

    dataset = read_dataset(folder)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("looking for near-duplicates", total=len(dataset.records))
        return near_duplicates(
            dataset, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )


def _train_fold(
    config: "ClassificationConfig", folder: Path, resume: bool, place: tuple[int, int], value: str
) -> "Training":
    """Train one fold as `lucency train` would, with its place among the folds."""
    from lucency.classification.cross_validation import RUN, SET, Training
    from lucency.classification.train import train
    from lucency.classification.train_command import training_progress

    number, total = place
    with training_progress(f"fold {number}/{total}") as (console, on_progress):
        without = f": without {value}" if value != str(number) else ""
        console.print(f"Fold {number} of {total}{without}", style="bold", highlight=False)
        summary = train(config, folder / SET, folder / RUN, resume=resume, progress=on_progress)
    return Training(len(summary.history), summary.best_epoch, summary.best_auc)


def _print(found: "Measured", console: "Console") -> None:
    from lucency.classification.cross_validation_tables import (
        SHORT_NAMES,
        SHOWN_COLUMNS,
        TABLE,
        basis,
        notes,
        study_tables,
    )
    from lucency.evaluation.terminal_tables import grid

    console.print(basis(found.study), highlight=False)
    for note in notes(found):
        console.print(f"Note: {note}.", style="yellow", highlight=False)
    for table in study_tables(found):
        console.print(grid(table, short_names=SHORT_NAMES, most=SHOWN_COLUMNS))
        console.print(table.caption, highlight=False, style="dim")
    console.print(f"{found.study.folder / TABLE} has the tables.", highlight=False)

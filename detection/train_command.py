"""What `lucency train` does for a detector, with its progress."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from lucency.detection.recipe import DetectionConfig
    from lucency.detection.run_folder import TrainingSummary
    from lucency.detection.seeds import SeedsSummary

LABELS = {
    "map50": "mAP50",
    "map50_95": "mAP50-95",
    "precision": "precision",
    "recall": "recall",
    "best_epoch": "epoch",
}


def train_detector(
    config_path: Path,
    dataset: Path,
    run: Path,
    *,
    overrides: Sequence[str],
    resume: bool,
    seeds: int = 1,
) -> None:
    """Train from a configuration, with live curves and a line for each epoch."""
    from lucency.configs.schema import read_config
    from lucency.detection.recipe import DetectionConfig

    config = read_config(DetectionConfig, config_path, overrides=overrides)
    with _told_how_to_go_on(run):
        if seeds > 1:
            _train_seeds(config, dataset, run, resume=resume, seeds=seeds)
        else:
            _train_one(config, dataset, run, resume=resume)


def _train_one(
    config: "DetectionConfig", dataset: Path, run: Path, *, resume: bool, title: str = ""
) -> "TrainingSummary":
    from lucency.detection.progress import training_progress
    from lucency.detection.run_folder import read_rows
    from lucency.detection.train import train

    history = read_rows(run) if resume else []
    with training_progress(title or config.name, history=history) as (console, on_progress):
        summary = train(config, dataset, run, resume=resume, on_progress=on_progress)
        early = ", stopped early" if summary.epochs < config.epochs else ""
        console.print(
            f"Best epoch {summary.best_epoch} of {summary.epochs}{early}: mAP50 "
            f"{summary.map50:.3f}, mAP50-95 {summary.map50_95:.3f} on validation data "
            f"(Ultralytics' own figures).",
            highlight=False,
            soft_wrap=True,
        )
        console.print(f"Look at {run}/training.html.", highlight=False)
        if not title:
            console.print(f"Next: lucency export {run} {dataset} BUNDLE", highlight=False)
    return summary


def _train_seeds(
    config: "DetectionConfig", dataset: Path, folder: Path, *, resume: bool, seeds: int
) -> None:
    from rich.console import Console

    from lucency.detection.seeds import SEEDS, train_seeds

    console = Console()

    def train_one(one: "DetectionConfig", run: Path, again: bool) -> "TrainingSummary":
        console.print(f"Seed {one.seed}", style="bold", highlight=False)
        return _train_one(one, dataset, run, resume=again, title=f"{config.name} seed {one.seed}")

    summary = train_seeds(config, dataset, folder, seeds=seeds, resume=resume, train_one=train_one)
    _print_spread(summary, console)
    console.print(f"{folder / SEEDS} has the figures.", highlight=False)


def _print_spread(summary: "SeedsSummary", console: "Console") -> None:
    from rich import box
    from rich.table import Table

    from lucency.evaluation.report import format_cell

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("at the best epoch")
    for seed in summary.runs:
        table.add_column(f"seed {seed}", justify="right")
    for column in ("mean", "SD", "range"):
        table.add_column(column, justify="right")
    for name, spread in summary.figures.items():
        values = [getattr(run, name) for run in summary.runs.values()]
        if name == "best_epoch":
            *cells, low, high = (str(int(value)) for value in (*values, spread.low, spread.high))
            mean, sd = (f"{value or 0:.1f}" for value in (spread.mean, spread.sd))
        else:
            *cells, low, high = map(format_cell, (*values, spread.low, spread.high))
            mean, sd = format_cell(spread.mean), format_cell(spread.sd)
        table.add_row(LABELS[name], *cells, mean, sd, f"{low} to {high}")
    console.print(table)


@contextmanager
def _told_how_to_go_on(run: Path) -> Iterator[None]:
    """Say how an interrupted training goes on; SIGTERM arrives here as `SystemExit`."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if run.is_dir() and any(run.iterdir()):
            sys.stderr.write(
                f"\ninterrupted: {run} goes on from its last complete epoch with the same command "
                f"and --resume\n"
            )
        raise

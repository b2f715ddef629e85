"""What `lucency train` does for a detector, with its progress."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lucency.detection.recipe import DetectionConfig
    from lucency.detection.run_folder import TrainingSummary

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
    from lucency.evaluation.interruption import told_how_to_go_on

    config = read_config(DetectionConfig, config_path, overrides=overrides)
    with told_how_to_go_on(run):
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

    from lucency.detection.seeds import train_seeds
    from lucency.evaluation.seeds import SEEDS, spread_table

    console = Console()

    def train_one(one: "DetectionConfig", run: Path, again: bool) -> "TrainingSummary":
        console.print(f"Seed {one.seed}", style="bold", highlight=False)
        return _train_one(one, dataset, run, resume=again, title=f"{config.name} seed {one.seed}")

    summary = train_seeds(config, dataset, folder, seeds=seeds, resume=resume, train_one=train_one)
    console.print(spread_table(summary, LABELS))
    console.print(f"{folder / SEEDS} has the figures.", highlight=False)

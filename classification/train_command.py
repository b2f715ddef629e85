"""What `lucency train` does for a classifier, with its progress."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lucency.configs.errors import ConfigError, LucencyError

if TYPE_CHECKING:
    from rich.console import Console

    from lucency.classification.recipe import ClassificationConfig
    from lucency.classification.train import Progress, RunSummary

LABELS = {"best_auc": "AUC", "best_epoch": "epoch"}


def train_classifier(
    config_path: Path,
    dataset: Path,
    run: Path,
    *,
    overrides: Sequence[str],
    resume: bool,
    seeds: int = 1,
) -> None:
    """Train from a configuration, with a live progress bar and a line for each epoch.

    Of the processes that `torchrun` started, the first alone says something.
    """
    from lucency.classification.recipe import ClassificationConfig
    from lucency.configs.schema import read_config
    from lucency.evaluation.interruption import told_how_to_go_on

    config = read_config(ClassificationConfig, config_path, overrides=overrides)
    if os.environ.get("RANK", "0") != "0":
        _train_silently(config, dataset, run, resume=resume)
        return
    with told_how_to_go_on(run):
        if seeds > 1:
            _train_seeds(config, dataset, run, resume=resume, seeds=seeds)
        else:
            _train_one(config, dataset, run, resume=resume)


@contextmanager
def training_progress(name: str) -> Iterator[tuple["Console", Callable[["Progress"], None]]]:
    """Yield a console and the callback that `train` tells of its progress."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        transient=True,
    )
    reading = bar.add_task("reading images", total=None, visible=False)
    training = bar.add_task(name, total=None)

    def on_progress(state: "Progress") -> None:
        if state.epoch == 0:
            bar.update(reading, completed=state.batch, total=state.batches, visible=True)
            return
        bar.update(reading, visible=False)
        done = (state.epoch - 1) * state.batches + state.batch
        description = f"{name} epoch {state.epoch}/{state.epochs}"
        total = state.epochs * state.batches
        bar.update(training, completed=done, total=total, description=description)
        if state.result is not None:
            row = state.result
            bar.console.print(
                f"epoch {row.epoch:>3}/{state.epochs}  {row.phase:<9}  loss {row.train_loss:.4f}  "
                f"validation loss {row.val_loss:.4f}  AUC {row.val_auc:.3f}",
                highlight=False,
            )

    with bar:
        yield bar.console, on_progress


def _train_one(
    config: "ClassificationConfig", dataset: Path, run: Path, *, resume: bool, title: str = ""
) -> "RunSummary":
    from lucency.classification.train import train

    with training_progress(title or config.name) as (console, on_progress):
        summary = train(config, dataset, run, resume=resume, progress=on_progress)
        early = ", stopped early" if summary.stopped_early else ""
        console.print(
            f"Best epoch {summary.best_epoch} of {len(summary.history)}{early}: "
            f"AUC {summary.best_auc:.3f} on validation data.",
            highlight=False,
        )
        console.print(f"Look at {run}/training.html.", highlight=False)
        if not title:
            console.print(f"Next: lucency export {run} {dataset} BUNDLE", highlight=False)
    return summary


def _train_seeds(
    config: "ClassificationConfig", dataset: Path, folder: Path, *, resume: bool, seeds: int
) -> None:
    from rich.console import Console

    from lucency.classification.seeds import train_seeds
    from lucency.evaluation.seeds import SEEDS, spread_table

    if "WORLD_SIZE" in os.environ:
        raise ConfigError("--seeds: cannot be used with torchrun; train one seed after the other")
    console = Console()

    def train_one(one: "ClassificationConfig", run: Path, again: bool) -> "RunSummary":
        console.print(f"Seed {one.seed}", style="bold", highlight=False)
        return _train_one(one, dataset, run, resume=again, title=f"{config.name} seed {one.seed}")

    summary = train_seeds(config, dataset, folder, seeds=seeds, resume=resume, train_one=train_one)
    console.print(spread_table(summary, LABELS))
    console.print(f"{folder / SEEDS} has the figures.", highlight=False)


def _train_silently(
    config: "ClassificationConfig", dataset: Path, run: Path, *, resume: bool
) -> None:
    """One of the further processes; what it runs into, the first runs into and says."""
    from lucency.classification.train import train

    try:
        train(config, dataset, run, resume=resume)
    except LucencyError:
        raise SystemExit(1) from None

"""The live display of a training: a bar for the epoch, a line when it has been validated."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from lucency.detection.train import TrainingProgress


@contextmanager
def training_progress(
    name: str,
) -> Iterator[tuple[Console, Callable[[TrainingProgress], None]]]:
    """Yield a console and the callback that `train` tells of its progress."""
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        transient=True,
    )
    task = progress.add_task(name, total=None)

    def on_progress(state: TrainingProgress) -> None:
        done = (state.epoch - 1) * state.batches + state.batch
        progress.update(
            task,
            completed=done,
            total=state.epochs * state.batches,
            description=f"{name} epoch {state.epoch}/{state.epochs} loss {state.loss:.2f}",
        )
        if "metrics/mAP50(B)" in state.metrics and state.batch == state.batches:
            progress.console.print(
                f"epoch {state.epoch:>3}/{state.epochs}  loss {state.loss:6.2f}  "
                f"mAP50 {state.metrics['metrics/mAP50(B)']:.3f}  "
                f"mAP50-95 {state.metrics['metrics/mAP50-95(B)']:.3f}",
                highlight=False,
            )

    with progress:
        yield progress.console, on_progress

"""The live display of a training: a row for each epoch, a bar, and the curves so far."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from lucency.detection.run_folder import MAP50, MAP50_95, PRECISION, RECALL, TrainingProgress

_BARS = "▁▂▃▄▅▆▇█"
# Epochs that fit on a line of 80 columns beside the figures.
_WIDTH = 40


@contextmanager
def training_progress(
    name: str, *, history: Sequence[Mapping[str, float]] = ()
) -> Iterator[tuple[Console, Callable[[TrainingProgress], None]]]:
    """Yield a console and the callback that `train` tells of its progress.

    ``history`` are the rows of the epochs that were done before an interruption. Where the output
    is no terminal there are only the epochs' rows.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    task = bar.add_task(name, total=None)
    losses = [_sum(row, "train/") for row in history]
    val_losses = [_sum(row, "val/") for row in history]
    precisions = [row.get(MAP50, 0.0) for row in history]
    console = Console()
    live = Live(bar, console=console, transient=True, refresh_per_second=4)

    def on_progress(state: TrainingProgress) -> None:
        done = (state.epoch - 1) * state.batches + state.batch
        bar.update(
            task,
            completed=done,
            total=state.epochs * state.batches,
            description=f"{name} epoch {state.epoch}/{state.epochs} loss {state.loss:.2f}",
        )
        if not state.metrics:
            return
        losses.append(state.loss)
        val_losses.append(_sum(state.metrics, "val/"))
        precisions.append(state.metrics.get(MAP50, 0.0))
        console.print(epoch_row(state), highlight=False, soft_wrap=True)
        curves = (("loss", losses), ("val loss", val_losses), ("mAP50", precisions))
        live.update(Group(bar, *(Text(curve_line(label, values)) for label, values in curves)))

    with live:
        yield console, on_progress


def epoch_row(state: TrainingProgress) -> str:
    """One line of figures for an epoch that has been validated."""
    figures = state.metrics
    return (
        f"epoch {state.epoch:>3}/{state.epochs}  loss {state.loss:4.2f}  "
        f"val {_sum(figures, 'val/'):4.2f}  P {figures.get(PRECISION, 0.0):.2f}  "
        f"R {figures.get(RECALL, 0.0):.2f}  mAP50 {figures.get(MAP50, 0.0):.3f}  "
        f"mAP50-95 {figures.get(MAP50_95, 0.0):.3f}"
    )


def curve_line(label: str, values: Sequence[float]) -> str:
    """A curve in letters, of at most the last 40 values, with the last and the range of all."""
    if not values:
        return f"{label:<9}"
    return (
        f"{label:<9}{sparkline(values[-_WIDTH:]):<{_WIDTH}} {values[-1]:6.3f}  "
        f"({min(values):.3f} to {max(values):.3f})"
    )


def sparkline(values: Sequence[float]) -> str:
    """A letter for each value, from the lowest to the highest; level where all are equal."""
    low, high = min(values), max(values)
    if high <= low:
        return _BARS[0] * len(values)
    steps = len(_BARS) - 1
    return "".join(_BARS[round((value - low) / (high - low) * steps)] for value in values)


def _sum(row: Mapping[str, float], prefix: str) -> float:
    return sum(
        value for key, value in row.items() if key.startswith(prefix) and key.endswith("_loss")
    )

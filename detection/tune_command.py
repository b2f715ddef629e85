"""What `lucency tune` does: a search with a line for each epoch of each trial, and its table."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from lucency.detection.recipe import DetectionConfig
    from lucency.detection.tune import Trial

_SHOWN = 10


def tune_detector(
    config_path: Path,
    dataset: Path,
    out: Path,
    *,
    space: Path,
    trials: int,
    address: str | None,
    cpus: float,
    gpus: float | None,
    overrides: Sequence[str],
    resume: bool,
) -> None:
    """Search, then write the best trial's configuration and print the best ten trials."""
    from rich.console import Console

    from lucency.configs.schema import read_config
    from lucency.detection.recipe import DetectionConfig
    from lucency.detection.search_space import read_space
    from lucency.detection.tune import (
        Resources,
        detector_objective,
        need_ray,
        search,
        trial_config,
        write_best,
    )

    need_ray()
    config_path, dataset, out = config_path.resolve(), dataset.resolve(), out.resolve()
    config = read_config(DetectionConfig, config_path, overrides=overrides)
    given = _with_absolute_weights(config.weights, tuple(overrides))
    ranges = read_space(space, config_path, overrides=given)
    console = Console()
    _render(config, dataset, console)
    if gpus is None:
        gpus = _gpus()
    objective = partial(
        detector_objective, config_path=config_path, overrides=given, dataset=dataset
    )
    with console.status(f"{trials} trials …"):
        found = search(
            objective,
            ranges,
            out,
            trials=trials,
            epochs=config.epochs,
            seed=config.seed,
            resources=Resources(cpus, gpus, address),
            resume=resume,
            on_epoch=lambda name, epoch, best: console.print(
                f"trial {name}  epoch {epoch:>3}/{config.epochs}  best mAP50-95 {best:.3f}",
                highlight=False,
            ),
        )
    _print_trials(found, console)
    best = trial_config(found[0].values, config_path=config_path, overrides=given)
    path = write_best(best, out)
    console.print(f"{path} is the best trial's configuration.", highlight=False)
    console.print(f"Next: lucency train {path} {dataset} RUN", highlight=False)


def _with_absolute_weights(weights: str, overrides: tuple[str, ...]) -> tuple[str, ...]:
    """A path to weights means the same file wherever a trial runs."""
    path = Path(weights)
    return (*overrides, f"weights={path.resolve()}") if path.exists() else overrides


def _render(config: "DetectionConfig", dataset: Path, console: "Console") -> None:
    """Bring the set into the form that all trials read, once and before them."""
    from lucency.annotations.records import read_dataset
    from lucency.datasets.leakage import check_leakage
    from lucency.datasets.render import render

    read = read_dataset(dataset)
    check_leakage(read)
    with console.status("Displaying the images …"):
        render(read, config.display)


def _gpus() -> float:
    import torch

    return 1.0 if torch.cuda.is_available() else 0.0


def _print_trials(trials: Sequence["Trial"], console: "Console") -> None:
    from rich import box
    from rich.table import Table

    from lucency.evaluation.report import format_cell

    keys = tuple(trials[0].values)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    for column in ("trial", "state", "epochs", "mAP50", "mAP50-95", *keys):
        table.add_column(column.rsplit(".", 1)[-1], no_wrap=True)
    for trial in trials[:_SHOWN]:
        values = (_short(trial.values[key]) for key in keys)
        figures = (format_cell(trial.map50), format_cell(trial.map50_95))
        table.add_row(trial.name.split("_")[-1], trial.state, str(trial.epochs), *figures, *values)
    console.print(table)
    failed = [trial for trial in trials if trial.state == "failed"]
    if failed:
        console.print(f"{len(failed)} trials failed; the first: {failed[0].error}", highlight=False)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""The same training with several seeds: how much of a figure is chance.

A difference between two recipes that is smaller than the spread between seeds shows nothing. The
folder holds a run folder for each seed and ``seeds.json``.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from lucency.configs import atomic
from lucency.configs.errors import ConfigError
from lucency.configs.schema import read_config
from lucency.detection.recipe import AUTO_SIZE, DetectionConfig
from lucency.detection.run_folder import CONFIG, TrainingSummary, is_finished, read_summary
from lucency.detection.train import train

SEEDS = "seeds.json"
FIGURES = ("map50", "map50_95", "precision", "recall", "best_epoch")

# Trains one run: its configuration, its folder, and whether it is to be resumed.
TrainOne = Callable[[DetectionConfig, Path, bool], TrainingSummary]


@dataclass(frozen=True)
class Spread:
    """A figure over several seeds: ``sd`` is the sample's, None of a single one."""

    mean: float
    sd: float | None
    low: float
    high: float


@dataclass(frozen=True)
class SeedsSummary:
    """What trainings with several seeds gave: the runs in the seeds' order, and each figure."""

    runs: Mapping[int, TrainingSummary]
    figures: Mapping[str, Spread]


def train_seeds(
    config: DetectionConfig,
    dataset_root: Path,
    folder: Path,
    *,
    seeds: int,
    resume: bool = False,
    train_one: TrainOne | None = None,
) -> SeedsSummary:
    """Train with the seeds ``config.seed`` and those after it, one run folder ``seedN`` each.

    With ``resume``, runs that have finished stay, one that was interrupted goes on, and the rest
    are begun. ``train_one`` may stand for `train`, to show progress.

    Raises
    ------
    ConfigError
        ``seeds`` is below 1, or ``folder`` is in use and ``resume`` was not asked for; and
        whatever `train` raises.

    """
    if seeds < 1:
        raise ConfigError(f"seeds: must be at least 1, got {seeds}")
    if not resume and folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: exists already; name a new folder, or add --resume to go on")

    def plainly(one: DetectionConfig, run: Path, again: bool) -> TrainingSummary:
        return train(one, dataset_root, run, resume=again)

    runs = {}
    for seed in range(config.seed, config.seed + seeds):
        run = folder / f"seed{seed}"
        one = config.model_copy(update={"seed": seed})
        if is_finished(run):
            _check_same(one, run)
            runs[seed] = read_summary(run)
        else:
            runs[seed] = (train_one or plainly)(one, run, (run / CONFIG).is_file())
    values = {name: [float(getattr(run, name)) for run in runs.values()] for name in FIGURES}
    summary = SeedsSummary(runs, {name: _spread(found) for name, found in values.items()})
    atomic.write_text(folder / SEEDS, json.dumps(_plain(summary), indent=2) + "\n")
    return summary


def _check_same(config: DetectionConfig, run: Path) -> None:
    found = read_config(DetectionConfig, run / CONFIG)
    if config.image_size == AUTO_SIZE:
        found = found.model_copy(update={"image_size": AUTO_SIZE})
    if found != config:
        raise ConfigError(f"{run / CONFIG}: differs from the configuration given; resume the same")


def _spread(values: list[float]) -> Spread:
    sd = stdev(values) if len(values) > 1 else None
    return Spread(mean(values), sd, min(values), max(values))


def _plain(summary: SeedsSummary) -> dict[str, object]:
    return {
        "runs": {
            str(seed): {name: getattr(run, name) for name in FIGURES}
            for seed, run in summary.runs.items()
        },
        "figures": {
            name: {"mean": s.mean, "sd": s.sd, "low": s.low, "high": s.high}
            for name, s in summary.figures.items()
        },
        "measured": "by Ultralytics on the validation split, at each run's best epoch",
    }

"""A detector's training with several seeds, one run folder each (`lucency.evaluation.seeds`)."""

from collections.abc import Callable
from pathlib import Path

from lucency.configs.errors import ConfigError
from lucency.configs.schema import read_config
from lucency.detection.recipe import AUTO_SIZE, DetectionConfig
from lucency.detection.run_folder import CONFIG, TrainingSummary, is_finished, read_summary
from lucency.detection.train import train
from lucency.evaluation.seeds import SeedsSummary, over_seeds

FIGURES = ("map50", "map50_95", "precision", "recall", "best_epoch")
MEASURED = "by Ultralytics on the validation split, at each run's best epoch"

# Trains one run: its configuration, its folder, and whether it is to be resumed.
TrainOne = Callable[[DetectionConfig, Path, bool], TrainingSummary]


def train_seeds(
    config: DetectionConfig,
    dataset_root: Path,
    folder: Path,
    *,
    seeds: int,
    resume: bool = False,
    train_one: TrainOne | None = None,
) -> SeedsSummary[TrainingSummary]:
    """Train with the seeds ``config.seed`` and those after it, one run folder ``seedN`` each.

    With ``resume``, runs that have finished stay, one that was interrupted goes on, and the rest
    are begun. ``train_one`` may stand for `train`, to show progress.

    Raises
    ------
    ConfigError
        ``seeds`` is below 1, or ``folder`` is in use and ``resume`` was not asked for; and
        whatever `train` raises.

    """

    def plainly(one: DetectionConfig, run: Path, again: bool) -> TrainingSummary:
        return train(one, dataset_root, run, resume=again)

    def of_seed(seed: int, run: Path) -> TrainingSummary:
        one = config.model_copy(update={"seed": seed})
        if is_finished(run):
            _check_same(one, run)
            return read_summary(run)
        return (train_one or plainly)(one, run, (run / CONFIG).is_file())

    return over_seeds(
        of_seed,
        folder,
        first=config.seed,
        seeds=seeds,
        resume=resume,
        figures=FIGURES,
        measured=MEASURED,
    )


def _check_same(config: DetectionConfig, run: Path) -> None:
    found = read_config(DetectionConfig, run / CONFIG)
    if config.image_size == AUTO_SIZE:
        found = found.model_copy(update={"image_size": AUTO_SIZE})
    if found != config:
        raise ConfigError(f"{run / CONFIG}: differs from the configuration given; resume the same")

"""A classifier's training with several seeds, one run folder each (`lucency.evaluation.seeds`)."""

from collections.abc import Callable
from pathlib import Path

from lucency.classification.recipe import ClassificationConfig
from lucency.classification.run_folder import CONFIG
from lucency.classification.train import RunSummary, train
from lucency.evaluation.seeds import SeedsSummary, over_seeds

FIGURES = ("best_auc", "best_epoch")
MEASURED = "on the validation split, at each run's best epoch"

# Trains one run: its configuration, its folder, and whether it is to be resumed.
TrainOne = Callable[[ClassificationConfig, Path, bool], RunSummary]


def train_seeds(
    config: ClassificationConfig,
    dataset_dir: Path,
    folder: Path,
    *,
    seeds: int,
    resume: bool = False,
    train_one: TrainOne | None = None,
) -> SeedsSummary[RunSummary]:
    """Train with the seeds ``config.seed`` and those after it, one run folder ``seedN`` each.

    With ``resume``, runs that have finished stay, one that was interrupted goes on, and the rest
    are begun. ``train_one`` may stand for `train`, to show progress.

    Raises
    ------
    ConfigError
        ``seeds`` is below 1, or ``folder`` is in use and ``resume`` was not asked for; and
        whatever `train` raises.

    """

    def plainly(one: ClassificationConfig, run: Path, again: bool) -> RunSummary:
        return train(one, dataset_dir, run, resume=again)

    def of_seed(seed: int, run: Path) -> RunSummary:
        one = config.model_copy(update={"seed": seed})
        # A finished run resumes with nothing to do.
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

"""The page of a run folder: curves, the first batch, and what the training rests on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lucency.classification.learning_plots import learning_curves
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.run_folder import (
    FIRST_BATCH,
    HISTORY,
    PAGE,
    EpochResult,
    best_result,
    read_environment,
    read_history,
    read_run_config,
)
from lucency.evaluation.configuration_section import configuration_section
from lucency.evaluation.report import EvaluationReport, Picture, Section, Table, write_report

# The table shows at most so many epochs: the last, and the best.
_LAST_EPOCHS = 15


def write_training_page(run: Path, *, finished: bool = False) -> None:
    """Write the page of a run; done after every epoch, from the files alone.

    Raises
    ------
    ConfigError
        The folder is not that of a run, or one of its files is damaged.

    """
    config, facts, history = read_run_config(run), read_environment(run), read_history(run)
    best = best_result(history) if history else None
    state = "finished" if finished else f"epoch {len(history)} of {config.total_epochs}"
    report = EvaluationReport(
        title=f"Training of {config.name}",
        subtitle=f"{run.resolve().name}: {state}",
        facts=_facts(config, facts),
        headline={
            "best epoch": best.epoch if best else None,
            "its AUC": best.val_auc if best else None,
            "its loss": best.val_loss if best else None,
        },
        notes=(
            "Figures are those on the validation split, by which the best epoch was chosen: "
            "`lucency evaluate` on the test split gives those to report.",
        ),
        sections=[
            *_progress(history),
            *_picture(run),
            configuration_section(config.model_dump(), facts),
        ],
    )
    write_report(report, run / PAGE)


def _facts(config: ClassificationConfig, facts: Mapping[str, Any]) -> dict[str, str]:
    images = facts.get("images", {})
    return {
        "data": str(facts.get("dataset", "")),
        **{f"images in {split}": str(counts) for split, counts in images.items()},
        "digest of the data": str(facts.get("dataset_csv_sha256", ""))[:16],
        "network": f"{config.network}, {config.head} head",
        "starting weights": config.weights,
        "input": f"{config.channels} × {config.input_size} × {config.input_size}",
        "trained on": str(facts.get("machine", "")),
        "seed": str(config.seed),
    }


def _progress(history: Sequence[EpochResult]) -> list[Section]:
    if not history:
        return []
    best = best_result(history)
    shown = [row for row in history if row is best or row in history[-_LAST_EPOCHS:]]
    rows = [
        (
            f"{row.epoch}{' (best)' if row is best else ''}",
            row.phase,
            f"{row.learning_rate:.1e}",
            row.train_loss,
            row.val_loss,
            row.val_auc,
            round(row.seconds),
        )
        for row in shown
    ]
    table = Table(
        "Epochs",
        (
            *("epoch", "phase", "learning rate of the head", "training loss"),
            *("validation loss", "validation AUC", "seconds"),
        ),
        rows,
        caption=f"The best and the last {min(len(history), _LAST_EPOCHS)} of {len(history)}; "
        f"{HISTORY} has all. The learning rate is that at the epoch's beginning.",
    )
    caption = "The validation loss has neither weights nor smoothing. Dotted: the best epoch."
    curves = Picture("Learning curves", learning_curves(history), caption, wide=True)
    return [Section("Progress", figures=[curves], tables=[table])]


def _picture(run: Path) -> list[Section]:
    if not (run / FIRST_BATCH).is_file():
        return []
    shown = Picture(
        "The first batch",
        (run / FIRST_BATCH).read_bytes(),
        "As the network saw it: displayed, augmented, squeezed to the input size.",
        wide=True,
    )
    return [Section("Pictures", figures=[shown])]

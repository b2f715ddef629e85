"""Cross-validation: a training a fold, and what each says of the images that it never saw.

::

    study.json  predictions.csv  fold-NAME/set  fold-NAME/run  fold-NAME/fold.json  …

Each fold's set and run are ordinary ones, so that a fold can be exported and evaluated like any
other training. What is finished stays where a study is resumed.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lucency.annotations.records import DATASET_CSV, Dataset, read_dataset
from lucency.classification.fold_sets import Division, Fold, in_folds, leave_out, write_fold_set
from lucency.classification.held_out import (
    HeldOut,
    predict_best,
    read_held_out,
    together,
    write_held_out,
)
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.run_folder import CONFIG, data_digest
from lucency.configs import atomic
from lucency.configs.errors import ConfigError, DatasetError
from lucency.datasets.near_duplicates import NearDuplicates, near_duplicates
from lucency.evaluation.operating_points import choose_classification_points

STUDY = "study.json"
PREDICTIONS = "predictions.csv"
FOLD = "fold.json"
SET, RUN = "set", "run"


@dataclass(frozen=True)
class Training:
    """How a fold's training ended: epochs done, the best of them and its validation AUC."""

    epochs: int
    best_epoch: int
    val_auc: float


@dataclass(frozen=True)
class FoldResult:
    """One finished fold: images by split, its training, and thresholds from its validation part.

    ``points`` map operating points to thresholds by label, for probabilities as ``held`` has them.
    """

    value: str
    images: Mapping[str, int]
    training: Training
    points: Mapping[str, Mapping[str, float]]
    held: HeldOut


@dataclass(frozen=True)
class Study:
    """A finished cross-validation.

    ``left_out`` is the column whose values were held out in turn, empty for folds by number;
    ``column`` tells images apart in predictions and tables: that column or, with folds, the site
    where the set has one. ``notes`` are what a reader must know of the division.
    """

    folder: Path
    labels: tuple[str, ...]
    left_out: str
    column: str
    dataset: str
    config: Mapping[str, Any]
    folds: tuple[FoldResult, ...]
    notes: tuple[str, ...]

    @property
    def held(self) -> HeldOut:
        """All held-out images."""
        return together([fold.held for fold in self.folds])


# Trains one fold: its configuration, its folder, whether to resume, its place among how many, and
# what it is called.
TrainFold = Callable[[ClassificationConfig, Path, bool, tuple[int, int], str], Training]


def cross_validate(
    config: ClassificationConfig,
    dataset_dir: Path,
    out: Path,
    *,
    left_out: str = "",
    folds: int = 0,
    resume: bool = False,
    alike: NearDuplicates | None = None,
    train_fold: TrainFold | None = None,
) -> Study:
    """Train once a fold and predict what was held out; give ``left_out`` or ``folds``.

    All labelled images of the set are used, whatever split they are in. ``alike`` are the set's
    near-duplicates, looked for where they are not given. ``train_fold`` may stand for the plain
    training, to show progress.

    Raises
    ------
    ConfigError
        ``out`` is in use and ``resume`` was not asked for, or holds another study.
    DatasetError
        The set cannot be divided so.

    """
    dataset = read_dataset(dataset_dir)
    asked = {
        "dataset": dataset_dir.resolve().name,
        "dataset_csv_sha256": data_digest(dataset_dir),
        "left_out": left_out,
        "folds": folds,
        "config": config.model_dump(mode="json"),
    }
    _check(asked, dataset_dir, out, resume=resume)
    if alike is None:
        alike = near_duplicates(dataset)
    division = _divided(dataset, config, left_out=left_out, folds=folds, alike=alike)
    told = {**asked, "column": division.column, "notes": division.notes}
    told["names"] = {fold.name: fold.value for fold in division.folds}
    atomic.write_text(out / STUDY, json.dumps(told, indent=2) + "\n")
    for number, fold in enumerate(division.folds, start=1):
        folder = fold_folder(out, fold.name)
        if not (folder / FOLD).is_file():
            place = (number, len(division.folds))
            trained = _train(config, fold, folder, place, alike=alike, train_fold=train_fold)
            _predict(config, fold, folder, trained, column=division.column)
    study = read_study(out)
    write_held_out(study.held, out / PREDICTIONS, column=study.column)
    return study


def read_study(out: Path) -> Study:
    """A finished cross-validation from its folder.

    Raises
    ------
    ConfigError
        The folder holds none, or an unfinished one.
    DatasetError
        A file of it is damaged.

    """
    said = _read_json(out / STUDY, out)
    column = str(said["column"])
    results = []
    for name, value in said["names"].items():
        folder = fold_folder(out, name)
        if not (folder / FOLD).is_file():
            raise ConfigError(f"{out}: fold {value} is not finished; go on with --resume")
        found = _read_json(folder / FOLD, out)
        results.append(
            FoldResult(
                value=value,
                images=found["images"],
                training=Training(**found["training"]),
                points=found["points"],
                held=read_held_out(folder / PREDICTIONS, column=column),
            )
        )
    return Study(
        folder=out,
        labels=tuple(said["config"]["labels"]),
        left_out=str(said["left_out"]),
        column=column,
        dataset=str(said["dataset"]),
        config=said["config"],
        folds=tuple(results),
        notes=tuple(said["notes"]),
    )


def fold_folder(out: Path, name: str) -> Path:
    """The folder of one fold."""
    return out / f"fold-{name}"


def _check(asked: Mapping[str, Any], dataset_dir: Path, out: Path, *, resume: bool) -> None:
    """Make sure that ``out`` is free, or holds the study that is to be resumed."""
    if (out / STUDY).is_file() and resume:
        said = _read_json(out / STUDY, out)
        changed = [key for key, value in asked.items() if said[key] != value]
        if "dataset_csv_sha256" in changed:
            raise ConfigError(
                f"{dataset_dir / DATASET_CSV}: is not the table that {out} was started with; name "
                "a new folder"
            )
        if changed:
            raise ConfigError(
                f"{out / STUDY}: was started with another {changed[0].replace('_', ' ')}; resume "
                "with the same one, or name a new folder"
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out}: exists already; name a new folder, or add --resume to go on")


def _divided(
    dataset: Dataset,
    config: ClassificationConfig,
    *,
    left_out: str,
    folds: int,
    alike: NearDuplicates,
) -> Division:
    if bool(left_out) == bool(folds):
        raise ConfigError("cross-validate: needs --leave-out COLUMN or --folds NUMBER, one of them")
    if left_out:
        return leave_out(dataset, left_out, labels=config.labels, alike=alike, seed=config.seed)
    return in_folds(dataset, folds, labels=config.labels, alike=alike, seed=config.seed)


def _train(
    config: ClassificationConfig,
    fold: Fold,
    folder: Path,
    place: tuple[int, int],
    *,
    alike: NearDuplicates,
    train_fold: TrainFold | None,
) -> Training:
    if not (folder / SET).exists():
        write_fold_set(fold, folder / SET, alike=alike)
    resume = (folder / RUN / CONFIG).is_file()
    if not resume and (folder / RUN).exists():  # killed before its first line was written
        shutil.rmtree(folder / RUN)
    return (train_fold or plainly)(config, folder, resume, place, fold.value)


def plainly(
    config: ClassificationConfig, folder: Path, resume: bool, place: tuple[int, int], value: str
) -> Training:
    """Train one fold without a word."""
    from lucency.classification.train import train

    summary = train(config, folder / SET, folder / RUN, resume=resume)
    return Training(len(summary.history), summary.best_epoch, summary.best_auc)


def _predict(
    config: ClassificationConfig, fold: Fold, folder: Path, trained: Training, *, column: str
) -> None:
    """Choose thresholds on the validation part, predict what was held out, and note that it is."""
    dataset = read_dataset(folder / SET)
    val, said = predict_best(folder / RUN, dataset, split="val")
    points = choose_classification_points(
        val.targets, said, class_names=config.labels, targets=config.operating_points
    )
    # Tables keep their order when a set is split: the row tells the image's place in the given set.
    given = {
        placed.image: old
        for placed, old in zip(dataset.records, fold.plan.dataset.records, strict=True)
    }
    if any(placed.sha256 != given[placed.image].sha256 for placed in dataset.records):
        raise DatasetError(f"{folder / SET}: is not the set of this fold; remove {folder}")
    held, probabilities = predict_best(folder / RUN, dataset, split="test")
    records = [given[record.image] for record in held.records]
    found = HeldOut(
        tuple(config.labels),
        images=tuple(str(record.image) for record in records),
        folds=(fold.value,) * len(records),
        patients=tuple(record.patient_id for record in records),
        values=tuple(record.extra.get(column, "").strip() for record in records),
        truth=held.targets.astype(np.float64),
        probabilities=probabilities,
    )
    write_held_out(found, folder / PREDICTIONS, column=column)
    told = {
        "images": {part: len(dataset.in_split(part)) for part in ("train", "val", "test")},
        "training": asdict(trained),
        "points": points.to_manifest(),
    }
    atomic.write_text(folder / FOLD, json.dumps(told, indent=2) + "\n")


def _read_json(path: Path, out: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise ConfigError(f"{out}: holds no cross-validation: it has no {path.name}") from None
    except (OSError, ValueError, TypeError):
        raise DatasetError(f"{path}: cannot be read; start again in a new folder") from None

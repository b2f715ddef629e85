"""Fine-tuning a YOLO detector on a data set, with Ultralytics as the engine.

A run folder holds ``config.yaml`` (resolved), ``environment.json`` (library versions, data
digest, starting weights), ``results.csv`` (one row an epoch, Ultralytics' columns),
``weights/best.pt`` and, until the run has ended, ``weights/resume.pt``.
"""

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from lucency.annotations.records import DATA_YAML, DATASET_CSV, Dataset, read_dataset
from lucency.configs import atomic
from lucency.configs.errors import ConfigError, DatasetError
from lucency.configs.schema import dump_yaml, read_config
from lucency.configs.yaml_files import read_yaml
from lucency.datasets.importing import origin_of
from lucency.datasets.leakage import check_leakage
from lucency.datasets.render import render
from lucency.detection.augment import geometry_options, intensity_transforms
from lucency.detection.cpu_training import prepare_trainer
from lucency.detection.offline_ultralytics import import_ultralytics, option_names
from lucency.detection.recipe import DetectionConfig
from lucency.detection.training_images import training_images
from lucency.detection.weights import load_checkpoint, starting_weights

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
TRAINING_LIST = "train.txt"
BEST = Path("weights/best.pt")
RESUME = Path("weights/resume.pt")
LIBRARIES = ("lucency", "ultralytics", "torch", "albumentations", "numpy", "opencv-python-headless")


@dataclass(frozen=True)
class TrainingProgress:
    """How far a training is: counts from 1, ``loss`` is the running sum of the loss terms.

    ``metrics`` is filled when an epoch has been validated, empty in between.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    metrics: dict[str, float]


@dataclass(frozen=True)
class TrainingSummary:
    """What a finished training left: the run folder and the best epoch's validation figures."""

    run: Path
    best_epoch: int
    map50: float
    map50_95: float


def train(
    config: DetectionConfig,
    dataset_root: Path,
    run: Path,
    *,
    resume: bool = False,
    on_progress: Callable[[TrainingProgress], None] | None = None,
) -> TrainingSummary:
    """Fine-tune a detector and leave a run folder.

    With ``resume`` an interrupted run goes on from its last complete epoch; without, ``run`` must
    be new or empty.

    Raises
    ------
    LeakageError
        A patient, or an image, stands in two splits.
    DatasetError
        The set is not split, or has no training or validation images.
    ConfigError
        An option is unknown, the weights cannot be had, or ``run`` is in use or cannot be resumed.

    """
    check_options(config)
    dataset = read_dataset(dataset_root)
    check_leakage(dataset)
    for split in ("train", "val"):
        if not dataset.in_split(split):
            raise DatasetError(f"{dataset_root}: has no images in '{split}'; run `lucency split`")
    rendered = render(dataset, config.display)
    if resume:
        model, options = _resumed(config, run, rendered)
    else:
        model, options = _started(config, run, dataset, rendered)
    for event, callback in _callbacks(on_progress).items():
        model.add_callback(event, callback)
    model.train(**options)
    (run / RESUME).unlink(missing_ok=True)
    return read_summary(run)


def check_options(config: DetectionConfig) -> None:
    """Check the pass-through options against Ultralytics' own list; raises `ConfigError`."""
    unknown = sorted(set(config.ultralytics) - option_names())
    if unknown:
        raise ConfigError(
            f"ultralytics: unknown key '{unknown[0]}'; Ultralytics has no such option"
        )
    ours = {"model", "data", "imgsz", "epochs", "batch", "seed", "resume", "project", "name"}
    taken = sorted(ours & config.ultralytics.keys())
    if taken:
        raise ConfigError(f"ultralytics: '{taken[0]}' is set by this configuration's own keys")


def read_summary(run: Path) -> TrainingSummary:
    """The best epoch of a finished run, read from its ``results.csv``.

    Raises
    ------
    ConfigError
        The folder holds no finished training.

    """
    results = run / "results.csv"
    if not (run / BEST).is_file() or not results.is_file():
        raise ConfigError(f"{run}: holds no finished training; run `lucency train` first")
    with results.open(newline="", encoding="utf-8") as handle:
        rows = [
            {key.strip(): value for key, value in row.items()} for row in csv.DictReader(handle)
        ]
    best = max(rows, key=lambda row: float(row["metrics/mAP50-95(B)"]))
    return TrainingSummary(
        run=run,
        best_epoch=int(float(best["epoch"])),
        map50=float(best["metrics/mAP50(B)"]),
        map50_95=float(best["metrics/mAP50-95(B)"]),
    )


def dataset_digest(dataset: Dataset) -> str:
    """SHA-256 over the table and every label file: what a model was trained on."""
    digest = hashlib.sha256((dataset.root / DATASET_CSV).read_bytes())
    for record in sorted(dataset.records, key=lambda record: record.image):
        label = dataset.label_path(record)
        if label.is_file():
            digest.update(str(record.image).encode() + b"\0" + label.read_bytes())
    return digest.hexdigest()


def _started(
    config: DetectionConfig, run: Path, dataset: Dataset, rendered: Dataset
) -> tuple[Any, dict[str, Any]]:
    if run.exists() and any(run.iterdir()):
        raise ConfigError(f"{run}: exists already; name a new folder, or add --resume to go on")
    weights = starting_weights(config.weights, folder=run / "weights")
    model = load_checkpoint(weights)
    atomic.write_text(run / CONFIG, dump_yaml(config))
    facts = {
        "dataset": str(dataset.root.name),
        "dataset_sha256": dataset_digest(dataset),
        "source": config.data_source or origin_of(dataset.root),
        "images": {split: len(dataset.in_split(split)) for split in ("train", "val", "test")},
        "architecture": Path(str(model.model.yaml.get("yaml_file", config.weights))).stem,
        "weights": config.weights,
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "libraries": library_versions(),
    }
    atomic.write_text(run / ENVIRONMENT, json.dumps(facts, indent=2) + "\n")
    return model, _options(config, run, rendered)


def _resumed(config: DetectionConfig, run: Path, rendered: Dataset) -> tuple[Any, dict[str, Any]]:
    if not (run / RESUME).is_file():
        raise ConfigError(f"{run}: nothing to resume: {RESUME} is missing; train without --resume")
    saved = read_config(DetectionConfig, run / CONFIG)
    if saved != config:
        raise ConfigError(f"{run / CONFIG}: differs from the configuration given; resume the same")
    # Ultralytics resumes from the folder's last.pt; a kill while it was written must not matter.
    last = run / "weights" / "last.pt"
    shutil.copyfile(run / RESUME, last)
    model = load_checkpoint(last)
    return model, {"resume": True, "data": str(_describe_data(config, run, rendered))}


def _describe_data(config: DetectionConfig, run: Path, rendered: Dataset) -> Path:
    """Write Ultralytics' description of the data: the training images as a list of their own."""
    images = training_images(
        rendered, negatives=config.negatives, rare_below=config.rare_below, seed=config.seed
    )
    listed = "".join(f"{rendered.image_path(record).resolve()}\n" for record in images)
    atomic.write_text(run / TRAINING_LIST, listed)
    values = read_yaml(rendered.root / DATA_YAML)
    values.update(path=str(rendered.root.resolve()), train=str((run / TRAINING_LIST).resolve()))
    atomic.write_text(run / DATA_YAML, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
    return (run / DATA_YAML).resolve()


def _options(config: DetectionConfig, run: Path, rendered: Dataset) -> dict[str, Any]:
    device = list(config.device) if isinstance(config.device, tuple) else config.device
    return {
        "data": str(_describe_data(config, run, rendered)),
        "project": str(run.resolve().parent),
        "name": run.resolve().name,
        "exist_ok": True,
        "imgsz": config.image_size,
        "epochs": config.epochs,
        "batch": config.batch,
        "patience": config.patience or config.epochs,
        "freeze": config.freeze or None,
        "seed": config.seed,
        "deterministic": True,
        "device": device,
        "workers": config.workers,
        "plots": False,
        "verbose": False,
        **geometry_options(config.augment),
        "augmentations": intensity_transforms(config.augment),
        **config.ultralytics,
    }


def _callbacks(
    on_progress: Callable[[TrainingProgress], None] | None,
) -> dict[str, Callable[[Any], None]]:
    """The hooks into Ultralytics' trainer: threads, progress, and a checkpoint safe to resume."""
    position = {"batch": 0, "validated": 0}

    def epoch_started(trainer: Any) -> None:
        position.update(batch=0, validated=0)

    def batch_ended(trainer: Any) -> None:
        position["batch"] += 1
        notify(trainer, {})

    def epoch_ended(trainer: Any) -> None:
        # Ultralytics calls this once more after the last epoch, for the best checkpoint.
        if position["validated"]:
            return
        position["validated"] = 1
        notify(trainer, {name: float(value) for name, value in trainer.metrics.items()})

    def notify(trainer: Any, metrics: dict[str, float]) -> None:
        if on_progress is None:
            return
        loss = sum(float(value) for value in (trainer.tloss or {}).values())
        batches = len(trainer.train_loader)
        on_progress(
            TrainingProgress(
                trainer.epoch + 1, trainer.epochs, position["batch"], batches, loss, metrics
            )
        )

    def model_saved(trainer: Any) -> None:
        atomic.write_bytes(Path(trainer.wdir) / RESUME.name, Path(trainer.last).read_bytes())

    return {
        "on_train_start": prepare_trainer,
        "on_train_epoch_start": epoch_started,
        "on_train_batch_end": batch_ended,
        "on_fit_epoch_end": epoch_ended,
        "on_model_save": model_saved,
    }


def library_versions() -> dict[str, str]:
    """The versions of the libraries that decide what a training gives."""
    import_ultralytics()
    return {name: version(name) for name in LIBRARIES}

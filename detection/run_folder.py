"""What a run folder holds, and how it is begun, taken up again and read.

::

    config.yaml          the configuration, resolved
    environment.json     versions, machine, digests of data and starting weights
    data.yaml train.txt  what was trained on, in Ultralytics' words
    args.yaml            every option of Ultralytics as it was used
    results.csv          a row for each epoch
    first_batch.jpg      the first images as the network saw them
    validation.jpg       what the best epoch finds in validation images
    training.html        curves, pictures and all of the above
    metrics.json         the best epoch's figures; written last, so only a finished run has it
    weights/best.pt      and last.pt; resume.pt until the run has ended
    processes.log        what the processes of a training on several GPUs said
"""

import csv
import hashlib
import io
import json
import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from lucency.annotations.records import DATA_YAML, Dataset
from lucency.configs import atomic
from lucency.configs.errors import ConfigError
from lucency.configs.schema import dump_yaml, read_config
from lucency.configs.yaml_files import read_yaml
from lucency.datasets.digest import dataset_digest
from lucency.datasets.importing import origin_of
from lucency.detection.recipe import DetectionConfig
from lucency.detection.training_images import training_images

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
TRAINING_LIST = "train.txt"
RESULTS = "results.csv"
METRICS = "metrics.json"
FIRST_BATCH = "first_batch.jpg"
VALIDATION = "validation.jpg"
PAGE = "training.html"
LOG = "processes.log"
BEST = Path("weights/best.pt")
RESUME = Path("weights/resume.pt")
LIBRARIES = ("lucency", "ultralytics", "torch", "albumentations", "numpy", "opencv-python-headless")
MAP50, MAP50_95 = "metrics/mAP50(B)", "metrics/mAP50-95(B)"
PRECISION, RECALL = "metrics/precision(B)", "metrics/recall(B)"


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
    epochs: int
    precision: float
    recall: float
    map50: float
    map50_95: float


def begin(config: DetectionConfig, run: Path) -> None:
    """Make ``run`` the folder of a new training.

    Raises
    ------
    ConfigError
        It exists already and is not empty.

    """
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise ConfigError(f"{run}: exists already; name a new folder, or add --resume to go on")
    atomic.write_text(run / CONFIG, dump_yaml(config))


def take_up(config: DetectionConfig, run: Path, dataset: Dataset) -> None:
    """Make sure that the training in ``run`` can go on with this configuration and set.

    Raises
    ------
    ConfigError
        There is no training, it has finished, or it began with something else.

    """
    if not (run / CONFIG).is_file():
        raise ConfigError(f"{run}: nothing to resume: {CONFIG} is missing; train without --resume")
    if is_finished(run):
        raise ConfigError(f"{run}: nothing to resume: this training has finished")
    began = read_config(DetectionConfig, run / CONFIG)
    if began != config:
        changed = [
            k for k in DetectionConfig.model_fields if getattr(began, k) != getattr(config, k)
        ]
        raise ConfigError(
            f"{run / CONFIG}: differs from the configuration given in {', '.join(changed)}; "
            "resume with the same file and the same --set"
        )
    facts = read_environment(run)
    if facts and facts.get("dataset_sha256") != dataset_digest(dataset):
        raise ConfigError(
            f"{run}: began with other data: {dataset.root} has changed since; train in a new folder"
        )


def is_finished(run: Path) -> bool:
    """Whether the training in ``run`` came to its end."""
    return (run / METRICS).is_file()


def finish(run: Path) -> TrainingSummary:
    """Write the figures of a training that has come to its end; it can no longer be resumed."""
    summary = read_summary(run)
    figures = {
        "best_epoch": summary.best_epoch,
        "epochs": summary.epochs,
        "precision": summary.precision,
        "recall": summary.recall,
        "map50": summary.map50,
        "map50_95": summary.map50_95,
        "measured": "by Ultralytics on the validation split, at the confidence of the highest F1",
    }
    atomic.write_text(run / METRICS, json.dumps(figures, indent=2) + "\n")
    (run / RESUME).unlink(missing_ok=True)
    return summary


def read_rows(run: Path) -> list[dict[str, float]]:
    """The table of epochs, by Ultralytics' column names; none where there is no table yet."""
    try:
        text = (run / RESULTS).read_text(encoding="utf-8")
    except OSError:
        return []
    return [
        {key.strip(): float(value) for key, value in row.items() if key and value}
        for row in csv.DictReader(io.StringIO(text))
    ]


def read_summary(run: Path) -> TrainingSummary:
    """The best epoch of a finished run, read from its ``results.csv``.

    Raises
    ------
    ConfigError
        The folder holds no finished training.

    """
    rows = read_rows(run)
    if not (run / BEST).is_file() or not rows:
        raise ConfigError(f"{run}: holds no finished training; run `lucency train` first")
    # Of equal epochs Ultralytics keeps the last.
    best = max(reversed(rows), key=lambda row: row[MAP50_95])
    return TrainingSummary(
        run=run,
        best_epoch=int(best["epoch"]),
        epochs=len(rows),
        precision=best[PRECISION],
        recall=best[RECALL],
        map50=best[MAP50],
        map50_95=best[MAP50_95],
    )


def read_environment(run: Path) -> dict[str, Any]:
    """What ``environment.json`` says; nothing where it was not written yet."""
    try:
        facts = json.loads((run / ENVIRONMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def write_environment(
    config: DetectionConfig, run: Path, dataset: Dataset, *, weights: Path, architecture: str
) -> None:
    """Write what a training rests on beside its configuration: data, weights, machine."""
    facts = {
        "dataset": str(dataset.root.name),
        "dataset_sha256": dataset_digest(dataset),
        "source": config.data_source or origin_of(dataset.root),
        "images": {split: len(dataset.in_split(split)) for split in ("train", "val", "test")},
        "images_an_epoch": len((run / TRAINING_LIST).read_text(encoding="utf-8").splitlines()),
        "architecture": architecture,
        "weights": config.weights,
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "libraries": library_versions(),
        "machine": _machine(),
    }
    atomic.write_text(run / ENVIRONMENT, json.dumps(facts, indent=2) + "\n")


def describe_data(config: DetectionConfig, run: Path, rendered: Dataset) -> None:
    """Write Ultralytics' description of the data: the training images as a list of their own."""
    images = training_images(
        rendered, negatives=config.negatives, rare_below=config.rare_below, seed=config.seed
    )
    listed = "".join(f"{rendered.image_path(record).resolve()}\n" for record in images)
    atomic.write_text(run / TRAINING_LIST, listed)
    values = read_yaml(rendered.root / DATA_YAML)
    values.update(path=str(rendered.root.resolve()), train=str((run / TRAINING_LIST).resolve()))
    atomic.write_text(run / DATA_YAML, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def library_versions() -> dict[str, str]:
    """The versions of the libraries that decide what a training gives."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # Ultralytics may have come with opencv-python
            continue
    return found


def _machine() -> dict[str, str]:
    import torch

    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "processor": f"{platform.machine()}, {os.cpu_count()} cores",
        "accelerators": ", ".join(devices) or "none",
    }

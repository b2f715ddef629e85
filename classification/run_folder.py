"""The folder of a training run: what it was told, what it learnt, and where to go on.

::

    config.yaml        the configuration, resolved
    environment.json   versions, digest of the data, images, processor or GPU
    history.csv        a row for each epoch
    best.safetensors   the weights of the best epoch
    last.pt            what the run goes on from
    first_batch.jpg    the first images as the network saw them
    training.html      curves, picture and all of the above, after every epoch

Every file is complete or absent, so a run killed at any moment can go on from ``last.pt``.
"""

import csv
import hashlib
import io
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any

from lucency.annotations.records import DATASET_CSV
from lucency.classification.recipe import ClassificationConfig
from lucency.configs import atomic
from lucency.configs.errors import ConfigError
from lucency.configs.schema import dump_yaml, read_config
from lucency.datasets.importing import origin_of

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
HISTORY = "history.csv"
BEST = "best.safetensors"
LAST = "last.pt"
FIRST_BATCH = "first_batch.jpg"
PAGE = "training.html"
_LIBRARIES = (
    "lucency",
    "torch",
    "torchvision",
    "albumentations",
    "opencv-python-headless",
    "numpy",
)


@dataclass(frozen=True)
class EpochResult:
    """One row of ``history.csv``; ``auc`` is the mean over the labels on the validation split."""

    epoch: int
    phase: str
    learning_rate: float
    train_loss: float
    val_loss: float
    val_auc: float
    seconds: float


def rank(result: EpochResult) -> tuple[float, float]:
    """What makes an epoch better: the AUC, and among equals the lower loss."""
    return result.val_auc, -result.val_loss


def best_result(history: Sequence[EpochResult]) -> EpochResult:
    """The best of some epochs; of equal ones the first."""
    return max(history, key=rank)


def check_run(
    config: ClassificationConfig, *, dataset_dir: Path, run_dir: Path, resume: bool
) -> None:
    """Check that ``run_dir`` is free for a new run, or holds the run that is to be resumed.

    Raises
    ------
    ConfigError
        A new run's folder is in use, or what is resumed had another configuration or data.

    """
    if not resume:
        if run_dir.exists() and (not run_dir.is_dir() or any(run_dir.iterdir())):
            raise ConfigError(
                f"{run_dir}: exists already; resume it with --resume or name a new folder"
            )
        return
    if read_run_config(run_dir) != config:
        raise ConfigError(
            f"{run_dir / CONFIG}: differs from the configuration given; resume with the same one"
        )
    if read_environment(run_dir)["dataset_csv_sha256"] != data_digest(dataset_dir):
        raise ConfigError(
            f"{dataset_dir / DATASET_CSV}: is not the table that {run_dir} was started with; "
            "train in a new folder"
        )


def start_run(
    config: ClassificationConfig,
    *,
    dataset_dir: Path,
    run_dir: Path,
    images: Mapping[str, str],
    machine: str,
) -> None:
    """Write the environment and the configuration of a new run.

    ``images`` says of each split what its labels are; ``machine`` what it is trained on.
    """
    environment = {
        "dataset": dataset_dir.resolve().name,
        "dataset_csv_sha256": data_digest(dataset_dir),
        "source": config.data_source or origin_of(dataset_dir),
        "images": dict(images),
        "machine": machine,
        "display_digest": config.display.digest(),
        "python": platform.python_version(),
        "libraries": library_versions(_LIBRARIES),
    }
    atomic.write_text(run_dir / ENVIRONMENT, json.dumps(environment, indent=2) + "\n")
    atomic.write_text(run_dir / CONFIG, dump_yaml(config))


def read_run_config(run_dir: Path) -> ClassificationConfig:
    """The configuration of a run; raises `ConfigError` if ``run_dir`` is not one."""
    if not (run_dir / CONFIG).is_file():
        raise ConfigError(f"{run_dir}: is not the folder of a training run: it has no {CONFIG}")
    return read_config(ClassificationConfig, run_dir / CONFIG)


def read_environment(run_dir: Path) -> dict[str, Any]:
    """What ``environment.json`` of a run says; raises `ConfigError` if it cannot be read."""
    path = run_dir / ENVIRONMENT
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        missing = {"dataset", "dataset_csv_sha256", "libraries"} - set(values)
    except (OSError, ValueError, TypeError):
        raise ConfigError(f"{path}: cannot be read; train again in a new folder") from None
    if missing:
        raise ConfigError(f"{path}: missing key '{min(missing)}'; train again in a new folder")
    return dict(values)


def read_history(run_dir: Path) -> list[EpochResult]:
    """The rows of ``history.csv``; none where no epoch has ended yet.

    Raises
    ------
    ConfigError
        The table is damaged.

    """
    path = run_dir / HISTORY
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            return [_result(row) for row in csv.DictReader(handle)]
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(f"{path}: cannot be read; train again in a new folder") from None


def _result(row: Mapping[str, str]) -> EpochResult:
    figures = {
        field.name: float(row[field.name])
        for field in fields(EpochResult)
        if field.name not in ("epoch", "phase")
    }
    return EpochResult(epoch=int(row["epoch"]), phase=row["phase"], **figures)


def write_history(run_dir: Path, history: list[EpochResult]) -> None:
    """Write ``history.csv``, one row an epoch."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, [f.name for f in fields(EpochResult)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in history)
    atomic.write_text(run_dir / HISTORY, out.getvalue())


def data_digest(dataset_dir: Path) -> str:
    """SHA-256 of ``dataset.csv``, which itself holds the digest of every image."""
    try:
        return hashlib.sha256((dataset_dir / DATASET_CSV).read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(
            f"{dataset_dir / DATASET_CSV}: cannot be read: {error.strerror}"
        ) from None


def library_versions(names: tuple[str, ...]) -> dict[str, str]:
    """The installed versions of ``names``; those not installed are left out."""
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions

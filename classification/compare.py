"""Comparing recipes: each variant trained under one budget, all measured on the same images.

::

    comparison.json  VARIANT/seedN/run  VARIANT/seedN/validation.csv  VARIANT/seedN/result.json  …

The validation images also chose each variant's best epoch, which flatters all of them alike.
"""

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from lucency.annotations.records import Dataset, read_dataset
from lucency.classification.experiment import Budget
from lucency.classification.held_out import HeldOut, predict_best, read_held_out, write_held_out
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.run_folder import (
    CONFIG,
    EpochResult,
    best_result,
    data_digest,
    read_history,
)
from lucency.configs import atomic
from lucency.configs.errors import ConfigError, DatasetError

COMPARISON = "comparison.json"
VALIDATION = "validation.csv"
RESULT = "result.json"
RUN = "run"
_TIMED, _WARM_UP = 15, 3


@dataclass(frozen=True)
class VariantRun:
    """One trained variant with one seed: all epochs, and what its best one says of ``val``.

    ``parameters`` counts the network's, ``onnx_ms`` is the median time of one image in ONNX
    Runtime on one core of this machine, without reading and display.
    """

    variant: str
    seed: int
    history: tuple[EpochResult, ...]
    parameters: int
    onnx_ms: float
    held: HeldOut

    @property
    def best(self) -> EpochResult:
        """The epoch whose weights were kept."""
        return best_result(self.history)

    @property
    def seconds_an_epoch(self) -> float:
        """The median over the epochs: the first one reads the images."""
        return median(row.seconds for row in self.history)


# Trains one variant: its configuration, its run folder, whether to resume, what it is called, and
# what to tell of each epoch.
TrainVariant = Callable[
    [ClassificationConfig, Path, bool, str, Callable[[EpochResult], None]], None
]


class _BudgetSpentError(Exception):
    """Ends a training after an epoch that is saved."""


def compare(
    configs: Mapping[str, ClassificationConfig],
    dataset_dir: Path,
    out: Path,
    *,
    budget: Budget,
    seeds: tuple[int, ...],
    resume: bool = False,
    train_variant: TrainVariant | None = None,
) -> tuple[VariantRun, ...]:
    """Train every variant with every seed, seed by seed; return what they say of ``val``.

    With ``resume``, what is finished stays and what was interrupted goes on. ``train_variant`` may
    stand for the plain training, to show progress.

    Raises
    ------
    ConfigError
        ``out`` is in use and ``resume`` was not asked for, or holds another comparison.

    """
    dataset = read_dataset(dataset_dir)
    asked = {
        "dataset_csv_sha256": data_digest(dataset_dir),
        "budget": budget.model_dump(mode="json"),
        "seeds": list(seeds),
        "variants": {name: one.model_dump(mode="json") for name, one in configs.items()},
    }
    _check(asked, out, resume=resume)
    atomic.write_text(out / COMPARISON, json.dumps(asked, indent=2) + "\n")

    def plainly(
        config: ClassificationConfig,
        run: Path,
        again: bool,
        title: str,
        on_epoch: Callable[[EpochResult], None],
    ) -> None:
        train_within_budget(config, dataset_dir, run, resume=again, on_epoch=on_epoch)

    runs = []
    for seed in seeds:
        for name, config in configs.items():
            folder = out / name / f"seed{seed}"
            if not (folder / RESULT).is_file():
                seeded = config.model_copy(update={"seed": seed})
                title = name if len(seeds) == 1 else f"{name} seed {seed}"
                _train(seeded, folder / RUN, budget, title, train_variant or plainly)
                _predict(seeded, dataset, folder)
            runs.append(_read(name, seed, folder))
    return tuple(runs)


def train_within_budget(
    config: ClassificationConfig,
    dataset_dir: Path,
    run: Path,
    *,
    resume: bool,
    on_epoch: Callable[[EpochResult], None],
    on_progress: Callable[[Any], None] | None = None,
) -> None:
    """Train until ``on_epoch``, which is told of each epoch, raises, or to the end."""
    from lucency.classification.train import Progress, train

    def told(state: Progress) -> None:
        if on_progress is not None:
            on_progress(state)
        if state.result is not None:
            on_epoch(state.result)

    train(config, dataset_dir, run, resume=resume, progress=told)


def _check(asked: Mapping[str, Any], out: Path, *, resume: bool) -> None:
    path = out / COMPARISON
    if path.is_file() and resume:
        said = _read_json(path)
        changed = [key for key, value in asked.items() if said.get(key) != value]
        if changed:
            what = "set" if changed[0].startswith("dataset") else changed[0]
            raise ConfigError(
                f"{path}: was started with another {what}; resume with the same, or name a new "
                "folder"
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out}: exists already; name a new folder, or add --resume to go on")


def _train(
    config: ClassificationConfig,
    run: Path,
    budget: Budget,
    title: str,
    train_variant: TrainVariant,
) -> None:
    """Train until the budget is spent; epochs are part of ``config`` already."""
    resume = (run / CONFIG).is_file()
    if not resume and run.exists():  # killed before its first line was written
        shutil.rmtree(run)
    spent = sum(row.seconds for row in read_history(run)) if resume else 0.0

    def on_epoch(row: EpochResult) -> None:
        nonlocal spent
        spent += row.seconds
        if budget.minutes is not None and spent >= 60 * budget.minutes:
            raise _BudgetSpentError

    if budget.minutes is not None and spent >= 60 * budget.minutes:
        return
    try:
        train_variant(config, run, resume, title, on_epoch)
    except _BudgetSpentError:
        return


def _predict(config: ClassificationConfig, dataset: Dataset, folder: Path) -> None:
    images, probabilities = predict_best(folder / RUN, dataset, split="val")
    held = HeldOut(
        tuple(config.labels),
        images=tuple(str(record.image) for record in images.records),
        folds=("val",) * len(images),
        patients=tuple(record.patient_id for record in images.records),
        values=("",) * len(images),
        truth=images.targets.astype(np.float64),
        probabilities=probabilities,
    )
    write_held_out(held, folder / VALIDATION)
    parameters, onnx_ms = _cost(folder / RUN, config)
    result = {
        "parameters": parameters,
        "onnx_ms": onnx_ms,
        "history": [asdict(row) for row in read_history(folder / RUN)],
    }
    atomic.write_text(folder / RESULT, json.dumps(result, indent=2) + "\n")


def _cost(run: Path, config: ClassificationConfig) -> tuple[int, float]:
    """The network's parameters, and the median milliseconds of an image on one core."""
    import onnxruntime

    from lucency.classification.classifier import INPUT, PROBABILITIES
    from lucency.classification.export import read_network
    from lucency.classification.onnx_export import export_onnx

    network = read_network(run, config)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        export_onnx(network, config), options, providers=["CPUExecutionProvider"]
    )
    side = config.input_size
    image = np.zeros((1, config.channels, side, side), dtype=np.float32)
    times = []
    for _ in range(_WARM_UP + _TIMED):
        started = time.perf_counter()
        session.run([PROBABILITIES], {INPUT: image})
        times.append(1000 * (time.perf_counter() - started))
    parameters = sum(values.numel() for values in network.parameters())
    return parameters, round(median(times[_WARM_UP:]), 3)


def _read(variant: str, seed: int, folder: Path) -> VariantRun:
    said = _read_json(folder / RESULT)
    return VariantRun(
        variant=variant,
        seed=seed,
        history=tuple(EpochResult(**row) for row in said["history"]),
        parameters=said["parameters"],
        onnx_ms=said["onnx_ms"],
        held=read_held_out(folder / VALIDATION),
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        raise DatasetError(f"{path}: cannot be read; start again in a new folder") from None

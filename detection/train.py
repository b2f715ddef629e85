"""Fine-tuning a YOLO detector on a data set, with Ultralytics as the engine."""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lucency.annotations.records import Dataset, read_dataset
from lucency.configs.errors import ConfigError, DatasetError, LucencyError
from lucency.datasets.leakage import check_leakage
from lucency.datasets.render import render
from lucency.detection.engine_options import check_values
from lucency.detection.recipe import DetectionConfig
from lucency.detection.resolution import with_resolution
from lucency.detection.run_folder import (
    BEST,
    LOG,
    RESULTS,
    RESUME,
    VALIDATION,
    TrainingProgress,
    TrainingSummary,
    begin,
    describe_data,
    finish,
    take_up,
    write_environment,
)
from lucency.detection.training_page import write_training_page
from lucency.detection.training_pictures import draw_validation
from lucency.detection.training_state import read_state, restore_files
from lucency.detection.weights import load_checkpoint, starting_weights


def train(
    config: DetectionConfig,
    dataset_root: Path,
    run: Path,
    *,
    resume: bool = False,
    on_progress: Callable[[TrainingProgress], None] | None = None,
) -> TrainingSummary:
    """Fine-tune a detector and leave a run folder (`lucency.detection.run_folder`).

    With ``resume`` an interrupted run goes on from its last complete epoch, to the same end as
    if it had not been interrupted; without, ``run`` must be new or empty. ``on_progress`` is
    called after every batch, and after every epoch with its figures.

    Raises
    ------
    LeakageError
        A patient, or an image, stands in two splits.
    DatasetError
        The set is not split, or has no training or validation images.
    ConfigError
        An option is unknown, the weights cannot be had, ``run`` is in use or cannot be resumed,
        the disk is full, or Ultralytics refuses.

    """
    check_values(config.ultralytics)
    _check_devices(config)
    dataset = read_dataset(dataset_root)
    check_leakage(dataset)
    for split in ("train", "val"):
        if not dataset.in_split(split):
            raise DatasetError(f"{dataset_root}: has no images in '{split}'; run `lucency split`")
    rendered = render(dataset, config.display)
    config = with_resolution(config, rendered)
    if resume:
        take_up(config, run, dataset)
    else:
        begin(config, run)
    with _plain_errors(run):
        try:
            weights = _prepare(config, run, dataset, rendered)
            _fit(config, run, weights, on_progress)
        except LucencyError:
            if not resume and not (run / RESUME).is_file() and not (run / LOG).is_file():
                # It could not begin: the next one finds no folder.
                shutil.rmtree(run, ignore_errors=True)
            raise
        draw_validation(
            load_checkpoint(run / BEST),
            rendered,
            image_size=config.image_size,
            path=run / VALIDATION,
        )
        summary = finish(run)
        write_training_page(run)
    return summary


def _prepare(config: DetectionConfig, run: Path, dataset: Dataset, rendered: Dataset) -> Path:
    """Describe data and machine in the run folder, and return the weights to start from."""
    describe_data(config, run, rendered)
    weights = starting_weights(config.weights, folder=run / "weights")
    if not (run / RESUME).is_file():
        model = load_checkpoint(weights).model
        _check_frozen(config, layers=len(model.model))
        architecture = Path(str(model.yaml.get("yaml_file", config.weights))).stem
        write_environment(config, run, dataset, weights=weights, architecture=architecture)
    return weights


def _check_devices(config: DetectionConfig) -> None:
    import torch

    wanted = config.devices or (config.device,)
    numbers = [one for one in wanted if isinstance(one, int) and one >= 0]
    found = torch.cuda.device_count()
    if len(numbers) > found:
        asked = ", ".join(map(str, numbers))
        raise ConfigError(f"device: GPU {asked} asked for, this machine has {found}; set cpu")


def _check_frozen(config: DetectionConfig, *, layers: int) -> None:
    last = max(config.freeze, default=-1) if isinstance(config.freeze, tuple) else config.freeze - 1
    if last >= layers:
        raise ConfigError(
            f"freeze: there is no layer {last}; those of {config.weights} are 0 to {layers - 1}"
        )


def _fit(
    config: DetectionConfig,
    run: Path,
    weights: Path,
    on_progress: Callable[[TrainingProgress], None] | None,
) -> None:
    def told(progress: TrainingProgress) -> None:
        if progress.metrics:
            write_training_page(run)
        if on_progress is not None:
            on_progress(progress)

    if (run / RESUME).is_file():
        state = read_state(run / RESUME)
        if state["stop"]:  # killed after the last epoch
            restore_files(state, best=run / BEST, results=run / RESULTS)
            return
    if config.devices:
        from lucency.detection.several_gpus import fit_on_gpus

        fit_on_gpus(config, run, weights, on_progress=told)
    else:
        from lucency.detection.trainer import fit

        fit(config, run, weights, on_progress=told)


@contextmanager
def _plain_errors(run: Path) -> Iterator[None]:
    """Say in one line what a machine, and not the program, did to a training."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        mend = "make room and add --resume" if full else "mend it and add --resume"
        reason = error.strerror or str(error)
        raise ConfigError(f"{error.filename or run}: {reason}; {mend}") from error
    except (RuntimeError, MemoryError) as error:
        fault = _machine_fault(error)
        if fault is None:
            raise
        raise ConfigError(f"{run}: {fault}") from error


def _machine_fault(error: BaseException) -> str | None:
    text = str(error)
    if isinstance(error, MemoryError) or "out of memory" in text or "alloc" in text.lower():
        return "out of memory; set a smaller batch or image_size"
    if "shared memory" in text or "DataLoader worker" in text:
        return "a process that loads images died, often for want of shared memory; lower workers"
    return None

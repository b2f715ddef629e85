"""Ultralytics' trainer, made to give the same run however often it is interrupted.

What an epoch shows depends on the seed and the epoch alone, and what stands between two epochs is
kept unrounded (`lucency.detection.training_state`). The class is built anew in every process of a
training on several GPUs, so it holds all that a run needs; nothing is added to it from outside but
an observer of its progress.
"""

import fcntl
import hashlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lucency.annotations.records import DATA_YAML
from lucency.configs.errors import ConfigError
from lucency.detection.augment import geometry_options, intensity_transforms
from lucency.detection.cpu_training import prepare_trainer, without_preparation
from lucency.detection.offline_ultralytics import import_ultralytics
from lucency.detection.recipe import DetectionConfig
from lucency.detection.rotated_boxes import keep_boxes_tight
from lucency.detection.run_folder import FIRST_BATCH, RESUME, TrainingProgress
from lucency.detection.training_pictures import draw_first_batch
from lucency.detection.training_state import (
    read_state,
    restore_files,
    restore_gradients,
    restore_trainer,
    save_state,
)
from lucency.detection.weights import load_checkpoint

import_ultralytics()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from ultralytics.data.augment import Mosaic  # noqa: E402
from ultralytics.models.yolo.detect import DetectionTrainer  # noqa: E402
from ultralytics.utils import RANK  # noqa: E402
from ultralytics.utils.torch_utils import strip_optimizer  # noqa: E402

OnProgress = Callable[[TrainingProgress], None]


class RadiographTrainer(DetectionTrainer):  # type: ignore[misc]  # Ultralytics is untyped
    """A detection trainer that can be killed at any moment and goes on to the same end."""

    def __init__(self, overrides: dict[str, Any], on_progress: OnProgress | None = None) -> None:
        self._on_progress = on_progress
        self._accumulate, self._late = 1, 0
        self._batch, self._last_step = 0, -1
        self._validated = False
        self._state: dict[str, Any] | None = None
        super().__init__(overrides=overrides)
        self.state_path = Path(self.save_dir) / RESUME
        for event, callback in (
            ("on_train_start", RadiographTrainer._training_started),
            ("on_train_epoch_start", RadiographTrainer._epoch_started),
            ("on_train_batch_end", RadiographTrainer._batch_ended),
            ("on_fit_epoch_end", RadiographTrainer._epoch_ended),
        ):
            self.add_callback(event, callback)

    @property
    def accumulate(self) -> int:
        """How many batches make one step.

        Ultralytics takes a step when so many batches have passed since the last one, and has
        forgotten after a resume when that was: until the first step the difference is added.
        """
        return self._accumulate + self._late

    @accumulate.setter
    def accumulate(self, batches: int) -> None:
        self._accumulate = batches

    def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> Any:
        """Open the images; Ultralytics keeps what it reads of labels in a file beside them."""
        with _one_at_a_time(Path(self.data["path"])):
            dataset = super().build_dataset(img_path, mode, batch)
        keep_boxes_tight(dataset)
        return dataset

    def _close_dataloader_mosaic(self) -> None:
        super()._close_dataloader_mosaic()  # which builds the transforms anew
        keep_boxes_tight(self.train_loader.dataset)

    def resume_training(self, ckpt: Any) -> None:
        """Take up the state that an interrupted run left, in place of Ultralytics' checkpoint."""
        if not self.state_path.is_file():
            return
        self._state = read_state(self.state_path)
        restore_trainer(self._state, self)
        if RANK in (-1, 0):
            restore_files(self._state, best=self.best, results=self.csv)

    def optimizer_step(self) -> None:
        """Move the weights, and remember when."""
        super().optimizer_step()
        self._late = 0
        self._last_step = self.epoch * len(self.train_loader) + self._batch

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Hand the batch to the network; the run's first one is kept as a picture."""
        prepared: dict[str, Any] = super().preprocess_batch(batch)
        picture = Path(self.save_dir) / FIRST_BATCH
        if RANK in (-1, 0) and not picture.exists():
            draw_first_batch(prepared, class_names=self.data["names"], path=picture)
        return prepared

    def final_eval(self) -> None:
        """Leave checkpoints without the optimizer; Ultralytics' plots only where asked for."""
        if self.args.plots:
            super().final_eval()
        elif RANK in (-1, 0):
            for checkpoint in (self.last, self.best):
                if checkpoint.is_file():
                    strip_optimizer(checkpoint)

    def _load_checkpoint_state(self, ckpt: Any) -> None:
        """After a loss that is no number: Ultralytics goes on from its last checkpoint."""
        with without_preparation(self.model):
            super()._load_checkpoint_state(ckpt)

    def _training_started(self) -> None:
        prepare_trainer(self)
        if self._state is None:
            return
        self._last_step = self._state["last_step"]
        # Batches count from 0 and Ultralytics begins with -1 as the last step.
        self._late = self._last_step + 1
        if not self.args.time:
            self.train_time_start = time.time() - self._state["seconds"]

    def _epoch_started(self) -> None:
        """Start every epoch from generators that only the seed and the epoch decide."""
        self._batch, self._validated = 0, False
        seed = self._epoch_seed()
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)  # from which albumentations takes its own
        loader = self.train_loader
        loader.generator.manual_seed(seed)
        # Workers fetch ahead, into the next epoch: they must start anew with it.
        loader.reset()
        _draw_from_the_whole_set(loader.dataset)
        _forget_images(loader.dataset)
        if self._state is not None and self.epoch == self.start_epoch:
            restore_gradients(self._state, self)
            self._state = None

    def _epoch_seed(self) -> int:
        parts = (self.args.seed, self.epoch, self.nan_recovery_attempts, RANK)
        digest = hashlib.sha256(repr(parts).encode()).digest()
        return int.from_bytes(digest[:4], "little")

    def _batch_ended(self) -> None:
        self._batch += 1
        self._notify({})

    def _epoch_ended(self) -> None:
        # Ultralytics calls this once more after the last epoch, for the best checkpoint.
        if self._validated or RANK not in (-1, 0):
            return
        self._validated = True
        save_state(self, self.state_path, last_step=self._last_step)
        self._notify({name: float(value) for name, value in self.metrics.items()})

    def _notify(self, metrics: dict[str, float]) -> None:
        if self._on_progress is None:
            return
        self._on_progress(
            TrainingProgress(
                epoch=self.epoch + 1,
                epochs=self.epochs,
                batch=self._batch,
                batches=len(self.train_loader),
                loss=sum(float(value) for value in (self.tloss or {}).values()),
                metrics=metrics,
            )
        )


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep other trainings on the same set waiting, as far as it can be written to."""
    try:
        lock = (folder / ".lock").open("w")
    except OSError:
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _draw_from_the_whole_set(dataset: Any) -> None:
    """Let mosaics take their other images from the whole set.

    Ultralytics takes them from those that the process loaded last, which a resumed run has not.
    """
    waiting = [dataset.transforms]
    while waiting:
        transform = waiting.pop()
        if isinstance(transform, Mosaic):
            transform.buffer_enabled = False
        waiting.extend(getattr(transform, "transforms", ()))
        waiting.extend(filter(None, [getattr(transform, "pre_transform", None)]))


def _forget_images(dataset: Any) -> None:
    """Let go of recently loaded images: a transform may have worked on them in place."""
    if dataset.cache == "ram":
        return
    for index in dataset.buffer:
        dataset.ims[index] = dataset.im_hw0[index] = dataset.im_hw[index] = None
    dataset.buffer.clear()


def fit(
    config: DetectionConfig, run: Path, weights: Path, *, on_progress: OnProgress | None
) -> None:
    """Train in this process, from the weights or from where ``run`` was interrupted.

    Raises
    ------
    ConfigError
        Ultralytics refuses an option once it has seen the data and the network.

    """
    start = load_checkpoint(weights).model
    try:
        trainer = RadiographTrainer(training_options(config, run, weights), on_progress)
        trainer.model = trainer.get_model(weights=start, cfg=start.yaml)
        trainer.train()
    except (ValueError, NotImplementedError, TypeError, AssertionError) as error:
        if _began(run):
            raise
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"{run}: Ultralytics refuses: {reason}") from error


def _began(run: Path) -> bool:
    return (run / RESUME).is_file()


def training_options(config: DetectionConfig, run: Path, weights: Path) -> dict[str, Any]:
    """Ultralytics' options for a configuration: our own keys, X-ray's rules, then the rest."""
    freeze = list(config.freeze) if isinstance(config.freeze, tuple) else config.freeze
    return {
        "task": "detect",
        "mode": "train",
        "model": str(weights),
        "data": str((run / DATA_YAML).resolve()),
        "project": str(run.resolve().parent),
        "name": run.resolve().name,
        "exist_ok": True,
        "imgsz": config.image_size,
        "epochs": config.epochs,
        "batch": config.batch,
        "patience": config.patience or config.epochs,
        "freeze": freeze or None,
        "seed": config.seed,
        "deterministic": True,
        "device": _device(config),
        "workers": config.workers,
        "plots": False,
        "verbose": False,
        **geometry_options(config.augment),
        "augmentations": intensity_transforms(config.augment),
        **config.ultralytics,
    }


def _device(config: DetectionConfig) -> str | int | None:
    """The device, or all of several GPUs, as Ultralytics wants to hear of them."""
    if config.devices:
        return ",".join(str(number) for number in config.devices)
    if isinstance(config.device, tuple):
        return config.device[0] if config.device else None
    return config.device

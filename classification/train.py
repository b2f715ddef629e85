"""Training of a classifier: one plain loop in two phases, head first, then the last blocks.

Every epoch seeds PyTorch's generator from the recipe's seed and its own number, so a run that was
killed and resumed ends with the same weights as one that was not.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lucency.annotations.records import read_dataset
from lucency.classification.batches import (
    Batches,
    set_epoch,
    split_batches,
    training_batches,
)
from lucency.classification.checkpoint import checkpoint_bytes, read_checkpoint, state_bytes
from lucency.classification.losses import build_loss, known_cross_entropy, masked_bce
from lucency.classification.networks import StagedNetwork, build_network, probabilities_of
from lucency.classification.optimisation import half_precision
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.run_folder import (
    BEST,
    FIRST_BATCH,
    LAST,
    EpochResult,
    best_result,
    check_run,
    rank,
    start_run,
    write_history,
)
from lucency.classification.several_gpus import Processes, joined_processes
from lucency.classification.training_page import write_training_page
from lucency.classification.training_pictures import first_batch_picture
from lucency.classification.training_state import TrainingState, begin_phase, freeze_for, restore
from lucency.classification.weights import load_initial_weights
from lucency.configs import atomic
from lucency.configs.errors import ConfigError
from lucency.datasets.labelled import LabelledSplit, labelled_split, require_one_label
from lucency.datasets.leakage import check_leakage
from lucency.evaluation.roc import auc

_SPLITS = ("train", "val")


@dataclass(frozen=True)
class Progress:
    """Where a run stands: after ``batch`` of ``batches``; ``result`` once an epoch is over.

    Epoch 0 is the reading of the images into the set's cache, counted in ``batch``.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    result: EpochResult | None = None


@dataclass(frozen=True)
class RunSummary:
    """How a run ended; ``best_auc`` is the validation AUC of ``best.safetensors``."""

    run_dir: Path
    history: tuple[EpochResult, ...]
    best_epoch: int
    best_auc: float
    stopped_early: bool


def train(
    config: ClassificationConfig,
    dataset_dir: Path,
    run_dir: Path,
    *,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> RunSummary:
    """Train the classifier that ``config`` describes on the splits ``train`` and ``val`` of a set.

    Raises
    ------
    DatasetError
        The set is not split, a patient stands in two splits, a label has one value only, or the
        column of ``balance_by`` is missing.
    ImageError
        An image cannot be read.
    ConfigError
        The initial weights cannot be had, or ``run_dir`` is in use or cannot be resumed.

    """
    # The caller's random numbers are not ours to change.
    with joined_processes() as processes, torch.random.fork_rng():
        history = _prepared(config, dataset_dir, run_dir, resume, progress, processes).go_on()
    best = best_result(history)
    return RunSummary(
        run_dir=run_dir,
        history=tuple(history),
        best_epoch=best.epoch,
        best_auc=best.val_auc,
        stopped_early=len(history) < config.total_epochs,
    )


def _prepared(
    config: ClassificationConfig,
    dataset_dir: Path,
    run_dir: Path,
    resume: bool,
    progress: Callable[[Progress], None] | None,
    processes: Processes,
) -> "_Run":
    """Check everything, and bring network and images to where the next epoch begins."""
    dataset = read_dataset(dataset_dir)
    check_leakage(dataset)
    splits = [labelled_split(dataset, split=name, labels=config.labels) for name in _SPLITS]
    if config.exclusive:
        for split in splits:
            require_one_label(split, where=str(dataset_dir))
    processes.by_first(
        lambda: check_run(config, dataset_dir=dataset_dir, run_dir=run_dir, resume=resume)
    )
    torch.manual_seed(config.seed)
    network = build_network(
        config.network, classes=len(config.labels), channels=config.channels, head=config.head
    )
    network.to(processes.device).to(memory_format=torch.channels_last)
    checkpoint = read_checkpoint(run_dir / LAST) if resume else None
    if checkpoint is None:
        load_initial_weights(network, name=config.network, weights=config.weights)
    reading = _reading(config, progress)
    with processes.in_turn():
        batches = training_batches(
            dataset, splits[0], config, processes=processes, progress=reading
        )
        val_batches = split_batches(dataset, splits[1], config, progress=reading)
    network = processes.synchronised(network)
    if checkpoint is None:
        state = begin_phase(network, [], config, steps=len(batches), processes=processes)
    else:
        state = restore(network, checkpoint, config, steps=len(batches), processes=processes)
    if not resume and processes.first:
        start_run(
            config,
            dataset_dir=dataset_dir,
            run_dir=run_dir,
            images={split.name: f"{len(split)}: {split.counts()}" for split in splits},
            machine=processes.description,
        )
    return _Run(config, run_dir, processes, batches, val_batches, splits[1], progress, state)


@dataclass
class _Run:
    """One training run with its data at hand."""

    config: ClassificationConfig
    run_dir: Path
    processes: Processes
    train_batches: Batches
    val_batches: Batches
    val_split: LabelledSplit
    progress: Callable[[Progress], None] | None
    state: TrainingState

    def go_on(self) -> list[EpochResult]:
        """Train from the state to the end; returns all epochs."""
        config, history = self.config, self.state.history
        while len(history) < config.total_epochs and not _out_of_patience(history, config):
            epoch = len(history) + 1
            if epoch == config.head_epochs + 1 and epoch > 1:
                steps, network = len(self.train_batches), self.state.network
                self.state = begin_phase(
                    network, history, config, steps=steps, processes=self.processes
                )
            result = self._epoch(epoch)
            better = not history or rank(result) > rank(best_result(history))
            history.append(result)
            if self.processes.first:
                self._save(better=better)
            self._report(epoch, len(self.train_batches), result)
        return history

    def _epoch(self, epoch: int) -> EpochResult:
        started = time.monotonic()
        learning_rate = float(self.state.optimiser.param_groups[0]["lr"])
        seed = self.config.seed * 100_003 + epoch
        set_epoch(self.train_batches, seed)
        # Processes draw alike, but augment and drop out each in its own way.
        torch.manual_seed(seed * self.processes.count + self.processes.rank)
        in_head_phase = epoch <= self.config.head_epochs
        freeze_for(self.state.network, self.config, in_head_phase=in_head_phase)
        losses = list(self._steps(epoch))
        train_loss = self.processes.mean(float(np.mean(losses)))
        if not math.isfinite(train_loss):
            raise ConfigError(
                f"{self.run_dir}: epoch {epoch}: the loss is {train_loss}: training has diverged; "
                "lower learning_rate"
            )
        val_loss, val_auc = self.processes.by_first(self._validate)
        return EpochResult(
            epoch=epoch,
            phase="head" if in_head_phase else "fine-tune",
            learning_rate=learning_rate,
            train_loss=train_loss,
            val_loss=val_loss,
            val_auc=val_auc,
            seconds=round(time.monotonic() - started, 3),
        )

    def _steps(self, epoch: int) -> Iterator[float]:
        """One pass over the training data; yields the loss of every batch."""
        state, device = self.state, self.processes.device
        loss_of = build_loss(self.config)
        parameters = [p for p in state.network.parameters() if p.requires_grad]
        half = half_precision(device)
        for batch, (images, targets) in enumerate(self.train_batches, start=1):
            if epoch == batch == 1 and self.processes.first:
                picture = first_batch_picture(images, targets, labels=self.config.labels)
                atomic.write_bytes(self.run_dir / FIRST_BATCH, picture)
            inputs = images.to(device, memory_format=torch.channels_last)
            with torch.autocast(device.type, half, enabled=half is not None):
                logits = state.parallel(inputs)
            loss = loss_of(logits.float(), targets.to(device))
            state.optimiser.zero_grad(set_to_none=True)
            state.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            state.scaler.unscale_(state.optimiser)
            norm = torch.nn.utils.clip_grad_norm_(parameters, self.config.gradient_clip)
            # One image drawn for a whole batch has no variance for BatchNorm: such a step is void.
            if torch.isfinite(norm):
                state.scaler.step(state.optimiser)
                state.schedule.step()
            state.scaler.update()
            yield float(loss.detach())
            self._report(epoch, batch)

    def _validate(self) -> tuple[float, float]:
        """The plain loss and the mean AUC on the validation split."""
        exclusive = self.config.exclusive
        network, device = self.state.network, self.processes.device
        logits = torch.from_numpy(predict_logits(network, self.val_batches, device=device))
        targets = torch.from_numpy(self.val_split.targets)
        loss = float((known_cross_entropy if exclusive else masked_bce)(logits, targets))
        # Logits of independent labels rank as probabilities do, but never tie at 0 or 1.
        ranks = probabilities_of(logits, exclusive=True) if exclusive else logits
        aucs = []
        for column, label in enumerate(self.config.labels):
            scores = ranks.numpy()[self.val_split.known(label), column].astype(np.float64)
            found = auc(self.val_split.truth(label), scores)
            aucs.append(found if found is not None else math.nan)
        return loss, float(np.mean(aucs))

    def _save(self, *, better: bool) -> None:
        if better:
            atomic.write_bytes(self.run_dir / BEST, state_bytes(self.state.network))
        atomic.write_bytes(self.run_dir / LAST, checkpoint_bytes(self.state.values()))
        write_history(self.run_dir, self.state.history)
        ended = len(self.state.history) == self.config.total_epochs
        ended = ended or _out_of_patience(self.state.history, self.config)
        write_training_page(self.run_dir, finished=ended)

    def _report(self, epoch: int, batch: int, result: EpochResult | None = None) -> None:
        if self.progress is not None:
            total = self.config.total_epochs
            self.progress(Progress(epoch, total, batch, len(self.train_batches), result))


def predict_logits(
    network: StagedNetwork, batches: Batches, *, device: torch.device
) -> NDArray[np.float32]:
    """Logits (N, C) in float32 of all images; leaves the network in evaluation mode."""
    network.eval()
    with torch.inference_mode():
        parts = [
            network(images.to(device, memory_format=torch.channels_last)).float().cpu()
            for images, _ in batches
        ]
    return np.asarray(torch.cat(parts).numpy(), dtype=np.float32)


def _reading(
    config: ClassificationConfig, progress: Callable[[Progress], None] | None
) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(Progress(0, config.total_epochs, done, total))


def _out_of_patience(history: list[EpochResult], config: ClassificationConfig) -> bool:
    tuned = [row for row in history if row.epoch > config.head_epochs]
    if not tuned:
        return False
    best = best_result(history)
    return len(history) - max(best.epoch, config.head_epochs) >= config.patience

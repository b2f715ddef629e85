"""Training of a classifier: one plain loop in two phases, head first, then the last blocks.

Every epoch seeds PyTorch's generator from the recipe's seed and its own number, so a run that was
killed and resumed ends with the same weights as one that was not.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lucency.annotations.records import read_dataset
from lucency.classification.batches import Batches, split_batches, training_batches
from lucency.classification.checkpoint import checkpoint_bytes, read_checkpoint, state_bytes
from lucency.classification.losses import build_loss, known_cross_entropy, masked_bce
from lucency.classification.networks import (
    StagedNetwork,
    build_network,
    freeze_stages,
    probabilities_of,
)
from lucency.classification.optimisation import build_optimiser, half_precision, learning_rates
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.run_folder import (
    BEST,
    LAST,
    EpochResult,
    check_run,
    start_run,
    write_history,
)
from lucency.classification.weights import load_initial_weights
from lucency.configs import atomic
from lucency.configs.errors import ConfigError
from lucency.datasets.labelled import LabelledSplit, labelled_split
from lucency.datasets.leakage import check_leakage
from lucency.evaluation.roc import classification_metrics


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


@dataclass
class _State:
    """What changes while a run goes on, and stands in ``last.pt``."""

    network: StagedNetwork
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    scaler: torch.amp.GradScaler
    history: list[EpochResult] = field(default_factory=list)


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
    dataset = read_dataset(dataset_dir)
    check_leakage(dataset)
    train_split = labelled_split(dataset, split="train", labels=config.labels)
    val_split = labelled_split(dataset, split="val", labels=config.labels)
    check_run(config, dataset_dir=dataset_dir, run_dir=run_dir, resume=resume)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # The caller's random numbers are not ours to change.
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        network = build_network(
            config.network,
            classes=len(config.labels),
            channels=config.channels,
            head=config.head,
        )
        network.to(device).to(memory_format=torch.channels_last)
        checkpoint = read_checkpoint(run_dir / LAST) if resume else None
        if checkpoint is None:
            load_initial_weights(network, name=config.network, weights=config.weights)
        reading = _reading(config, progress)
        train_batches = training_batches(dataset, train_split, config, progress=reading)
        val_batches = split_batches(dataset, val_split, config, progress=reading)
        run = _Run(config, run_dir, device, train_batches, val_batches, val_split, progress)
        state = run.begin(network, checkpoint)
        if not resume:
            start_run(config, dataset_dir=dataset_dir, run_dir=run_dir)
        history = run.go_on(state)
    best = max(history, key=_rank)
    return RunSummary(
        run_dir=run_dir,
        history=tuple(history),
        best_epoch=best.epoch,
        best_auc=best.val_auc,
        stopped_early=len(history) < config.total_epochs,
    )


@dataclass(frozen=True)
class _Run:
    """One training run with its data at hand."""

    config: ClassificationConfig
    run_dir: Path
    device: torch.device
    train_batches: Batches
    val_batches: Batches
    val_split: LabelledSplit
    progress: Callable[[Progress], None] | None

    def begin(self, network: StagedNetwork, checkpoint: dict[str, object] | None) -> _State:
        """The state before the first epoch, or after the last one that ``checkpoint`` knows."""
        if checkpoint is not None:
            return self._restore(network, checkpoint)
        return self._begin_phase(network, [])

    def go_on(self, state: _State) -> list[EpochResult]:
        """Train from ``state`` to the end; returns all epochs."""
        config, network = self.config, state.network
        while len(state.history) < config.total_epochs and not _out_of_patience(
            state.history, config
        ):
            epoch = len(state.history) + 1
            if epoch == config.head_epochs + 1 and epoch > 1:
                state = self._begin_phase(network, state.history)
            result = self._epoch(state, epoch)
            if not state.history or _rank(result) > max(map(_rank, state.history)):
                atomic.write_bytes(self.run_dir / BEST, state_bytes(network))
            state.history.append(result)
            self._save(state)
            self._report(epoch, len(self.train_batches), result)
        return state.history

    def _epoch(self, state: _State, epoch: int) -> EpochResult:
        started = time.monotonic()
        learning_rate = float(state.optimiser.param_groups[0]["lr"])
        torch.manual_seed(self.config.seed * 100_003 + epoch)
        in_head_phase = epoch <= self.config.head_epochs
        stages = state.network.stages
        freeze_stages(state.network, len(stages) if in_head_phase else self.config.frozen_stages)
        losses = list(self._steps(state, epoch))
        train_loss = float(np.mean(losses))
        if not math.isfinite(train_loss):
            raise ConfigError(
                f"{self.run_dir}: epoch {epoch}: the loss is {train_loss}: training has diverged; "
                "lower learning_rate"
            )
        val_loss, val_auc = self._validate(state.network)
        return EpochResult(
            epoch=epoch,
            phase="head" if in_head_phase else "fine-tune",
            learning_rate=learning_rate,
            train_loss=train_loss,
            val_loss=val_loss,
            val_auc=val_auc,
            seconds=round(time.monotonic() - started, 3),
        )

    def _steps(self, state: _State, epoch: int) -> Iterator[float]:
        """One pass over the training data; yields the loss of every batch."""
        loss_of = build_loss(self.config)
        parameters = [p for p in state.network.parameters() if p.requires_grad]
        for batch, (images, targets) in enumerate(self.train_batches, start=1):
            inputs = images.to(self.device, memory_format=torch.channels_last)
            half = half_precision(self.device)
            with torch.autocast(self.device.type, half, enabled=half is not None):
                logits = state.network(inputs)
            loss = loss_of(logits.float(), targets.to(self.device))
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

    def _validate(self, network: StagedNetwork) -> tuple[float, float]:
        """The plain loss and the mean AUC on the validation split."""
        exclusive = self.config.exclusive
        logits = torch.from_numpy(predict_logits(network, self.val_batches, device=self.device))
        targets = torch.from_numpy(self.val_split.targets)
        loss = float((known_cross_entropy if exclusive else masked_bce)(logits, targets))
        # Logits of independent labels rank as probabilities do, but never tie at 0 or 1.
        ranks = probabilities_of(logits, exclusive=True) if exclusive else logits
        aucs = []
        for column, label in enumerate(self.config.labels):
            scores = ranks.numpy()[self.val_split.known(label), column].astype(np.float64)
            found = classification_metrics(self.val_split.truth(label), scores, threshold=0.0)
            aucs.append(found.auc if found.auc is not None else math.nan)
        return loss, float(np.mean(aucs))

    def _begin_phase(self, network: StagedNetwork, history: list[EpochResult]) -> _State:
        """A fresh optimiser and schedule for the head, or for what is fine-tuned after it."""
        config = self.config
        in_head_phase = len(history) < config.head_epochs
        stages = len(network.stages)
        if config.frozen_stages > stages:
            raise ConfigError(f"frozen_stages: {config.network} has {stages} stages")
        freeze_stages(network, stages if in_head_phase else config.frozen_stages)
        optimiser = build_optimiser(network, config, head_alone=in_head_phase)
        epochs = config.head_epochs if in_head_phase else config.epochs
        schedule = learning_rates(optimiser, config, epochs=epochs, steps=len(self.train_batches))
        # Only float16 needs its gradients scaled: bfloat16 has the exponent of float32.
        scaled = half_precision(self.device) == torch.float16
        scaler = torch.amp.GradScaler(self.device.type, enabled=scaled)
        return _State(network, optimiser, schedule, scaler, history)

    def _save(self, state: _State) -> None:
        values: dict[str, object] = {
            "network": state.network.state_dict(),
            "optimiser": state.optimiser.state_dict(),
            "schedule": state.schedule.state_dict(),
            "scaler": state.scaler.state_dict(),
            "history": [asdict(row) for row in state.history],
        }
        atomic.write_bytes(self.run_dir / LAST, checkpoint_bytes(values))
        write_history(self.run_dir, state.history)

    def _restore(self, network: StagedNetwork, checkpoint: dict[str, object]) -> _State:
        history = [EpochResult(**row) for row in checkpoint["history"]]  # type: ignore[attr-defined]
        # The optimiser is that of the last epoch's phase, also if the next epoch begins another.
        state = self._begin_phase(network, history[:-1])
        state.history = history
        network.load_state_dict(checkpoint["network"])  # type: ignore[arg-type]
        state.optimiser.load_state_dict(checkpoint["optimiser"])  # type: ignore[arg-type]
        state.schedule.load_state_dict(checkpoint["schedule"])  # type: ignore[arg-type]
        state.scaler.load_state_dict(checkpoint["scaler"])  # type: ignore[arg-type]
        return state

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


def _rank(result: EpochResult) -> tuple[float, float]:
    """What makes an epoch better: the AUC, and among equals the lower loss."""
    return result.val_auc, -result.val_loss


def _out_of_patience(history: list[EpochResult], config: ClassificationConfig) -> bool:
    tuned = [row for row in history if row.epoch > config.head_epochs]
    if not tuned:
        return False
    best = max(history, key=_rank)
    return len(history) - max(best.epoch, config.head_epochs) >= config.patience

"""What changes while a training goes on, and stands in ``last.pt``."""

from dataclasses import asdict, dataclass, field

import torch
from torch import nn

from lucency.classification.networks import StagedNetwork, freeze_stages
from lucency.classification.optimisation import build_optimiser, half_precision, learning_rates
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.run_folder import EpochResult
from lucency.classification.several_gpus import Processes
from lucency.configs.errors import ConfigError


@dataclass
class TrainingState:
    """The network and all that its next step depends on, after the epochs of ``history``.

    ``parallel`` is what is called in training: the network, or what averages its gradients with
    those of other processes.
    """

    network: StagedNetwork
    parallel: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    scaler: torch.amp.GradScaler
    history: list[EpochResult] = field(default_factory=list)

    def values(self) -> dict[str, object]:
        """What ``last.pt`` holds."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "history": [asdict(row) for row in self.history],
        }


def begin_phase(
    network: StagedNetwork,
    history: list[EpochResult],
    config: ClassificationConfig,
    *,
    steps: int,
    processes: Processes,
) -> TrainingState:
    """A fresh optimiser and schedule for the head, or for what is fine-tuned after it.

    ``history`` tells which of them; an epoch has so many ``steps``.

    Raises
    ------
    ConfigError
        The network has fewer stages than are to be frozen.

    """
    in_head_phase = len(history) < config.head_epochs
    freeze_for(network, config, in_head_phase=in_head_phase)
    optimiser = build_optimiser(network, config, head_alone=in_head_phase)
    epochs = config.head_epochs if in_head_phase else config.epochs
    schedule = learning_rates(optimiser, config, epochs=epochs, steps=steps)
    # Only float16 needs its gradients scaled: bfloat16 has the exponent of float32.
    scaled = half_precision(processes.device) == torch.float16
    scaler = torch.amp.GradScaler(processes.device.type, enabled=scaled)
    parallel = processes.averaging(network)
    return TrainingState(network, parallel, optimiser, schedule, scaler, history)


def restore(
    network: StagedNetwork,
    values: dict[str, object],
    config: ClassificationConfig,
    *,
    steps: int,
    processes: Processes,
) -> TrainingState:
    """The state after the last epoch that the ``values`` of a ``last.pt`` know of."""
    history = [EpochResult(**row) for row in values["history"]]  # type: ignore[attr-defined]
    network.load_state_dict(values["network"])  # type: ignore[arg-type]
    # The optimiser is that of the last epoch's phase, also if the next epoch begins another.
    state = begin_phase(network, history[:-1], config, steps=steps, processes=processes)
    state.history = history
    state.optimiser.load_state_dict(values["optimiser"])  # type: ignore[arg-type]
    state.schedule.load_state_dict(values["schedule"])  # type: ignore[arg-type]
    state.scaler.load_state_dict(values["scaler"])  # type: ignore[arg-type]
    return state


def freeze_for(
    network: StagedNetwork, config: ClassificationConfig, *, in_head_phase: bool
) -> None:
    """Bring the network into training mode, with the stages of this phase frozen.

    Raises
    ------
    ConfigError
        The network has fewer stages than are to be frozen.

    """
    stages = len(network.stages)
    if config.frozen_stages > stages:
        raise ConfigError(f"frozen_stages: {config.network} has {stages} stages")
    freeze_stages(network, stages if in_head_phase else config.frozen_stages)

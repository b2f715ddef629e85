"""How steps are taken: the learning rate of each, and the precision they are worked out in."""

import torch
from torch import nn

from lucency.classification.networks import StagedNetwork
from lucency.classification.recipe import ClassificationConfig

FIRST_CYCLE_EPOCHS = 10
CYCLE_FACTOR = 2
LEAST_RATE = 1e-7
_MOMENTUM = 0.9
_OPTIMISERS = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
}


def build_optimiser(
    network: StagedNetwork, config: ClassificationConfig, *, head_alone: bool
) -> torch.optim.Optimizer:
    """The optimiser of what is trained in a phase; each part of the network in its own group.

    The first group, the head with the attention, learns at the phase's full rate, the last stage of
    the backbone as well, and each stage before it at ``stage_decay`` of the next one's: what is
    near the input is general already (Howard and Ruder, ACL 2018).
    """
    rate = config.head_learning_rate if head_alone else config.learning_rate
    parts: list[tuple[nn.Module, ...]] = [(network.head, network.attention)]
    parts += reversed(network.stages)
    groups = []
    for number, modules in enumerate(parts):
        trained = [p for module in modules for p in module.parameters() if p.requires_grad]
        if trained:
            factor = config.stage_decay ** max(0, number - 1)
            groups.append({"params": trained, "lr": rate * factor})
    further = {"momentum": _MOMENTUM, "nesterov": True} if config.optimiser == "sgd" else {}
    made: torch.optim.Optimizer = _OPTIMISERS[config.optimiser](
        groups, lr=rate, weight_decay=config.weight_decay, **further
    )
    return made


def learning_rates(
    optimiser: torch.optim.Optimizer, config: ClassificationConfig, *, epochs: int, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The learning rate of each step of a phase."""
    if config.schedule == "one_cycle":
        rates = [float(group["lr"]) for group in optimiser.param_groups]
        return torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=epochs * steps)
    # SGDR (Loshchilov and Hutter, ICLR 2017): each cosine lasts longer than the one before.
    first = min(FIRST_CYCLE_EPOCHS, epochs) * steps
    return torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(
        optimiser, T_0=first, T_mult=CYCLE_FACTOR, eta_min=LEAST_RATE
    )


def half_precision(device: torch.device) -> torch.dtype | None:
    """The shorter type that ``device`` multiplies faster, for mixed precision; None if none.

    On a processor with bfloat16 instructions it halves the time of an epoch; on one without
    them bfloat16 would be slower than float32.
    """
    if device.type == "cuda":
        return torch.float16
    # Added to PyTorch after the oldest version that is supported.
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
        return torch.bfloat16
    return None

"""How steps are taken: the learning rate of each, and the precision they are worked out in."""

import torch

from lucency.classification.recipe import ClassificationConfig

FIRST_CYCLE_EPOCHS = 10


def learning_rates(
    optimiser: torch.optim.Optimizer, config: ClassificationConfig, *, epochs: int, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The learning rate of each step of a phase."""
    if config.schedule == "one_cycle":
        rate = float(optimiser.param_groups[0]["lr"])
        return torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=epochs * steps)
    # SGDR (Loshchilov and Hutter, ICLR 2017): each cosine lasts twice as long as the one before.
    first = min(FIRST_CYCLE_EPOCHS, epochs) * steps
    return torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimiser, T_0=first, T_mult=2)


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

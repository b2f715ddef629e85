"""Losses over yes-or-no labels, some of which may be unknown, or over one label of several."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from lucency.classification.recipe import ClassificationConfig

Loss = Callable[[Tensor, Tensor], Tensor]
_LEAST_DISTANCE = 1e-6


def build_loss(config: ClassificationConfig) -> Loss:
    """The loss that a recipe asks for, of logits and targets (N, C)."""
    smoothing = config.label_smoothing
    if config.loss == "cross_entropy":
        return partial(known_cross_entropy, smoothing=smoothing)
    if config.loss == "bce":
        return partial(masked_bce, smoothing=smoothing)
    return partial(
        masked_focal, alpha=config.focal_alpha, gamma=config.focal_gamma, smoothing=smoothing
    )


def masked_bce(logits: Tensor, targets: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Mean binary cross-entropy over the known targets.

    ``logits`` and ``targets`` are (N, C); a target is 1, 0 or NaN (unknown: no gradient, no
    weight in the mean). Smoothing s moves 0 and 1 to s/2 and 1 - s/2. All unknown gives 0.
    """
    known, smoothed = _known(targets, smoothing)
    losses = functional.binary_cross_entropy_with_logits(logits, smoothed, reduction="none")
    return _mean(losses, known)


def masked_focal(
    logits: Tensor, targets: Tensor, *, alpha: float, gamma: float, smoothing: float = 0.0
) -> Tensor:
    """Mean focal loss over the known targets (Lin et al., ICCV 2017, equation 5).

    Shapes as in `masked_bce`. ``alpha`` weighs positives and 1 - alpha negatives; ``gamma``
    takes weight from examples that are right already. With smoothed targets the modulating
    factor is the distance from the target.
    """
    known, smoothed = _known(targets, smoothing)
    losses = functional.binary_cross_entropy_with_logits(logits, smoothed, reduction="none")
    # At a distance of 0 a power below 1 has no slope, and the gradient would be NaN.
    distance = (smoothed - torch.sigmoid(logits)).abs().clamp(min=_LEAST_DISTANCE)
    weights = alpha * smoothed + (1.0 - alpha) * (1.0 - smoothed)
    return _mean(weights * distance.pow(gamma) * losses, known)


def known_cross_entropy(logits: Tensor, targets: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy over the images of which it is known which one label they have.

    ``logits`` and ``targets`` are (N, C), a known target 1 for one label and 0 for the others.
    Smoothing s gives each label s / C (Szegedy et al., CVPR 2016). All unknown gives 0.
    """
    known = (targets == 1).any(dim=1)
    if not known.any():
        return logits.sum() * 0.0
    of_label = targets[known].nan_to_num().argmax(dim=1)
    return functional.cross_entropy(logits[known], of_label, label_smoothing=smoothing)


def _known(targets: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    known = ~torch.isnan(targets)
    filled = torch.where(known, targets, torch.zeros_like(targets))
    return known, filled * (1.0 - smoothing) + smoothing / 2.0


def _mean(losses: Tensor, known: Tensor) -> Tensor:
    return (losses * known).sum() / known.sum().clamp(min=1)

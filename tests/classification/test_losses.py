import math
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from lucency.classification.losses import (
    build_loss,
    known_cross_entropy,
    masked_bce,
    masked_focal,
)
from lucency.classification.recipe import ClassificationConfig

NAN = math.nan
LOGITS = torch.tensor([[0.3, -1.2], [2.0, 0.1], [-0.7, 0.9]])
TARGETS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def test_bce_is_pytorchs_where_all_is_known() -> None:
    expected = functional.binary_cross_entropy_with_logits(LOGITS, TARGETS)
    assert masked_bce(LOGITS, TARGETS) == pytest.approx(float(expected), abs=1e-7)


def test_focal_without_focus_is_half_of_bce() -> None:
    focal = masked_focal(LOGITS, TARGETS, alpha=0.5, gamma=0.0)
    assert float(focal) == pytest.approx(0.5 * float(masked_bce(LOGITS, TARGETS)), abs=1e-7)


def test_focal_of_one_positive_by_hand() -> None:
    p = 1 / (1 + math.exp(-0.3))
    expected = -0.25 * (1 - p) ** 2 * math.log(p)
    found = masked_focal(LOGITS[:1, :1], TARGETS[:1, :1], alpha=0.25, gamma=2.0)
    assert float(found) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0], ids=str)
def test_focal_has_a_gradient_where_the_network_is_wholly_sure(gamma: float) -> None:
    logits = torch.tensor([[60.0, -120.0, 60.0]], requires_grad=True)
    loss = masked_focal(logits, torch.tensor([[1.0, 0.0, 0.0]]), alpha=0.25, gamma=gamma)
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[0, 2] > 0


@pytest.mark.parametrize("kind", ["bce", "focal"])
def test_unknown_labels_neither_count_nor_teach(
    kind: str, make_config: Callable[..., ClassificationConfig]
) -> None:
    loss_of = build_loss(make_config(loss=kind))
    logits = LOGITS.clone().requires_grad_()
    masked = TARGETS.clone()
    masked[1] = NAN
    loss = loss_of(logits, masked)
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert torch.equal(logits.grad[1], torch.zeros(2))
    assert (logits.grad[[0, 2]] != 0).all()
    known = loss_of(LOGITS[[0, 2]], TARGETS[[0, 2]])
    assert float(loss.detach()) == pytest.approx(float(known), abs=1e-7)


def test_nothing_known_is_no_loss() -> None:
    assert float(masked_bce(LOGITS, torch.full_like(TARGETS, NAN))) == 0.0


def test_smoothing_moves_targets_towards_the_middle() -> None:
    expected = functional.binary_cross_entropy_with_logits(LOGITS, TARGETS * 0.9 + 0.05)
    assert float(masked_bce(LOGITS, TARGETS, smoothing=0.1)) == pytest.approx(float(expected))


ONE_OF_TWO = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_pytorchs_where_all_is_known(smoothing: float) -> None:
    labels = torch.tensor([0, 1, 1])
    expected = functional.cross_entropy(LOGITS, labels, label_smoothing=smoothing)
    found = known_cross_entropy(LOGITS, ONE_OF_TWO, smoothing=smoothing)
    assert float(found) == pytest.approx(float(expected), abs=1e-7)


def test_images_of_unknown_label_do_not_teach_and_a_known_one_suffices(
    make_config: Callable[..., ClassificationConfig],
) -> None:
    config = make_config(
        labels=["a", "b"], exclusive=True, loss="cross_entropy", label_smoothing=0.0
    )
    targets = torch.tensor([[1.0, NAN], [NAN, NAN], [NAN, 0.0]])
    logits = LOGITS.clone().requires_grad_()
    loss = build_loss(config)(logits, targets)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(
        float(functional.cross_entropy(LOGITS[:1], torch.tensor([0])))
    )
    assert logits.grad is not None
    assert torch.equal(logits.grad[1:], torch.zeros(2, 2))


def test_no_known_label_at_all_is_no_loss() -> None:
    logits = LOGITS.clone().requires_grad_()
    loss = known_cross_entropy(logits, torch.full_like(TARGETS, NAN))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0.0
    assert logits.grad is not None and not logits.grad.any()

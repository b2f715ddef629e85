"""Every network there is: built, frozen in part, and trained by one step on small images."""

from collections.abc import Callable

import pytest
import torch

from lucency.classification.losses import masked_bce
from lucency.classification.networks import NETWORKS, build_network, freeze_stages
from lucency.classification.optimisation import build_optimiser
from lucency.classification.recipe import ClassificationConfig

FROZEN = 2
EXPECTED = {
    "tbnet",
    "pneumonianet",
    "fracturenet",
    "findingsnet",
    "small_cnn",
    "resnet18",
    "resnet50",
    "inception_v3",
    "xception",
    "efficientnet_b0",
}


def test_the_table_names_all_networks() -> None:
    assert set(NETWORKS) == EXPECTED


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_network_takes_a_step(
    name: str, channels: int, make_config: Callable[..., ClassificationConfig]
) -> None:
    torch.manual_seed(0)
    network = build_network(name, classes=2, channels=channels)
    parts = [part for stage in network.stages for part in stage]
    assert parts == list(network.features.children())
    freeze_stages(network, FROZEN)
    config = make_config(network=name, channels=channels, stage_decay=0.5)
    optimiser = build_optimiser(network, config, head_alone=False)
    before = {key: value.clone() for key, value in network.state_dict().items()}

    logits = network(torch.randn(2, channels, 64, 64))
    assert logits.shape == (2, 2)
    masked_bce(logits, torch.tensor([[1.0, 0.0], [0.0, 1.0]])).backward()
    trained = {key: p for key, p in network.named_parameters() if p.requires_grad}
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in trained.values())
    optimiser.step()

    after = network.state_dict()
    frozen = [
        f"features.{key}"
        for key in network.features.state_dict()
        if any(key.split(".")[0] == part for part in stage_names(network, FROZEN))
    ]
    assert frozen and not set(frozen) & set(trained)
    assert all(torch.equal(after[key], before[key]) for key in frozen)
    assert any(not torch.equal(after[key], before[key]) for key in trained if "features" in key)
    assert not torch.equal(after["head.last.weight"], before["head.last.weight"])


def stage_names(network: torch.nn.Module, count: int) -> list[str]:
    """The names of the parts of the first stages."""
    frozen = {part for stage in network.stages[:count] for part in stage}  # type: ignore[operator]
    return [name for name, part in network.features.named_children() if part in frozen]

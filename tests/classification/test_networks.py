from pathlib import Path
from typing import Literal

import pytest
import torch

from lucency.classification.checkpoint import read_checkpoint
from lucency.classification.networks import (
    SpatialAttention,
    StagedNetwork,
    build_network,
    freeze_stages,
    probabilities_of,
)
from lucency.configs.errors import ConfigError


@pytest.fixture(scope="module")
def grey() -> StagedNetwork:
    return build_network("tbnet", classes=1, channels=1)


def test_the_head_of_tbnet_is_that_of_the_design(grey: StagedNetwork) -> None:
    layers = [m for m in grey.head.modules() if isinstance(m, torch.nn.Linear)]
    drops = [m.p for m in grey.head.modules() if isinstance(m, torch.nn.Dropout)]
    assert [layer.out_features for layer in layers] == [512, 256, 1]
    assert drops == [0.5, 0.25]


@pytest.mark.parametrize("head", ["mlp", "linear"])
def test_logits_come_from_the_mean_of_the_attended_maps(head: Literal["mlp", "linear"]) -> None:
    network = build_network("small_cnn", classes=3, channels=1, head=head).eval()
    images = torch.randn(2, 1, 48, 40)
    with torch.inference_mode():
        maps = network.attended(images)
        assert (maps >= 0).all()
        pooled = maps.mean(dim=(2, 3))
        assert torch.allclose(network(images), network.head(pooled), atol=1e-6)


@pytest.mark.parametrize("head", ["mlp", "linear"])
def test_the_gradient_written_out_is_that_of_autograd(head: Literal["mlp", "linear"]) -> None:
    network = build_network("small_cnn", classes=3, channels=1, head=head)
    network.train()
    network(torch.randn(16, 1, 48, 48))  # statistics that are not those of the beginning
    network.eval()
    pooled = torch.rand(4, 128, requires_grad=True)
    logits = network.head(pooled)
    expected = [
        torch.autograd.grad(logits[:, c].sum(), pooled, retain_graph=True)[0] for c in range(3)
    ]
    found = network.head.gradient(pooled)
    assert torch.allclose(found, torch.stack(expected, dim=1), atol=1e-6)


@pytest.mark.parametrize("exclusive", [True, False])
def test_probabilities(exclusive: bool) -> None:
    found = probabilities_of(torch.tensor([[0.0, 0.0, 100.0]]), exclusive=exclusive)
    assert found.tolist() == [pytest.approx([0.0, 0.0, 1.0] if exclusive else [0.5, 0.5, 1.0])]


def test_attention_weighs_places_alike_in_all_channels() -> None:
    maps = torch.rand(1, 4, 5, 5) + 0.1
    weights = SpatialAttention()(maps) / maps
    assert torch.allclose(weights, weights[:, :1].expand_as(weights), atol=1e-6)
    assert (weights > 0).all() and (weights < 1).all()


def test_an_unknown_network_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no 'vgg'; choose one of: .*tbnet"):
        build_network("vgg", classes=1, channels=1)


def test_frozen_stages_do_not_learn_and_keep_their_statistics(grey: StagedNetwork) -> None:
    freeze_stages(grey, 2)
    stem, first, *others = grey.stages
    assert len(others) == 3
    for part in (*stem, *first):
        assert not part.training
        assert not any(p.requires_grad for p in part.parameters())
    assert all(p.requires_grad for part in others[0] for p in part.parameters())
    freeze_stages(grey, 0)
    assert all(p.requires_grad for p in grey.parameters())
    assert stem[1].training


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "last.pt").write_bytes(b"half a file")
    with pytest.raises(ConfigError, match=r"last\.pt: cannot be read"):
        read_checkpoint(tmp_path / "last.pt")
    assert read_checkpoint(tmp_path / "absent.pt") is None

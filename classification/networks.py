"""The networks that classify whole radiographs, and the table that names them."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from lucency.classification.attention import ChannelAttention, PixelAttention, SpatialAttention
from lucency.classification.backbones import BACKBONES, Backbone, densenet
from lucency.classification.heads import HEADS, Head
from lucency.configs.errors import ConfigError


class StagedNetwork(nn.Module):
    """A backbone in stages, an attention over its feature map, and a head.

    ``forward`` takes (N, channels, H, W) and gives logits (N, C). The head sees the mean of the
    attended map over its places, so that a logit's gradient is the same everywhere on it.
    """

    def __init__(self, backbone: Backbone, *, attention: nn.Module, head: Head) -> None:
        super().__init__()
        self.features = backbone.features
        self.attention = attention
        self.head = head
        self._stage_starts = backbone.stage_starts

    @property
    def stages(self) -> tuple[tuple[nn.Module, ...], ...]:
        """The parts of the backbone, stage by stage from the input."""
        stages: list[list[nn.Module]] = [[]]
        for name, part in self.features.named_children():
            if name in self._stage_starts:
                stages.append([])
            stages[-1].append(part)
        return tuple(tuple(stage) for stage in stages)

    def attended(self, images: Tensor) -> Tensor:
        """Feature maps (N, K, h, w), not negative, of images (N, channels, H, W)."""
        maps: Tensor = self.attention(self.features(images))
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, C) of images (N, channels, H, W)."""
        logits: Tensor = self.head(self.attended(images).mean(dim=(2, 3)))
        return logits


def tbnet(*, classes: int, channels: int, head: str = "mlp") -> StagedNetwork:
    """TBNet: DenseNet-121 (Huang et al., CVPR 2017) with spatial attention."""
    backbone = densenet("densenet121", channels=channels)
    return _network(backbone, SpatialAttention(), head, classes)


def pneumonianet(*, classes: int, channels: int, head: str = "mlp") -> StagedNetwork:
    """PneumoniaNet: as TBNet, with an attention that weighs each place by itself."""
    backbone = densenet("densenet121", channels=channels)
    return _network(backbone, PixelAttention(backbone.width), head, classes)


def fracturenet(*, classes: int, channels: int, head: str = "mlp") -> StagedNetwork:
    """FractureNet: DenseNet-169 with channel and spatial attention (CBAM)."""
    backbone = densenet("densenet169", channels=channels)
    attention = nn.Sequential(ChannelAttention(backbone.width), SpatialAttention())
    return _network(backbone, attention, head, classes)


def findingsnet(*, classes: int, channels: int, head: str = "mlp") -> StagedNetwork:
    """For many findings at once: DenseNet-121 with channel attention, since places differ."""
    backbone = densenet("densenet121", channels=channels)
    return _network(backbone, ChannelAttention(backbone.width), head, classes)


def plain(name: str, *, classes: int, channels: int, head: str = "mlp") -> StagedNetwork:
    """A backbone of `BACKBONES` without attention."""
    return _network(BACKBONES[name](channels=channels), nn.Identity(), head, classes)


# A further network is one function above and one line here.
NETWORKS: dict[str, Callable[..., StagedNetwork]] = {
    "tbnet": tbnet,
    "pneumonianet": pneumonianet,
    "fracturenet": fracturenet,
    "findingsnet": findingsnet,
    **{name: partial(plain, name) for name in BACKBONES},
}


def build_network(
    name: str, *, classes: int, channels: int, head: Literal["mlp", "linear"] = "mlp"
) -> StagedNetwork:
    """Build a network with random weights.

    Raises
    ------
    ConfigError
        There is no network of this name.

    """
    if name not in NETWORKS:
        raise ConfigError(f"network: no '{name}'; choose one of: {', '.join(sorted(NETWORKS))}")
    return NETWORKS[name](classes=classes, channels=channels, head=head)


def probabilities_of(logits: Tensor, *, exclusive: bool) -> Tensor:
    """Probabilities (N, C) of logits (N, C): of independent labels, or of one label of several."""
    return torch.softmax(logits, dim=1) if exclusive else torch.sigmoid(logits)


def freeze_stages(network: StagedNetwork, count: int) -> None:
    """Put the network into training mode with its first ``count`` stages as they are.

    Frozen stages get no gradient and their BatchNorm keeps its running statistics.
    """
    network.train()
    network.requires_grad_(True)
    for stage in network.stages[:count]:
        for part in stage:
            part.eval()
            part.requires_grad_(False)


def _network(backbone: Backbone, attention: nn.Module, head: str, classes: int) -> StagedNetwork:
    made = HEADS[head](backbone.width, classes=classes)
    return StagedNetwork(backbone, attention=attention, head=made)

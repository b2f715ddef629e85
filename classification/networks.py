"""The networks that classify whole radiographs, and the table that names them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lucency.configs.errors import ConfigError

# The stem is a stage of its own; each further one is a dense block with its transition.
_DENSE_STAGES = ("denseblock1", "denseblock2", "denseblock3", "denseblock4")


class StagedNetwork(nn.Module):
    """A backbone in stages, an attention over its feature map, and a head.

    ``stage_starts`` names the parts of ``features`` with which a new stage begins; training
    freezes the first few stages. ``forward`` takes (N, channels, H, W) and gives logits (N, C):
    one independent yes-or-no answer for each label.
    """

    def __init__(
        self,
        features: nn.Sequential,
        *,
        stage_starts: tuple[str, ...],
        attention: nn.Module,
        head: nn.Module,
    ) -> None:
        super().__init__()
        self.features = features
        self.attention = attention
        self.head = head
        self._stage_starts = stage_starts

    @property
    def stages(self) -> tuple[tuple[nn.Module, ...], ...]:
        """The parts of the backbone, stage by stage from the input."""
        stages: list[list[nn.Module]] = [[]]
        for name, part in self.features.named_children():
            if name in self._stage_starts:
                stages.append([])
            stages[-1].append(part)
        return tuple(tuple(stage) for stage in stages)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, C) of images (N, channels, H, W)."""
        maps = torch.relu(self.features(images))
        pooled = self.attention(maps).mean(dim=(2, 3))
        logits: Tensor = self.head(pooled)
        return logits


class SpatialAttention(nn.Module):
    """Weights every place of a feature map by what is there.

    The spatial half of CBAM (Woo et al., ECCV 2018): the mean and the maximum over the channels,
    a 7 × 7 convolution, a sigmoid. (N, K, H, W) in, the same shape out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(2, 1, kernel_size=7, padding=3, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """The feature maps (N, K, H, W), each place multiplied by its weight in (0, 1)."""
        summary = torch.cat((maps.mean(dim=1, keepdim=True), maps.amax(dim=1, keepdim=True)), 1)
        return maps * torch.sigmoid(self.weigh(summary))


def tbnet(*, classes: int, channels: int) -> StagedNetwork:
    """TBNet: DenseNet-121 (Huang et al., CVPR 2017), spatial attention, head 512-256-C."""
    features, width = _densenet("densenet121", channels=channels)
    return StagedNetwork(
        features,
        stage_starts=_DENSE_STAGES,
        attention=SpatialAttention(),
        head=_head(width, classes=classes),
    )


# A further network is one function above and one line here.
NETWORKS: dict[str, Callable[..., StagedNetwork]] = {
    "tbnet": tbnet,
}


def build_network(name: str, *, classes: int, channels: int) -> StagedNetwork:
    """Build a network with random weights.

    Raises
    ------
    ConfigError
        There is no network of this name.

    """
    if name not in NETWORKS:
        raise ConfigError(f"network: no '{name}'; choose one of: {', '.join(sorted(NETWORKS))}")
    return NETWORKS[name](classes=classes, channels=channels)


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


def _densenet(name: str, *, channels: int) -> tuple[nn.Sequential, int]:
    import torchvision

    densenet = getattr(torchvision.models, name)(weights=None)
    features: nn.Sequential = densenet.features
    if channels != 3:
        stem = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(stem.weight)
        features.conv0 = stem
    return features, densenet.classifier.in_features


def _head(width: int, *, classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, 512),
        nn.BatchNorm1d(512),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(512, 256),
        nn.BatchNorm1d(256),
        nn.ReLU(),
        nn.Dropout(0.25),
        nn.Linear(256, classes),
    )

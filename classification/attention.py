"""Attention over feature maps: what weighs places and channels before they are averaged."""

import torch
from torch import Tensor, nn


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


class ChannelAttention(nn.Module):
    """Weights every channel by what it holds anywhere.

    The channel half of CBAM (Woo et al., ECCV 2018): mean and maximum over the places pass the
    same two layers of 1 × 1 convolutions, are added, a sigmoid. Shapes as in `SpatialAttention`.
    """

    def __init__(self, width: int, *, reduction: int = 16) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Conv2d(width, width // reduction, kernel_size=1, bias=False),
            nn.ReLU(),
            nn.Conv2d(width // reduction, width, kernel_size=1, bias=False),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """The feature maps (N, K, H, W), each channel multiplied by its weight in (0, 1)."""
        mean, most = maps.mean(dim=(2, 3), keepdim=True), maps.amax(dim=(2, 3), keepdim=True)
        return maps * torch.sigmoid(self.weigh(mean) + self.weigh(most))


class PixelAttention(nn.Module):
    """Weights every place by a small network of its own channels alone.

    The attention gate of Schlemper et al. (Medical Image Analysis 53, 2019) without a gating
    signal: a 1 × 1 convolution to an eighth of the channels, ReLU, another to one, a sigmoid. It
    tells diffuse shadows place by place, without their surroundings. Shapes as in
    `SpatialAttention`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Conv2d(width, width // 8, kernel_size=1),
            nn.ReLU(),
            nn.Conv2d(width // 8, 1, kernel_size=1),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """The feature maps (N, K, H, W), each place multiplied by its weight in (0, 1)."""
        return maps * torch.sigmoid(self.weigh(maps))

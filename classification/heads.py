"""What turns a pooled feature vector into logits, with its gradient written out.

The gradient needs no autograd, so it can be exported with the network: with the feature maps it is
all that a class activation map takes.
"""

import torch
from torch import Tensor, nn


class LinearHead(nn.Module):
    """Dropout and one linear layer: (N, K) to logits (N, C)."""

    def __init__(self, width: int, *, classes: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.2)
        self.last = nn.Linear(width, classes)

    def forward(self, pooled: Tensor) -> Tensor:
        """Logits (N, C) of pooled features (N, K)."""
        logits: Tensor = self.last(self.dropout(pooled))
        return logits

    def gradient(self, pooled: Tensor) -> Tensor:
        """The gradient (N, C, K) of each logit by each pooled feature, in evaluation mode."""
        return self.last.weight.expand(pooled.shape[0], -1, -1)


class MlpHead(nn.Module):
    """512-256-C with batch normalisation, ReLU and dropout of 0.5 and 0.25."""

    def __init__(self, width: int, *, classes: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, 512)
        self.first_norm = nn.BatchNorm1d(512)
        self.first_dropout = nn.Dropout(0.5)
        self.second = nn.Linear(512, 256)
        self.second_norm = nn.BatchNorm1d(256)
        self.second_dropout = nn.Dropout(0.25)
        self.last = nn.Linear(256, classes)

    def forward(self, pooled: Tensor) -> Tensor:
        """Logits (N, C) of pooled features (N, K)."""
        hidden = torch.relu(self.first_norm(self.first(pooled)))
        hidden = torch.relu(self.second_norm(self.second(self.first_dropout(hidden))))
        logits: Tensor = self.last(self.second_dropout(hidden))
        return logits

    def gradient(self, pooled: Tensor) -> Tensor:
        """The gradient (N, C, K) of each logit by each pooled feature, in evaluation mode."""
        first = self.first_norm(self.first(pooled))
        second = self.second_norm(self.second(torch.relu(first)))
        back = self.last.weight * _slope(second, self.second_norm)[:, None]  # (N, C, 256)
        back = back @ self.second.weight * _slope(first, self.first_norm)[:, None]
        return back @ self.first.weight


Head = MlpHead | LinearHead
# What a recipe may name.
HEADS: dict[str, type[MlpHead] | type[LinearHead]] = {"mlp": MlpHead, "linear": LinearHead}


def _slope(normalised: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    """The slope (N, width) of ReLU after a batch normalisation that gave ``normalised``."""
    variance = norm.running_var
    if variance is None:
        raise ValueError("the batch normalisation of a head keeps running statistics")
    scale = norm.weight / torch.sqrt(variance + norm.eps)
    return (normalised > 0).to(normalised.dtype) * scale

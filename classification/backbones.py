"""The backbones of classifiers: from an image to feature maps, in stages that can be frozen.

Each keeps the names that torchvision (or timm) gives its parts, so that their weights fit.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

# Mean and deviation that inputs were normalised with (`datasets.model_input`), by channels.
_MEAN = {1: (0.449,), 3: (0.485, 0.456, 0.406)}
_STD = {1: (0.226,), 3: (0.229, 0.224, 0.225)}
# Below this side Inception v3 has nothing left to pool; smaller images are enlarged.
INCEPTION_LEAST_SIDE = 75
_XCEPTION_WIDTH = 2048


@dataclass(frozen=True)
class Backbone:
    """``features`` gives maps (N, ``width``, h, w), not negative, of images (N, channels, H, W).

    ``stage_starts`` names the parts of ``features`` with which a new stage begins; what stands
    before the first of them, the stem, is a stage of its own.
    """

    features: nn.Sequential
    width: int
    stage_starts: tuple[str, ...]


class HalfRange(nn.Module):
    """From ImageNet's mean and deviation to -1 … 1, for weights that were learnt so."""

    scale: Tensor
    shift: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        mean = torch.tensor(_MEAN[channels]).reshape(1, -1, 1, 1)
        std = torch.tensor(_STD[channels]).reshape(1, -1, 1, 1)
        self.register_buffer("scale", std / 0.5, persistent=False)
        self.register_buffer("shift", (mean - 0.5) / 0.5, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, channels, H, W) in the other range."""
        return images * self.scale + self.shift


class AtLeast(nn.Module):
    """Enlarges images that are smaller than ``side`` pixels, leaves others alone."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, channels, H, W) of at least ``side`` pixels."""
        if min(int(images.shape[2]), int(images.shape[3])) >= self.side:
            return images
        return functional.interpolate(images, size=(self.side, self.side), mode="bilinear")


def densenet(name: str, *, channels: int) -> Backbone:
    """DenseNet-121 or -169 (Huang et al., CVPR 2017): a stem and four dense blocks."""
    model = getattr(torchvision.models, name)(weights=None)
    features: nn.Sequential = model.features
    features.add_module("relu5", nn.ReLU())
    starts = ("denseblock1", "denseblock2", "denseblock3", "denseblock4")
    return _backbone(features, model.classifier.in_features, starts, channels)


def resnet(name: str, *, channels: int) -> Backbone:
    """ResNet-18 or -50 (He et al., CVPR 2016): a stem and four layers of blocks."""
    model = getattr(torchvision.models, name)(weights=None)
    starts = ("layer1", "layer2", "layer3", "layer4")
    parts = ("conv1", "bn1", "relu", "maxpool", *starts)
    features = nn.Sequential(OrderedDict((part, getattr(model, part)) for part in parts))
    return _backbone(features, model.fc.in_features, starts, channels)


def efficientnet_b0(*, channels: int) -> Backbone:
    """EfficientNet-B0 (Tan and Le, ICML 2019): a stem, seven stages and a last convolution."""
    model = torchvision.models.efficientnet_b0(weights=None)
    features: nn.Sequential = model.features
    # Its last activation may be slightly negative, which feature maps are not to be.
    features.add_module("relu", nn.ReLU())
    starts = tuple(str(number) for number in range(1, 8))
    return _backbone(features, model.classifier[1].in_features, starts, channels)


def inception_v3(*, channels: int) -> Backbone:
    """Inception v3 (Szegedy et al., CVPR 2016), without its auxiliary classifier."""
    model = torchvision.models.inception_v3(weights=None, aux_logits=True, init_weights=False)
    parts = [
        (name, part)
        for name, part in model.named_children()
        if name not in ("AuxLogits", "avgpool", "dropout", "fc")
    ]
    before = [("enlarge", AtLeast(INCEPTION_LEAST_SIDE)), ("range", HalfRange(channels))]
    features = nn.Sequential(OrderedDict([*before, *parts]))
    starts = ("Mixed_5b", "Mixed_6a", "Mixed_7a")
    return _backbone(features, model.fc.in_features, starts, channels)


def xception(*, channels: int) -> Backbone:
    """Xception (Chollet, CVPR 2017), as timm builds it."""
    import timm

    model = timm.create_model("legacy_xception", pretrained=False)
    parts = [
        (name, part) for name, part in model.named_children() if name not in ("global_pool", "fc")
    ]
    features = nn.Sequential(OrderedDict([("range", HalfRange(channels)), *parts]))
    starts = ("block1", "block4", "block8", "block12")
    return _backbone(features, _XCEPTION_WIDTH, starts, channels)


def small_cnn(*, channels: int) -> Backbone:
    """Four blocks of two convolutions, to learn from scratch; the baseline, and the router.

    A network must do better than this one to be worth its time.
    """
    widths = (16, 32, 64, 128)
    parts: list[tuple[str, nn.Module]] = []
    before = channels
    for number, width in enumerate(widths, start=1):
        layers: list[nn.Module] = []
        for entering, stride in ((before, 2), (width, 1)):
            layers += [
                nn.Conv2d(entering, width, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
        parts.append((f"block{number}", nn.Sequential(*layers)))
        before = width
    starts = tuple(f"block{number}" for number in range(2, len(widths) + 1))
    return Backbone(nn.Sequential(OrderedDict(parts)), widths[-1], starts)


# By the name that a recipe's network goes by; DenseNets have attention and names of their own.
BACKBONES: dict[str, Callable[..., Backbone]] = {
    "resnet18": lambda *, channels: resnet("resnet18", channels=channels),
    "resnet50": lambda *, channels: resnet("resnet50", channels=channels),
    "inception_v3": inception_v3,
    "xception": xception,
    "efficientnet_b0": efficientnet_b0,
    "small_cnn": small_cnn,
}


def _backbone(
    features: nn.Sequential, width: int, starts: tuple[str, ...], channels: int
) -> Backbone:
    if channels != 3:
        _replace_stem(features, channels)
    return Backbone(features, width, starts)


def _replace_stem(features: nn.Sequential, channels: int) -> None:
    """Put a first convolution for another number of channels in place of the one for three."""
    name, stem = next((n, m) for n, m in features.named_modules() if isinstance(m, nn.Conv2d))
    owner, _, own_name = name.rpartition(".")
    fresh = nn.Conv2d(
        channels,
        stem.out_channels,
        kernel_size=stem.kernel_size,  # type: ignore[arg-type]
        stride=stem.stride,  # type: ignore[arg-type]
        padding=stem.padding,  # type: ignore[arg-type]
        bias=stem.bias is not None,
    )
    nn.init.kaiming_normal_(fresh.weight)
    setattr(features.get_submodule(owner), own_name, fresh)

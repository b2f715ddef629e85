"""What a network starts from: ImageNet, a file, a bundle, or random numbers."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from lucency.classification.imagenet import imagenet_state
from lucency.classification.networks import StagedNetwork
from lucency.classification.stored_weights import stored_weights
from lucency.configs.bundle import WEIGHTS, find_bundle, load_bundle
from lucency.configs.errors import BundleError, ConfigError

# Files from before torchvision 0.2 write denselayer1.norm.1 for denselayer1.norm1.
_OLD_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")


def load_initial_weights(network: StagedNetwork, *, name: str, weights: str) -> None:
    """Fill ``network``, built by the name ``name``, with the weights that a recipe asks for.

    ``weights`` is ``imagenet``, ``none`` (random numbers are kept), a ``.safetensors``, ``.pt``
    or ``.pth`` file, or a bundle. A file may be one of our runs' or hold a backbone alone, by
    torchvision's names or timm's. A head for another number of labels keeps its random last layer.

    Raises
    ------
    ConfigError
        They cannot be downloaded or read, or are for another network.
    BundleError
        The bundle is damaged or has no weights to start from.

    """
    if weights == "none":
        return
    if weights == "imagenet":
        state = imagenet_state(name)
    elif Path(weights).is_file():
        state = _file_state(Path(weights))
    elif Path(weights).suffix in (".safetensors", ".pt", ".pth"):
        raise ConfigError(f"weights: {weights}: no such file")
    else:
        state = _bundle_state(weights)
    _load(network, state, where=f"weights: {weights}")


def _file_state(path: Path) -> dict[str, Tensor]:
    import safetensors.torch

    try:
        if path.suffix == ".safetensors":
            return dict(safetensors.torch.load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # damaged bytes make PyTorch's unpickler fail in any way
        raise ConfigError(
            f"weights: {path}: cannot be read as weights; give a .safetensors file, or a .pt file "
            "that holds tensors alone"
        ) from None
    for key in ("network", "state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ConfigError(f"weights: {path}: must hold a mapping of names to tensors")
    return state


def _bundle_state(name: str) -> dict[str, Tensor]:
    import safetensors.torch

    path = find_bundle(name, package="lucency.classification")
    bundle = load_bundle(path)
    if bundle.manifest.task != "classification":
        raise BundleError(f"{path}: is a bundle for {bundle.manifest.task}; name a classifier's")
    if WEIGHTS in bundle.manifest.files:
        return dict(safetensors.torch.load((path / WEIGHTS).read_bytes()))
    try:
        weights = stored_weights(bundle.model)
    except ValueError as error:
        raise BundleError(f"{path}: {error}; copy or export the bundle again") from None
    return {key: torch.from_numpy(value) for key, value in weights.items()}


def _load(network: StagedNetwork, state: dict[str, Tensor], *, where: str) -> None:
    own = network.state_dict()
    stem = _stem_name(network)
    found: dict[str, Tensor] = {}
    for foreign_name, value in state.items():
        name = _own_name(foreign_name, own)
        fitted = _for_channels(value, channels=own[stem].shape[1]) if name == stem else value
        if name in own and own[name].shape == fitted.shape:
            found[name] = fitted
    missing = [name for name in own if name.startswith("features.") and name not in found]
    # Files from before PyTorch 0.4.1 do not count BatchNorm's batches; nothing depends on it.
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing:
        raise ConfigError(
            f"{where}: are for another network: {len(missing)} of its backbone's tensors are "
            f"missing or of another shape, such as {missing[0]}"
        )
    network.load_state_dict(found, strict=False)


def _own_name(name: str, own: Mapping[str, Tensor]) -> str:
    """A tensor's name in our network, of what torchvision, timm or DataParallel call it."""
    name = _OLD_NAME.sub(r"\1\2.", name.removeprefix("module."))
    # Only DenseNet and EfficientNet have the word themselves.
    return name if name in own else f"features.{name}"


def _stem_name(network: StagedNetwork) -> str:
    for name, module in network.features.named_modules():
        if isinstance(module, nn.Conv2d):
            return f"features.{name}.weight"
    raise ConfigError("network: the backbone has no convolution")


def _for_channels(stem: Tensor, *, channels: int) -> Tensor:
    """Fit the first convolution (K, c, h, w) to another number of input channels.

    A grey image in one channel or three times over then gives the same answer, but for the
    normalisation.
    """
    if stem.ndim != 4 or stem.shape[1] == channels:
        return stem
    total = stem.sum(dim=1, keepdim=True)
    return total if channels == 1 else total.repeat(1, channels, 1, 1) / channels

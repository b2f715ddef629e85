"""ImageNet weights of the networks' backbones, by torchvision's names (timm's for Xception)."""

import pickle

from torch import Tensor

from lucency.configs.errors import ConfigError

# Of each network: torchvision's model, and which of its weights.
TORCHVISION = {
    "tbnet": ("densenet121", "IMAGENET1K_V1"),
    "pneumonianet": ("densenet121", "IMAGENET1K_V1"),
    "findingsnet": ("densenet121", "IMAGENET1K_V1"),
    "fracturenet": ("densenet169", "IMAGENET1K_V1"),
    "resnet18": ("resnet18", "IMAGENET1K_V1"),
    "resnet50": ("resnet50", "IMAGENET1K_V1"),
    "inception_v3": ("inception_v3", "IMAGENET1K_V1"),
    "efficientnet_b0": ("efficientnet_b0", "IMAGENET1K_V1"),
}
TIMM = {"xception": "legacy_xception.tf_in1k"}


def imagenet_address(network: str) -> str:
    """Where the ImageNet weights of a network's backbone are to be had.

    Raises
    ------
    ConfigError
        There are none for it.

    """
    if network in TORCHVISION:
        import torchvision

        model, weights = TORCHVISION[network]
        return str(torchvision.models.get_model_weights(model)[weights].url)
    if network in TIMM:
        import timm

        found = timm.get_pretrained_cfg(TIMM[network])
        if found is not None:
            return str(found.url)
    raise ConfigError(
        f"weights: there are no ImageNet weights for the network '{network}'; train it from "
        "scratch with weights: none, head_epochs: 0, frozen_stages: 0"
    )


def imagenet_state(network: str) -> dict[str, Tensor]:
    """Fetch those weights, or find them in PyTorch's own cache, by their own names.

    Raises
    ------
    ConfigError
        There are none for the network, or they cannot be downloaded or read.

    """
    from torch.hub import load_state_dict_from_url

    address = imagenet_address(network)
    try:
        state: dict[str, Tensor] = load_state_dict_from_url(
            address, map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    # A file in the cache that is damaged makes PyTorch's unpickler fail in other ways, too.
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ConfigError(
            f"weights: imagenet: {address} cannot be downloaded or read ({_reason(error)}); "
            "fetch it elsewhere and set weights to its path, or start from a bundle, or from "
            "scratch with weights: none, head_epochs: 0, frozen_stages: 0"
        ) from None
    return state


def _reason(error: Exception) -> str:
    if isinstance(error, (EOFError, pickle.UnpicklingError)):
        return "the file in PyTorch's cache is damaged: delete it"
    text = str(getattr(error, "reason", error)).strip() or type(error).__name__
    return text.splitlines()[0]

"""The files a run goes on from and ends with, as bytes to be written atomically."""

import io
from pathlib import Path

import torch
from torch import nn

from lucency.configs.errors import ConfigError


def state_bytes(network: nn.Module) -> bytes:
    """The network's weights as a safetensors file."""
    import safetensors.torch

    state = {
        name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()
    }
    return bytes(safetensors.torch.save(state))


def checkpoint_bytes(values: dict[str, object]) -> bytes:
    """A PyTorch checkpoint as bytes, to be written atomically."""
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return buffer.getvalue()


def read_checkpoint(path: Path) -> dict[str, object] | None:
    """The last complete epoch, or None where a run was killed during its first.

    Raises
    ------
    ConfigError
        The file is damaged.

    """
    if not path.is_file():
        return None
    try:
        values: dict[str, object] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # damaged bytes make PyTorch's unpickler fail in any way
        raise ConfigError(f"{path}: cannot be read; train again in a new folder") from None
    return values

"""Where fine-tuning starts: weights by name, by path, or out of one of our bundles.

Bundles carry ``weights.safetensors``: plain tensors, with Ultralytics' architecture as JSON in
the header, so no pickle is needed to hand a model on.
"""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lucency.configs.bundle import WEIGHTS, find_bundle, load_bundle
from lucency.configs.errors import BundleError, ConfigError
from lucency.detection.offline_ultralytics import import_ultralytics

if TYPE_CHECKING:
    from ultralytics import YOLO


def starting_weights(name: str, *, folder: Path) -> Path:
    """Find, fetch or unpack the weights that ``name`` means, as a checkpoint for Ultralytics.

    Parameters
    ----------
    name
        A ``.pt`` file, a bundle's folder or name, or a name that Ultralytics knows.
    folder
        Where a checkpoint made from a bundle, or one that was fetched, is put.

    Raises
    ------
    ConfigError
        There are no such weights, or they cannot be downloaded.
    BundleError
        The bundle has been altered, or carries no weights to start from.

    """
    path = Path(name)
    if path.suffix == ".pt" and path.is_file():
        return path
    if path.suffix in ("", ".bundle") or path.is_dir():
        try:
            bundle = find_bundle(name, package="lucency.detection")
        except BundleError:
            if path.name != name or not name.startswith("yolo"):
                raise
        else:
            return _unpack(bundle, folder / "start.pt")
    if path.name != name:
        raise ConfigError(f"{name}: no such file; give a .pt file, a bundle or a name")
    return _fetch(path.with_suffix(".pt").name, folder)


def load_checkpoint(path: Path) -> "YOLO":
    """Open a ``.pt`` file without running code in it.

    Raises
    ------
    ConfigError
        It is not a detector that Ultralytics can load safely.

    """
    ultralytics = import_ultralytics()
    try:
        model = ultralytics.YOLO(str(path))
    except Exception as error:  # a damaged pickle may raise anything
        reason = (str(error) or type(error).__name__).splitlines()[0].removeprefix("ERROR ❌️ ")
        raise ConfigError(f"{path}: cannot be loaded as a YOLO checkpoint: {reason}") from None
    if model.task != "detect":
        raise ConfigError(f"{path}: is a model for '{model.task}'; a detector is needed")
    return model


def pack_weights(model: Any) -> bytes:
    """The tensors of an Ultralytics detection model as safetensors, floats in half precision.

    Half precision is what Ultralytics' own checkpoints keep; the architecture and the class
    names stand in the header.
    """
    from safetensors.torch import save

    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in model.state_dict().items()
    }
    header = {
        "architecture": json.dumps(model.yaml),
        "names": json.dumps({int(key): value for key, value in model.names.items()}),
    }
    return bytes(save(tensors, metadata=header))


def _unpack(bundle_path: Path, target: Path) -> Path:
    bundle = load_bundle(bundle_path)
    if WEIGHTS not in bundle.manifest.files:
        raise BundleError(f"{bundle_path}: has no {WEIGHTS}, so nothing can be trained from it")
    import_ultralytics()
    import torch
    from safetensors import safe_open
    from ultralytics.nn.tasks import DetectionModel

    with safe_open(bundle_path / WEIGHTS, framework="pt") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    names = {int(key): value for key, value in json.loads(header["names"]).items()}
    # A fine-tuned head keeps the width of the head it started from, which Ultralytics derives
    # from the number of classes: build it that wide, then narrow its last layer.
    width = next(
        tensor.shape[1]
        for name, tensor in tensors.items()
        if re.fullmatch(r"model\.\d+\.cv3\.0\.2\.weight", name)
    )
    model = DetectionModel(json.loads(header["architecture"]), nc=width, verbose=False)
    _set_classes(model, len(names))
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    model.names, model.task = names, "detect"
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": model.half(), "epoch": -1, "train_args": {"task": "detect"}}, target)
    return target


def _set_classes(model: Any, count: int) -> None:
    """Give every classification branch of an Ultralytics model ``count`` outputs."""
    import torch

    head = model.model[-1]
    for branches in (head.cv3, getattr(head, "one2one_cv3", None)):
        for branch in branches or ():
            branch[-1] = torch.nn.Conv2d(branch[-1].in_channels, count, 1)
    head.nc, head.no = count, count + head.reg_max * 4
    model.nc = model.yaml["nc"] = count


def _fetch(name: str, folder: Path) -> Path:
    """Let Ultralytics fetch one of its published checkpoints, once, into ``folder``."""
    import_ultralytics()
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES, attempt_download_asset

    if name not in GITHUB_ASSETS_NAMES:
        raise ConfigError(f"{name}: is neither a file, nor a bundle, nor a name Ultralytics knows")
    if Path(name).is_file():
        return Path(name)
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        return Path(attempt_download_asset(str(target)))
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"{name}: cannot be downloaded ({type(error).__name__}); give weights: the path of a "
            f".pt file, or the name or folder of a bundle"
        ) from None

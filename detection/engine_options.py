"""Ultralytics' options: which there are, which a recipe's own keys set, and their values."""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lucency.configs.errors import ConfigError
from lucency.configs.yaml_files import read_yaml

# Options that a recipe sets by keys of its own, which are checked and stand in the run folder.
OWN_KEYS: Mapping[str, str] = {
    "model": "weights",
    "imgsz": "image_size",
    "epochs": "epochs",
    "batch": "batch",
    "patience": "patience",
    "freeze": "freeze",
    "seed": "seed",
    "device": "device",
    "workers": "workers",
    "degrees": "augment.rotation",
    "translate": "augment.translation",
    "scale": "augment.scale",
    "fliplr": "augment.horizontal_flip",
    "mosaic": "augment.mosaic",
    "augmentations": "augment.intensity",
}
# What the command line says, and what makes no sense in training a detector.
COMMAND_LINE = frozenset({"data", "project", "name", "exist_ok", "resume", "save_dir", "cfg"})
FIXED = frozenset({"task", "mode"})


@cache
def option_names() -> frozenset[str]:
    """All options that the installed Ultralytics knows, read without importing it.

    Empty where Ultralytics is not installed.
    """
    spec = find_spec("ultralytics")
    if spec is None or spec.origin is None:
        return frozenset()
    return frozenset(read_yaml(Path(spec.origin).parent / "cfg" / "default.yaml"))


def check_names(options: Mapping[str, Any]) -> str | None:
    """What is wrong with the names of options, or None; nothing is imported for it."""
    known = option_names()
    for name in options:
        if name in OWN_KEYS:
            own = OWN_KEYS[name]
            return f"ultralytics: '{name}' is set by this configuration's own key '{own}'"
        if name in COMMAND_LINE:
            return f"ultralytics: '{name}' is set by the arguments of `lucency train`"
        if name in FIXED:
            return f"ultralytics: '{name}' is always that of training a detector"
        if known and name not in known:
            return f"ultralytics: unknown key '{name}'; Ultralytics has no such option"
    return None


def check_values(options: Mapping[str, Any]) -> None:
    """Let Ultralytics check the values, types and ranges.

    Raises
    ------
    ConfigError
        A value is not what Ultralytics takes.

    """
    from lucency.detection.offline_ultralytics import import_ultralytics

    import_ultralytics()
    from ultralytics.cfg import get_cfg

    try:
        get_cfg(overrides=dict(options))
    except (TypeError, ValueError, SyntaxError) as error:
        raise ConfigError(f"ultralytics: {str(error).strip().splitlines()[0]}") from None

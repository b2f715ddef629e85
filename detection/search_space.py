"""What a hyperparameter search may change: keys of a configuration, each with its range.

::

    ultralytics.lr0: {loguniform: [0.0003, 0.003]}
    augment.scale: {uniform: [0.1, 0.5]}
    ultralytics.warmup_epochs: {int: [1, 4]}
    image_size: {choice: [416, 512, 640]}
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from lucency.configs.errors import ConfigError
from lucency.configs.schema import read_config
from lucency.configs.yaml_files import read_yaml
from lucency.detection.engine_options import check_values
from lucency.detection.recipe import DetectionConfig

Kind = Literal["choice", "uniform", "loguniform", "int"]
KINDS: tuple[str, ...] = get_args(Kind)
# What decides the trials as a whole, so that no two would be comparable.
_FIXED = frozenset({"task", "name", "seed", "epochs", "device"})


@dataclass(frozen=True)
class Range:
    """Where a value is drawn from: the values of a choice, or the two ends of a range.

    ``int`` draws whole numbers, both ends included; ``loguniform`` as often from each order of
    magnitude.
    """

    kind: str
    values: tuple[Any, ...]


def read_space(path: Path, config: Path, *, overrides: tuple[str, ...]) -> dict[str, Range]:
    """Read a search space, and check each range against the configuration that it changes.

    Raises
    ------
    ConfigError
        An entry is no range, its key is none of the configuration's, or a value is not allowed.

    """
    space = {str(key): _range(path, str(key), entry) for key, entry in read_yaml(path).items()}
    if not space:
        raise ConfigError(f"{path}: is empty; name a key and its range: 'batch: {{choice: [8]}}'")
    for key, found in space.items():
        if key in _FIXED:
            raise ConfigError(f"{path}: {key}: is the same for all trials; set it with --set")
        for value in found.values:
            try:
                changed = (*overrides, override(key, value))
                check_values(read_config(DetectionConfig, config, overrides=changed).ultralytics)
            except ConfigError as error:
                problem = str(error).removeprefix(f"{config}: ")
                raise ConfigError(f"{path}: {key}: {problem}") from None
    return space


def override(key: str, value: Any) -> str:
    """A key and its value as `--set` takes them."""
    text = yaml.safe_dump(value, default_flow_style=True, width=math.inf).strip()
    return f"{key}={text.removesuffix('...').strip()}"


def _range(path: Path, key: str, entry: object) -> Range:
    where = f"{path}: {key}"
    if not isinstance(entry, Mapping) or len(entry) != 1:
        raise ConfigError(f"{where}: must be one of {', '.join(KINDS)}, as {{uniform: [0.1, 0.5]}}")
    ((kind, values),) = entry.items()
    if kind not in KINDS:
        raise ConfigError(f"{where}: must be one of {', '.join(KINDS)}, got {kind!r}")
    if not isinstance(values, list) or not values:
        raise ConfigError(f"{where}.{kind}: must be a list, got {values!r:.60}")
    if kind != "choice":
        _check_ends(f"{where}.{kind}", kind, values)
    return Range(kind, tuple(values))


def _check_ends(where: str, kind: str, values: list[Any]) -> None:
    allowed = int if kind == "int" else (int, float)
    numbers = [v for v in values if isinstance(v, allowed) and not isinstance(v, bool)]
    if len(values) != 2 or len(numbers) != 2 or not all(map(math.isfinite, numbers)):
        what = "whole numbers" if kind == "int" else "numbers"
        raise ConfigError(f"{where}: must be two {what}, the lower first, got {values!r:.60}")
    low, high = numbers
    if low >= high:
        raise ConfigError(f"{where}: the lower end ({low}) must be below the higher ({high})")
    if kind == "loguniform" and low <= 0:
        raise ConfigError(f"{where}: the lower end must be above 0, got {low}")

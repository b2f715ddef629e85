"""Strict, frozen configuration models read from YAML, with errors a person can act on."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from lucency.configs.errors import ConfigError
from lucency.configs.yaml_files import read_yaml


class StrictModel(BaseModel):
    """Base of every configuration and manifest: frozen, unknown keys fail, NaN fails."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=BaseModel)


def parse_config(model: type[Model], values: object, *, where: str) -> Model:
    """Validate ``values`` as ``model``; every problem found stands in one error line.

    Raises
    ------
    ConfigError
        A key is unknown or missing, or a value is wrong; ``where`` leads the message.

    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(_describe(problem) for problem in error.errors())
        raise ConfigError(f"{where}: {problems}") from None


def find_config(name: str) -> Path:
    """Find a configuration by path, or by the name of one shipped with the package.

    Raises
    ------
    ConfigError
        There is neither such a file nor such a name.

    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = Path(str(resources.files("lucency.configs")))
    candidate = shipped / f"{path.stem}.yaml"
    if candidate.is_file() and len(path.parts) <= 2:
        return candidate
    names = ", ".join(sorted(file.stem for file in shipped.glob("*.yaml")))
    raise ConfigError(f"{name}: no such configuration; give a path or one of: {names}")


def read_config(model: type[Model], path: Path, *, overrides: Sequence[str] = ()) -> Model:
    """Read ``path`` as ``model``, with single keys replaced by ``overrides``.

    An override is ``key=value`` or ``section.key=value``, its value written as in YAML.

    Raises
    ------
    ConfigError
        As `read_yaml` and `parse_config` do, or an override has no ``=`` or is not YAML.

    """
    values = read_yaml(path)
    for override in overrides:
        _override(values, override)
    return parse_config(model, values, where=str(path))


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    *sections, last = key.strip().split(".")
    if not equals or not last:
        raise ConfigError(f"{override}: must be key=value, for example epochs=20")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        raise ConfigError(f"{override}: the value is not valid YAML") from None
    for section in sections:
        inner = values.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{override}: '{section}' holds a value, not further keys")
        values = inner
    values[last] = value


def dump_yaml(model: BaseModel) -> str:
    """Write a configuration with every default filled in, as it stands in a run folder."""
    values = model.model_dump(mode="json")
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def _describe(problem: Any) -> str:
    places = (f"[{p}]" if isinstance(p, int) else f".{p}" for p in problem["loc"])
    key = "".join(places).removeprefix(".")
    if problem["type"] == "extra_forbidden":
        return f"unknown key '{key}'"
    if problem["type"] == "missing":
        return f"missing key '{key}'"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    found = f", got {problem['input']!r}"[:80] if not isinstance(problem["input"], dict) else ""
    return f"{key}: {message}{found}" if key else f"{message}{found}"

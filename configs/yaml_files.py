"""YAML files, read safely. Apart from the models, so that what needs no model starts quickly."""

from pathlib import Path
from typing import Any

import yaml

from lucency.configs.errors import ConfigError

# A configuration is a page of text; anything larger is a mistake or an attack.
MAX_CONFIG_BYTES = 1_000_000


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping with the safe loader; a file of nothing but comments is an empty one.

    Raises
    ------
    ConfigError
        The file is missing, too large, not YAML, or not a mapping.

    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > MAX_CONFIG_BYTES:
        raise ConfigError(f"{path}: {len(data)} bytes are too many for a configuration")
    try:
        values = yaml.safe_load(data)
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{path}: not valid YAML{line}: {problem}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        found = type(values).__name__
        raise ConfigError(f"{path}: must be a mapping of keys to values, found {found}")
    return values

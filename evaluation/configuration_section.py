"""The part of a training's page that says what it rests on."""

from collections.abc import Mapping
from typing import Any

from lucency.evaluation.report import Section, Table


def configuration_section(config: Mapping[str, Any], environment: Mapping[str, Any]) -> Section:
    """The resolved configuration and the environment of a training, a row for each key."""
    return Section(
        "What the training rests on",
        tables=[
            Table("Configuration, resolved", ("key", "value"), _flat(config)),
            Table("Environment", ("key", "value"), _flat(environment)),
        ],
    )


def _flat(values: Mapping[str, Any], at: str = "") -> list[tuple[str, str]]:
    """Nested keys with their values, as ``display.low``."""
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            rows.extend(_flat(value, f"{at}{key}."))
        else:
            rows.append((f"{at}{key}", str(value)))
    return rows

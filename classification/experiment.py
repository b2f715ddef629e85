"""An experiment file: variants of one recipe, that are trained under one budget and compared."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from lucency.classification.recipe import ClassificationConfig
from lucency.configs.errors import ConfigError
from lucency.configs.schema import StrictModel, find_config, parse_config
from lucency.configs.yaml_files import read_yaml

# Names that are folders everywhere.
_NAME = re.compile(r"\w[\w.+-]*")


class Budget(StrictModel):
    """What each variant gets: so many ``epochs``, or ``minutes`` of training and validating.

    After the epoch in which its minutes are spent a variant stops.
    """

    epochs: int | None = Field(default=None, ge=1)
    minutes: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_of_them(self) -> "Budget":
        if (self.epochs is None) == (self.minutes is None):
            raise ValueError("must be either epochs or minutes")
        return self


class Experiment(StrictModel):
    """Several classifiers to compare: a recipe, what all of them change in it, and each alone.

    ``recipe`` is a path, seen from the experiment's file, or a shipped name. ``variants`` map names
    to the recipe's keys that they replace; the first is what the others are compared with.
    """

    task: Literal["comparison"]
    name: str = Field(min_length=1)
    recipe: str
    common: Mapping[str, Any] = {}
    budget: Budget
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    variants: Mapping[str, Mapping[str, Any]] = Field(min_length=2)

    @field_validator("variants", mode="before")
    @classmethod
    def _nothing_replaced(cls, variants: object) -> object:
        """A name alone is the recipe itself."""
        if not isinstance(variants, Mapping):
            return variants
        return {name: {} if keys is None else keys for name, keys in variants.items()}

    @field_validator("variants")
    @classmethod
    def _names_of_folders(
        cls, variants: Mapping[str, Mapping[str, Any]]
    ) -> Mapping[str, Mapping[str, Any]]:
        for name in variants:
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"'{name}' must be of letters, digits, and + - . _ (it names a folder)"
                )
        return variants

    @field_validator("seeds")
    @classmethod
    def _different_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError("seeds must be different")
        return seeds


def variant_configs(experiment: Experiment, path: Path) -> dict[str, ClassificationConfig]:
    """The resolved recipe of each variant, of the first seed; ``path`` is the experiment's file.

    Raises
    ------
    ConfigError
        The recipe is not found, a variant does not fit it, the budget is shorter than the head's
        own epochs, or the variants have different labels.

    """
    beside = path.parent / experiment.recipe
    recipe = beside if beside.is_file() else find_config(experiment.recipe)
    base = merged(read_yaml(recipe), experiment.common)
    configs = {
        name: _resolved(experiment, name, merged(base, keys), where=f"{path}: variants.{name}")
        for name, keys in experiment.variants.items()
    }
    first, *others = configs
    for name in others:
        if configs[name].labels != configs[first].labels:
            raise ConfigError(
                f"{path}: variants.{name}.labels: must be those of {first}, or nothing can be "
                "compared; change them under common"
            )
    return configs


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with keys replaced; of mappings in both, their keys."""
    result = dict(base)
    for key, value in changes.items():
        inner = result.get(key)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            result[key] = merged(inner, value)
        else:
            result[key] = value
    return result


def _resolved(
    experiment: Experiment, name: str, values: dict[str, Any], *, where: str
) -> ClassificationConfig:
    values |= {"name": f"{experiment.name}-{name}", "seed": experiment.seeds[0]}
    config = parse_config(ClassificationConfig, values, where=where)
    epochs = experiment.budget.epochs
    if epochs is None:
        return config
    if epochs <= config.head_epochs:
        raise ConfigError(
            f"{where}: head_epochs: {config.head_epochs} leave nothing of a budget of {epochs} "
            "epochs; lower them or raise the budget"
        )
    return config.model_copy(update={"epochs": epochs - config.head_epochs})

"""Experiment files: what each variant becomes, and what is refused."""

from pathlib import Path

import pytest
import yaml

from lucency.classification.experiment import Experiment, variant_configs
from lucency.configs.errors import ConfigError
from lucency.configs.schema import find_config, parse_config, read_config

VALUES: dict[str, object] = {
    "task": "comparison",
    "name": "optimisers",
    "recipe": "baseline",
    "common": {"labels": ["pneumonia"], "display": {"longest_side": 128}},
    "budget": {"epochs": 7},
    "seeds": [3, 4],
    "variants": {"adamw": None, "sgd": {"optimiser": "sgd", "display": {"low": 1.0}}},
}


def experiment(**changes: object) -> Experiment:
    return parse_config(Experiment, {**VALUES, **changes}, where="test")


def test_a_variant_is_the_recipe_with_its_keys_replaced(tmp_path: Path) -> None:
    adamw, sgd = variant_configs(experiment(), tmp_path / "e.yaml").values()
    assert (adamw.network, adamw.weights) == ("small_cnn", "none")
    assert adamw.labels == sgd.labels == ("pneumonia",)
    assert (adamw.optimiser, sgd.optimiser) == ("adamw", "sgd")
    assert (adamw.display.longest_side, sgd.display.longest_side) == (128, 128)
    assert (adamw.display.low, sgd.display.low) == (0.5, 1.0)
    assert adamw.total_epochs == sgd.total_epochs == 7
    assert (sgd.name, sgd.seed) == ("optimisers-sgd", 3)


def test_a_budget_of_epochs_counts_those_of_the_head(tmp_path: Path) -> None:
    common = {"weights": "imagenet", "head_epochs": 2, "labels": ["tb"]}
    configs = variant_configs(experiment(common=common), tmp_path / "e.yaml")
    assert (configs["sgd"].head_epochs, configs["sgd"].epochs) == (2, 5)


def test_minutes_leave_the_recipes_epochs(tmp_path: Path) -> None:
    configs = variant_configs(experiment(budget={"minutes": 2.5}), tmp_path / "e.yaml")
    assert configs["sgd"].epochs == 30


def test_a_recipe_is_looked_for_beside_the_experiment(tmp_path: Path) -> None:
    text = find_config("baseline").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(text.replace("128", "96"), encoding="utf-8")
    configs = variant_configs(experiment(recipe="mine.yaml"), tmp_path / "e.yaml")
    assert configs["sgd"].input_size == 96


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": {}}, "budget: must be either epochs or minutes"),
        ({"budget": {"epochs": 3, "minutes": 1}}, "budget: must be either epochs or minutes"),
        ({"variants": {"one": {}}}, "variants"),
        ({"variants": {"a": {}, "b/c": {}}}, "'b/c' must be of letters, digits"),
        ({"variants": ["a", "b"]}, "variants"),
        ({"seeds": [1, 1]}, "seeds must be different"),
        ({"seeds": []}, "seeds"),
        ({"task": "classification"}, "task"),
        ({"variant": {}}, "unknown key 'variant'"),
    ],
    ids=["none", "both", "one", "folder", "list", "seeds", "no seed", "task", "unknown"],
)
def test_what_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        experiment(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"variants": {"a": {}, "b": {"optimizer": "sgd"}}},
            r"e.yaml: variants.b: unknown key 'optimizer'",
        ),
        (
            {"variants": {"a": {}, "b": {"labels": ["tb"]}}},
            r"variants.b.labels: must be those of a",
        ),
        (
            {"common": {"weights": "x", "head_epochs": 7}},
            r"variants.adamw: head_epochs: 7 leave nothing of a budget of 7 epochs",
        ),
        ({"recipe": "nothing"}, r"nothing: no such configuration"),
    ],
    ids=["key", "labels", "budget", "recipe"],
)
def test_what_does_not_fit_the_recipe(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        variant_configs(experiment(**changes), tmp_path / "e.yaml")


@pytest.mark.parametrize(
    ("name", "variants"),
    [("compare_backbones", 8), ("compare_optimisers", 4), ("compare_channels_heads", 5)],
)
def test_the_shipped_experiments_are_whole(name: str, variants: int) -> None:
    path = find_config(name)
    shipped = read_config(Experiment, path, overrides=["common.labels=[tb]"])
    configs = variant_configs(shipped, path)
    assert len(configs) == variants
    assert all(config.labels == ("tb",) for config in configs.values())
    assert len({yaml.safe_dump(c.model_dump(mode="json")) for c in configs.values()}) == variants

from collections.abc import Callable
from pathlib import Path

import pytest

from lucency.classification.recipe import ClassificationConfig
from lucency.configs.errors import ConfigError
from lucency.configs.schema import dump_yaml, find_config, read_config


@pytest.mark.parametrize("name", ["tb", "demo_classifier"])
def test_shipped_configurations_are_valid(name: str) -> None:
    assert read_config(ClassificationConfig, find_config(name)).labels == ("tb",)


def test_the_documented_recipe_is_the_default() -> None:
    shipped = read_config(ClassificationConfig, find_config("tb"))
    default = ClassificationConfig(task="classification", name="tb", labels=("tb",))
    assert shipped.model_copy(update={"intended_use": default.intended_use}) == default


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epoch=3", "unknown key 'epoch'"),
        ("augment=[{Affine: {shear: 3}}]", r"augment\[0\]\.Affine\.shear: must be 0"),
        ("augment=[{RandomCrop: {height: 99, width: 99}}]", r"augment\[0\]\.RandomCrop: keeps 20%"),
        ("augment.rotation=15", "'augment' holds a value"),
        ("channels=2", "channels: "),
        ("batch=1", "batch: "),
        ("labels=[]", "labels: "),
        ("labels=[tb, tb]", "labels must be different"),
        ("weights=none", "set head_epochs and frozen_stages to 0"),
        ("loss=hinge", "loss: "),
    ],
)
def test_mistakes_are_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_config(ClassificationConfig, find_config("tb"), overrides=[override])
    assert "\n" not in str(caught.value)


def test_balancing_needs_weighted_sampling() -> None:
    overrides = ["balance_by=site"]
    assert read_config(ClassificationConfig, find_config("tb"), overrides=overrides).balance_by
    with pytest.raises(ConfigError, match="balance_by: site needs sampler: weighted"):
        read_config(
            ClassificationConfig, find_config("tb"), overrides=[*overrides, "sampler=uniform"]
        )


def test_resolved_configuration_reads_back(
    tmp_path: Path, make_config: Callable[..., ClassificationConfig]
) -> None:
    config = make_config(epochs=7)
    (tmp_path / "config.yaml").write_text(dump_yaml(config), encoding="utf-8")
    assert read_config(ClassificationConfig, tmp_path / "config.yaml") == config

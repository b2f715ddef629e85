from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lucency.classification.optimisation import CYCLE_FACTOR, FIRST_CYCLE_EPOCHS, LEAST_RATE
from lucency.classification.recipe import ClassificationConfig
from lucency.configs.errors import ConfigError
from lucency.configs.schema import dump_yaml, find_config, read_config

SHIPPED = {
    "tb": {"network": "tbnet", "labels": ("tb",), "loss": "focal", "kinds": ("chest",)},
    "pneumonia": {
        "network": "pneumonianet",
        "labels": ("pneumonia",),
        "loss": "bce",
        "kinds": ("chest",),
    },
    "fracture_image": {
        "network": "fracturenet",
        "labels": ("fractured",),
        "loss": "focal",
        "kinds": ("bone",),
    },
    "findings": {"network": "findingsnet", "loss": "bce", "kinds": ("chest",)},
    "bone_condition": {
        "network": "fracturenet",
        "labels": ("healthy", "fractured", "beyond_repair"),
        "exclusive": True,
        "loss": "cross_entropy",
        "label_smoothing": 0.1,
        "kinds": ("bone",),
    },
}
# What the source design gives all of its networks.
SOURCE = {
    "weights": "imagenet",
    "head": "mlp",
    "head_epochs": 5,
    "head_learning_rate": 1e-3,
    "learning_rate": 1e-4,
    "frozen_stages": 3,
    "optimiser": "adamw",
    "weight_decay": 1e-4,
    "schedule": "warm_restarts",
    "focal_alpha": 0.25,
    "focal_gamma": 2.0,
    "sampler": "weighted",
    "gradient_clip": 1.0,
    "patience": 10,
    "input_size": 224,
}


def shipped(name: str) -> ClassificationConfig:
    return read_config(ClassificationConfig, find_config(name))


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_shipped_recipes_have_the_values_of_their_source(name: str) -> None:
    config = shipped(name)
    expected = {**SOURCE, **SHIPPED[name]}
    assert {key: getattr(config, key) for key in expected} == expected
    assert config.name == name
    assert 0 < config.stage_decay < 1
    assert (FIRST_CYCLE_EPOCHS, CYCLE_FACTOR, LEAST_RATE) == (10, 2, 1e-7)
    assert config.intended_use.startswith("Research on ")


def test_the_pneumonia_recipe_says_whose_lungs_it_has_seen() -> None:
    assert "children aged one to five" in shipped("pneumonia").intended_use


def test_the_findings_recipe_has_many_labels() -> None:
    assert len(shipped("findings").labels) == 14


def test_only_bones_are_mirrored() -> None:
    for name, values in SHIPPED.items():
        flipped = any("HorizontalFlip" in transform for transform in shipped(name).augment)
        assert flipped == (values["kinds"] == ("bone",))


@pytest.mark.parametrize("name", ["baseline", "demo_classifier"])
def test_recipes_from_scratch_freeze_nothing(name: str) -> None:
    config = shipped(name)
    assert (config.weights, config.head_epochs, config.frozen_stages) == ("none", 0, 0)


def test_the_documented_recipe_is_the_default_but_for_its_purpose() -> None:
    default = ClassificationConfig(task="classification", name="tb", labels=("tb",))
    own = {key: getattr(shipped("tb"), key) for key in ("stage_decay", "kinds", "intended_use")}
    assert shipped("tb") == default.model_copy(update=own)


def test_the_first_recipe_explains_every_key() -> None:
    text = find_config("tb").read_text(encoding="utf-8")
    assert set(ClassificationConfig.model_fields) == set(yaml.safe_load(text))


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
        ("head=cnn", "head: "),
        ("exclusive=true", "cross_entropy is for exclusive labels"),
        ("loss=cross_entropy", "cross_entropy is for exclusive labels"),
        ("stage_decay=0", "stage_decay: "),
        ("kinds=[skull]", r"kinds\[0\]: "),
        ("role=router", "needs the exclusive labels bone, chest, other, got tb"),
        ("operating_points.screening_sensitivity=2", "operating_points.screening_sensitivity: "),
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

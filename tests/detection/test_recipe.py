from pathlib import Path

import pytest

from lucency.configs.errors import ConfigError
from lucency.configs.schema import dump_yaml, find_config, read_config
from lucency.detection.recipe import DetectionConfig
from lucency.detection.train import check_options


@pytest.mark.parametrize("name", ["fracture", "demo_detector"])
def test_shipped_configurations_are_valid(name: str) -> None:
    config = read_config(DetectionConfig, find_config(name))
    check_options(config)
    assert config.task == "detection"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epoch=3", "unknown key 'epoch'"),
        ("augment.shear=3", "unknown key 'augment.shear'"),
        ("augment.intensity=[{Affine: {}}]", r"augment\.intensity\[0\]\.Affine: moves, cuts"),
        ("augment.intensity=[{Blur: {p: 3}}]", r"augment\.intensity\[0\]\.Blur\.p: .* got 3"),
        ("epochs=0", "epochs: "),
        ("image_size=100", "image_size: "),
        ("display.low=99.9", r"low \(99.9\) must be below high"),
        ("epochs", "must be key=value"),
        ("name.first=3", "'name' holds a value"),
    ],
)
def test_mistakes_are_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_config(DetectionConfig, find_config("fracture"), overrides=[override])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "message"),
    [("learning_rate", "unknown key 'learning_rate'"), ("epochs", "own keys")],
)
def test_options_of_ultralytics_are_checked(option: str, message: str) -> None:
    config = DetectionConfig(task="detection", name="x", ultralytics={option: 1})
    with pytest.raises(ConfigError, match=message):
        check_options(config)


def test_resolved_configuration_reads_back(tmp_path: Path) -> None:
    config = read_config(DetectionConfig, find_config("fracture"), overrides=["epochs=3"])
    (tmp_path / "config.yaml").write_text(dump_yaml(config), encoding="utf-8")
    assert read_config(DetectionConfig, tmp_path / "config.yaml") == config
    assert config.epochs == 3

from pathlib import Path

import pytest

from lucency.configs.errors import ConfigError
from lucency.configs.schema import dump_yaml, find_config, read_config
from lucency.detection.engine_options import check_values
from lucency.detection.recipe import AUTO_SIZE, DetectionConfig


@pytest.mark.parametrize("name", ["fracture", "chest_lesion", "demo_detector"])
def test_shipped_configurations_are_valid(name: str) -> None:
    config = read_config(DetectionConfig, find_config(name))
    check_values(config.ultralytics)
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
        ("image_size=0", "image_size: must be auto, or a number of pixels of at least 64"),
        ("image_size=big", "image_size: must be auto"),
        ("freeze=-1", "freeze: must be how many first layers"),
        ("device=[1, 1]", "device: must be .* each once"),
        ("device=0.5", "device: must be a name"),
        ("freeze=[0, -1]", "freeze: .* list of layers"),
        ("ultralytics.learning_rate=1", "unknown key 'learning_rate'"),
        ("ultralytics.epochs=3", "own key 'epochs'"),
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
    ("override", "freeze"),
    [("freeze=3", 3), ("freeze=[0, 2, 9]", (0, 2, 9)), ("freeze=[]", ())],
    ids=["a number", "a list", "an empty list"],
)
def test_freezing(override: str, freeze: object) -> None:
    config = read_config(DetectionConfig, find_config("fracture"), overrides=[override])
    assert config.freeze == freeze


@pytest.mark.parametrize(
    ("device", "devices"),
    [
        ("null", ()), ("cpu", ()), ("0", ()), ("[0]", ()),
        ("[0, 1]", (0, 1)), ("'0,1'", (0, 1)), ("'cuda:2,3'", (2, 3)),
    ],
)  # fmt: skip
def test_devices(device: str, devices: tuple[int, ...]) -> None:
    overrides = [f"device={device}"]
    config = read_config(DetectionConfig, find_config("fracture"), overrides=overrides)
    assert config.devices == devices


def test_the_image_size_may_wait_for_the_data(tmp_path: Path) -> None:
    config = read_config(DetectionConfig, find_config("fracture"), overrides=["image_size=auto"])
    assert config.image_size == AUTO_SIZE
    assert "image_size: auto" in dump_yaml(config)
    assert DetectionConfig.model_validate(config.model_dump()) == config


def test_resolved_configuration_reads_back(tmp_path: Path) -> None:
    config = read_config(DetectionConfig, find_config("fracture"), overrides=["epochs=3"])
    (tmp_path / "config.yaml").write_text(dump_yaml(config), encoding="utf-8")
    assert read_config(DetectionConfig, tmp_path / "config.yaml") == config
    assert config.epochs == 3

"""Search spaces: strict, and checked against the configuration before anything is tried."""

from pathlib import Path

import pytest

from lucency.configs.errors import ConfigError
from lucency.configs.schema import find_config, read_config
from lucency.detection.recipe import DetectionConfig
from lucency.detection.search_space import Range, override, read_space

RECIPE = find_config("demo_detector")


def space(folder: Path, text: str) -> Path:
    path = folder / "space.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_four_kinds(tmp_path: Path) -> None:
    path = space(
        tmp_path,
        "ultralytics.lr0: {loguniform: [1.0e-4, 0.01]}\n"
        "augment.scale: {uniform: [0, 0.5]}\n"
        "ultralytics.close_mosaic: {int: [0, 4]}\n"
        "weights: {choice: [yolo11n.pt, yolo11s.pt]}\n",
    )
    assert read_space(path, RECIPE, overrides=()) == {
        "ultralytics.lr0": Range("loguniform", (0.0001, 0.01)),
        "augment.scale": Range("uniform", (0, 0.5)),
        "ultralytics.close_mosaic": Range("int", (0, 4)),
        "weights": Range("choice", ("yolo11n.pt", "yolo11s.pt")),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("augment.scal: {uniform: [0, 1]}", r"augment\.scal: unknown key"),
        ("augment.scale: {uniform: [0, 2]}", r"augment\.scale: .*less than or equal to 0\.9"),
        ("ultralytics.nope: {uniform: [0, 1]}", "unknown key 'nope'"),
        ("ultralytics.lr0: {uniform: [0.1, 5.0]}", "lr0=5.0"),
        ("batch: {choice: [8, 0]}", "batch: .*greater than or equal to 1"),
        ("batch: 8", "must be one of choice, uniform"),
        ("batch: {normal: [8, 2]}", "got 'normal'"),
        ("batch: {choice: [8], int: [1, 2]}", "must be one of choice"),
        ("batch: {choice: []}", "must be a list"),
        ("batch: {int: [1, 2.5]}", "two whole numbers"),
        ("batch: {int: [8, 8]}", "must be below the higher"),
        ("augment.scale: {uniform: [0.1]}", "two numbers"),
        ("augment.scale: {uniform: [.nan, 0.5]}", "two numbers"),
        ("augment.scale: {uniform: [true, 2]}", "two numbers"),
        ("ultralytics.lr0: {loguniform: [0, 0.1]}", "above 0"),
        ("epochs: {int: [10, 20]}", "the same for all trials"),
        ("{}", "is empty"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_space(space(tmp_path, text), RECIPE, overrides=())
    assert "\n" not in str(caught.value)
    assert "space.yaml" in str(caught.value)


@pytest.mark.parametrize("value", [1e-05, 8, "yolo11n.pt", True, None, [1, 2], "a: b", 0.1 + 0.2])
def test_a_value_survives_as_an_override(value: object) -> None:
    import yaml

    key, _, text = override("weights", value).partition("=")
    assert (key, yaml.safe_load(text)) == ("weights", value)


def test_overrides_of_the_command_line_count(tmp_path: Path) -> None:
    path = space(tmp_path, "augment.scale: {uniform: [0.1, 0.5]}")
    with pytest.raises(ConfigError, match="batch"):
        read_space(path, RECIPE, overrides=("batch=0",))
    overrides = ("epochs=3", override("augment.scale", 0.25))
    assert read_config(DetectionConfig, RECIPE, overrides=overrides).augment.scale == 0.25

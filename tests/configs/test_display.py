from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lucency.configs.display import PRESETS, DisplaySpec
from lucency.configs.errors import ConfigError
from lucency.configs.schema import dump_yaml, parse_config
from lucency.configs.yaml_files import read_yaml


def test_equal_parameters_have_equal_digests() -> None:
    assert DisplaySpec().digest() == DisplaySpec(method="as_displayed", low=0.5).digest()


@pytest.mark.parametrize(
    "other",
    [
        {"method": "percentile"},
        {"view": 1},
        {"low": 1.0},
        {"high": 99.0},
        {"crop": "field"},
        {"longest_side": 640},
        {"clahe": 2.0},
    ],
    ids=lambda other: next(iter(other)),
)
def test_every_parameter_changes_the_digest(other: dict[str, object]) -> None:
    assert DisplaySpec.model_validate(other).digest() != DisplaySpec().digest()


def test_the_digest_is_fixed() -> None:
    # Bundles hold it: if this changes, every bundle ever written is refused.
    assert DisplaySpec().digest().startswith("bb503e2162fc")


@pytest.mark.parametrize(
    "wrong",
    [
        {"low": 50, "high": 50},
        {"low": 60, "high": 40},
        {"low": -1},
        {"high": 101},
        {"low": float("nan")},
        {"longest_side": 31},
        {"method": "clahe"},
        {"view": -1},
        {"crop": "bone"},
        {"clahe": 0},
        {"clahe": 41},
        {"gamma": 2.2},
    ],
    ids=lambda wrong: "-".join(f"{key}={value}" for key, value in wrong.items()),
)
def test_refuses(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DisplaySpec.model_validate(wrong)


@pytest.mark.parametrize("name", PRESETS)
def test_a_name_stands_for_its_parameters(name: str) -> None:
    assert DisplaySpec.model_validate(name) == DisplaySpec.model_validate(PRESETS[name])
    assert DisplaySpec.model_validate({"preset": name}) == DisplaySpec.model_validate(name)


def test_presets_differ() -> None:
    assert len({DisplaySpec.model_validate(name).digest() for name in PRESETS}) == len(PRESETS)


def test_what_stands_beside_a_preset_goes_first() -> None:
    spec = DisplaySpec.model_validate({"preset": "bone", "high": 99.0, "longest_side": 800})
    assert (spec.method, spec.low, spec.high) == ("percentile", 0.5, 99.0)
    assert (spec.crop, spec.longest_side) == ("body", 800)


@pytest.mark.parametrize("values", ["lung", {"preset": "lung"}, {"preset": None}])
def test_an_unknown_preset_is_refused_with_the_known_ones(values: Any) -> None:
    with pytest.raises(ConfigError, match=r"preset must be one of as-displayed, .*, clahe, got"):
        parse_config(DisplaySpec, values, where="display")


@pytest.mark.parametrize("name", PRESETS)
def test_it_reads_back_from_yaml(name: str, tmp_path: Path) -> None:
    spec = DisplaySpec.model_validate({"preset": name, "longest_side": 512})
    path = tmp_path / "display.yaml"
    path.write_text(dump_yaml(spec))
    read = DisplaySpec.model_validate(read_yaml(path))
    assert read == spec
    assert read.digest() == spec.digest()


def test_the_whole_image_keeps_its_grey_levels() -> None:
    whole = DisplaySpec.model_validate({"preset": "bone", "longest_side": 512}).whole()
    assert (whole.crop, whole.longest_side, whole.high) == ("none", None, 99.8)

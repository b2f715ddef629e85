"""Every option of Ultralytics is reachable, and nothing else."""

import re
import subprocess
import sys
from typing import Any

import pytest

from lucency.configs.errors import ConfigError
from lucency.detection.engine_options import (
    COMMAND_LINE,
    FIXED,
    OWN_KEYS,
    check_names,
    check_values,
    option_names,
)
from lucency.detection.offline_ultralytics import import_ultralytics


def test_the_list_is_that_of_ultralytics() -> None:
    import_ultralytics()
    from ultralytics.cfg import DEFAULT_CFG_DICT

    assert option_names() == frozenset(DEFAULT_CFG_DICT)
    ours = OWN_KEYS.keys() | COMMAND_LINE | FIXED
    assert ours - {"save_dir", "augmentations"} <= option_names()  # these are no defaults
    assert all(check_names({name: 1}) is None for name in option_names() - ours)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("learning_rate", "unknown key 'learning_rate'"),
        ("imgsz", "own key 'image_size'"),
        ("mosaic", r"own key 'augment\.mosaic'"),
        ("resume", "arguments of `lucency train`"),
        ("mode", "always that of training"),
    ],
)
def test_names_that_are_refused(name: str, message: str) -> None:
    found = check_names({"lr0": 0.1, name: 1})
    assert found is not None
    assert re.search(message, found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr0": 3.0}, "lr0=3.0"),
        ({"cos_lr": "often"}, "cos_lr"),
        ({"warmup_epochs": "two"}, "warmup_epochs"),
        ({"nbs": 1.5}, "nbs"),
    ],
    ids=["range", "truth", "number", "whole number"],
)
def test_values_that_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        check_values(options)
    assert "\n" not in str(caught.value)


def test_values_that_are_taken() -> None:
    check_values({"lr0": 0.001, "cos_lr": True, "optimizer": "AdamW", "close_mosaic": 7})


def test_names_are_checked_without_torch() -> None:
    """A misspelt key is told of before seconds of importing."""
    code = (
        "import sys\n"
        "from lucency.configs.errors import ConfigError\n"
        "from lucency.configs.schema import find_config, read_config\n"
        "from lucency.detection.recipe import DetectionConfig\n"
        "for key in ('nope=1', 'augment.nope=1', 'ultralytics.nope=1'):\n"
        "    try:\n"
        "        read_config(DetectionConfig, find_config('fracture'), overrides=[key])\n"
        "    except ConfigError as error:\n"
        "        assert 'nope' in str(error), error\n"
        "    else:\n"
        "        sys.exit('not refused')\n"
        "sys.exit('torch' in sys.modules or 'ultralytics' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0

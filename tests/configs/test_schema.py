from pathlib import Path

import pytest
from pydantic import Field

from lucency.configs.errors import ConfigError
from lucency.configs.schema import StrictModel, find_config, read_config
from lucency.configs.yaml_files import read_yaml


class Inner(StrictModel):
    gain: float = 1.0


class Outer(StrictModel):
    name: str
    size: int = Field(default=64, ge=32)
    inner: Inner = Inner()


def written(folder: Path, text: str) -> Path:
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nsizes: 3\n", "unknown key 'sizes'"),
        ("name: a\ninner: {gian: 3}\n", "unknown key 'inner.gian'"),
        ("size: 64\n", "missing key 'name'"),
        ("# name: a\n", "missing key 'name'"),
        ("name: a\nsize: 3\n", "size: should be greater than or equal to 32, got 3"),
        ("name: a\ninner: {gain: .nan}\n", "inner.gain: should be a finite number"),
        ("- a\n- b\n", "must be a mapping of keys to values, found list"),
        ("name: [a\n", "not valid YAML in line 2"),
        ("name: !!python/object:os.system a\n", "not valid YAML in line 1"),
        ("name: " + "[" * 5000 + "\n", "not valid YAML"),
    ],
    ids=[
        "key",
        "inner key",
        "missing",
        "comments",
        "range",
        "nan",
        "list",
        "syntax",
        "object",
        "deep",
    ],
)
def test_mistakes_are_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_config(Outer, path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing key 'name'.*size: .*unknown key 'x'"):
        read_config(Outer, written(tmp_path, "size: 3\nx: 1\n"))


def test_overrides_reach_inner_keys(tmp_path: Path) -> None:
    path = written(tmp_path, "name: a\n")
    config = read_config(Outer, path, overrides=["size=128", "inner.gain=0.5"])
    assert (config.size, config.inner.gain) == (128, 0.5)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", ["fracture", "configs/fracture.yaml"])
def test_shipped_configurations_are_found_by_name(name: str, repository: Path) -> None:
    assert find_config(name).name == "fracture.yaml"


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"give a path or one of: .*fracture"):
        find_config("fractures")

import pytest

from lucency.configs.errors import ConfigError
from lucency.configs.inference import InferenceOptions, TileSpec
from lucency.configs.schema import parse_config


def test_nothing_is_done_unless_asked_for() -> None:
    assert InferenceOptions() == InferenceOptions(tiles=None, flip=False)


def test_as_it_stands_in_a_manifest() -> None:
    options = InferenceOptions(tiles=TileSpec(size=640), flip=True)
    written = options.model_dump(mode="json")
    assert written == {"tiles": {"size": 640, "overlap": 0.25}, "flip": True}
    assert parse_config(InferenceOptions, written, where="x") == options


@pytest.mark.parametrize(
    ("tiles", "key"),
    [({"size": 63}, "size"), ({"size": 640, "overlap": 0.8}, "overlap"), ({}, "size"),
     ({"size": 640, "step": 3}, "step")],
    ids=["too small", "too near", "no size", "unknown"],
)  # fmt: skip
def test_impossible_tiles_are_refused(tiles: dict[str, float], key: str) -> None:
    with pytest.raises(ConfigError, match=f"tiles.{key}"):
        parse_config(InferenceOptions, {"tiles": tiles}, where="x")

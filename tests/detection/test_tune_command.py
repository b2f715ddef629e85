"""What `lucency tune` says, with a stand-in for the search."""

from pathlib import Path
from typing import Any

import pytest

from lucency.configs.schema import find_config, read_config
from lucency.detection import tune, tune_command
from lucency.detection.recipe import DetectionConfig
from lucency.detection.tune import Resources, Trial
from lucency.detection.tune_command import tune_detector


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the search was asked for."""
    seen: dict[str, Any] = {}

    def stand_in(objective: Any, space: Any, folder: Path, **options: Any) -> tuple[Trial, ...]:
        seen.update(options, space=space, objective=objective.keywords)
        options["on_epoch"]("ab_00001", 1, 0.25)
        folder.mkdir()
        return (
            Trial("ab_00001", {"ultralytics.lr0": 0.002}, 9, 0.5, 0.25, "complete"),
            Trial("ab_00000", {"ultralytics.lr0": 0.001}, 2, 0.1, 0.05, "given up"),
            Trial("ab_00002", {"ultralytics.lr0": 0.003}, 0, 0.0, 0.0, "failed", "out of memory"),
        )

    monkeypatch.setattr(tune, "need_ray", lambda: None)
    monkeypatch.setattr(tune, "search", stand_in)
    monkeypatch.setattr(tune_command, "_render", lambda *_: None)
    return seen


def test_table_and_recipe(
    tmp_path: Path, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    space = tmp_path / "space.yaml"
    space.write_text("ultralytics.lr0: {loguniform: [0.0005, 0.005]}\n", encoding="utf-8")
    weights = tmp_path / "start.pt"
    weights.write_bytes(b"")
    tune_detector(
        find_config("demo_detector"),
        tmp_path / "set",
        tmp_path / "out",
        space=space,
        trials=3,
        address="auto",
        cpus=1,
        gpus=0.5,
        overrides=[f"weights={weights}"],
        resume=False,
    )
    assert asked["resources"] == Resources(1, 0.5, "auto")
    assert (asked["trials"], asked["epochs"], asked["seed"]) == (3, 9, 0)
    assert asked["objective"]["overrides"][-1] == f"weights={weights.resolve()}"
    said = capsys.readouterr().out
    assert "trial ab_00001  epoch   1/9  best mAP50-95 0.250" in said
    assert said.index("00001   complete") < said.index("00000   given up")
    assert "1 trials failed; the first: out of memory" in said
    best = read_config(DetectionConfig, tmp_path / "out/config.yaml")
    assert best.ultralytics["lr0"] == 0.002

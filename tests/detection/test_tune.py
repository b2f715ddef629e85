"""Searches with a stand-in for training, in processes of Ray's on this machine."""

import csv
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lucency.configs.errors import ConfigError
from lucency.configs.schema import find_config, read_config
from lucency.detection.recipe import DetectionConfig
from lucency.detection.run_folder import CONFIG
from lucency.detection.search_space import Range
from lucency.detection.tune import (
    TABLE,
    Resources,
    need_ray,
    search,
    trial_config,
    write_best,
)

pytestmark = [
    pytest.mark.xdist_group("ray"),
    # Ray warns of its own affairs, and leaves sockets to the interpreter's end.
    pytest.mark.filterwarnings("ignore"),
]
EPOCHS = 2
SPACE = {"rate": Range("uniform", (0.0, 1.0)), "batch": Range("int", (4, 5))}


def stand_in(*, failing: str = "") -> Callable[..., None]:
    """A training whose figures are its rate; defined in here so that Ray's processes get it."""

    def objective(values: Mapping[str, Any], folder: Path, report: Callable[..., None]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if failing and folder.name.endswith(failing):
            raise ConfigError("the rate is too high")
        for epoch in range(1, EPOCHS + 1):
            figure = values["rate"] * epoch
            report({"epoch": epoch, "map50": figure, "map50_95": figure / 2})

    return objective


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Ray leaves variables behind, which concern whatever is tested after it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_best_comes_first_and_failures_tell_why(tmp_path: Path) -> None:
    told: list[tuple[str, int, float]] = []
    found = search(
        stand_in(failing="_00001"),
        SPACE,
        tmp_path / "search",
        trials=2,
        epochs=EPOCHS,
        seed=1,
        resources=Resources(cpus=1),
        on_epoch=lambda *one: told.append(one),
    )
    assert len(found) == 2
    figures = [trial.map50_95 for trial in found]
    assert figures == sorted(figures, reverse=True)
    failed = [trial for trial in found if trial.state == "failed"]
    assert [trial.name[-6:] for trial in failed] == ["_00001"]
    assert "the rate is too high" in failed[0].error
    done = [trial for trial in found if trial not in failed]
    assert {trial.state for trial in done} <= {"complete", "given up"}
    assert found[0].map50 == pytest.approx(found[0].values["rate"] * found[0].epochs)
    assert {trial.values["batch"] for trial in found} <= {4, 5}
    assert {name for name, _, _ in told} == {trial.name for trial in done}
    with (tmp_path / "search" / TABLE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == [trial.name for trial in found]
    assert [float(row["rate"]) for row in rows] == [trial.values["rate"] for trial in found]
    with pytest.raises(ConfigError, match="exists already"):
        search(stand_in(), SPACE, tmp_path / "search", trials=1, epochs=EPOCHS)


def test_where_every_trial_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("Traceback:\n  line 1\nthe rate is too high")
    result = SimpleNamespace(metrics=None, config={"rate": 1.0}, path="x/1", error=error)
    tuner = SimpleNamespace(fit=lambda: [result])
    monkeypatch.setattr("lucency.detection.tune._connect", lambda *_: None)
    monkeypatch.setattr("lucency.detection.tune._tuner", lambda *_, **__: tuner)
    with pytest.raises(ConfigError, match=r"every trial failed, .*the rate is too high") as caught:
        search(stand_in(), SPACE, tmp_path / "search", trials=1, epochs=EPOCHS)
    assert "\n" not in str(caught.value)
    assert "failed,0,0.0,0.0,1.0,,the rate is too high" in (tmp_path / "search" / TABLE).read_text()


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: Ray cannot be reached: ") as caught:
        search(
            stand_in(),
            SPACE,
            tmp_path / "search",
            trials=1,
            epochs=1,
            resources=Resources(address="nowhere"),
        )
    assert "\n" not in str(caught.value)


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install \"lucency\[tune\]\""):
        need_ray()


def test_the_best_recipe_can_be_trained(tmp_path: Path) -> None:
    values = {"ultralytics.lr0": 0.00123, "image_size": 320}
    config = trial_config(values, config_path=find_config("demo_detector"), overrides=("epochs=3",))
    path = write_best(config, tmp_path)
    assert path == tmp_path / CONFIG
    read = read_config(DetectionConfig, path)
    assert (read.ultralytics["lr0"], read.image_size, read.epochs) == (0.00123, 320, 3)

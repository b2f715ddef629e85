"""Several seeds: one run folder each, mean and spread, resumable as a whole."""

import json
from pathlib import Path

import pytest

from lucency.configs.errors import ConfigError
from lucency.configs.schema import dump_yaml
from lucency.detection.recipe import DetectionConfig
from lucency.detection.run_folder import (
    BEST,
    CONFIG,
    MAP50,
    MAP50_95,
    PRECISION,
    RECALL,
    RESULTS,
    TrainingSummary,
    finish,
)
from lucency.detection.seeds import train_seeds
from lucency.evaluation.seeds import SEEDS

CONFIGURATION = DetectionConfig(task="detection", name="x", seed=4)


class KilledError(Exception):
    pass


def stand_in(begun: list[tuple[int, bool]], *, killed_at: int | None = None):  # type: ignore[no-untyped-def]
    """A training that ends at once, with figures that tell its seed."""

    def train_one(config: DetectionConfig, run: Path, again: bool) -> TrainingSummary:
        begun.append((config.seed, again))
        run.mkdir(parents=True, exist_ok=True)
        (run / CONFIG).write_text(dump_yaml(config), encoding="utf-8")
        if config.seed == killed_at:
            raise KilledError
        (run / BEST).parent.mkdir(exist_ok=True)
        (run / BEST).write_bytes(b"weights")
        figure = config.seed / 10
        (run / RESULTS).write_text(
            f"epoch,{PRECISION},{RECALL},{MAP50},{MAP50_95}\n"
            f"1,0,0,0,0\n2,{figure},{figure},{figure},{figure / 2}\n",
            encoding="utf-8",
        )
        return finish(run)

    return train_one


def test_mean_and_spread(tmp_path: Path) -> None:
    begun: list[tuple[int, bool]] = []
    folder = tmp_path / "run"
    found = train_seeds(CONFIGURATION, tmp_path, folder, seeds=3, train_one=stand_in(begun))
    assert begun == [(4, False), (5, False), (6, False)]
    assert [run.run.name for run in found.runs.values()] == ["seed4", "seed5", "seed6"]
    spread = found.figures["map50"]
    assert spread.mean == pytest.approx(0.5)
    assert spread.sd == pytest.approx(0.1)
    assert (spread.low, spread.high) == (0.4, 0.6)
    written = json.loads((folder / SEEDS).read_text(encoding="utf-8"))
    assert written["figures"]["map50_95"]["mean"] == pytest.approx(0.25)
    assert written["runs"]["6"]["recall"] == 0.6


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    found = train_seeds(CONFIGURATION, tmp_path, tmp_path / "run", seeds=1, train_one=stand_in([]))
    assert found.figures["map50"].sd is None


def test_an_interrupted_row_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KilledError):
        train_seeds(CONFIGURATION, tmp_path, folder, seeds=3, train_one=stand_in([], killed_at=5))
    assert not (folder / SEEDS).exists()
    with pytest.raises(ConfigError, match="exists already"):
        train_seeds(CONFIGURATION, tmp_path, folder, seeds=3, train_one=stand_in([]))
    begun: list[tuple[int, bool]] = []
    found = train_seeds(
        CONFIGURATION, tmp_path, folder, seeds=3, resume=True, train_one=stand_in(begun)
    )
    assert begun == [(5, True), (6, False)]
    assert list(found.runs) == [4, 5, 6]


def test_no_seed_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        train_seeds(CONFIGURATION, tmp_path, tmp_path / "run", seeds=0)

"""What several seeds give: mean, spread, a table."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from lucency.configs.errors import ConfigError
from lucency.evaluation.seeds import SEEDS, SeedsSummary, over_seeds, spread_table


@dataclass(frozen=True)
class Ended:
    auc: float
    epoch: int


def trained(folder: Path, *, seeds: int, resume: bool = False) -> SeedsSummary[Ended]:
    def train_one(seed: int, run: Path) -> Ended:
        assert run.name == f"seed{seed}"
        return Ended(seed / 10, seed)

    return over_seeds(
        train_one,
        folder,
        first=4,
        seeds=seeds,
        resume=resume,
        figures=("auc", "epoch"),
        measured="by eye",
    )


def test_mean_and_spread(tmp_path: Path) -> None:
    found = trained(tmp_path / "runs", seeds=3)
    assert list(found.runs) == [4, 5, 6]
    assert found.figures["auc"].mean == pytest.approx(0.5)
    assert found.figures["auc"].sd == pytest.approx(0.1)
    assert (found.figures["auc"].low, found.figures["auc"].high) == (0.4, 0.6)
    written = json.loads((tmp_path / "runs" / SEEDS).read_text(encoding="utf-8"))
    assert written["runs"]["6"] == {"auc": 0.6, "epoch": 6}
    assert written["measured"] == "by eye"


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    assert trained(tmp_path / "runs", seeds=1).figures["auc"].sd is None


def test_the_table_shows_whole_numbers_whole(tmp_path: Path) -> None:
    told = io.StringIO()
    summary = trained(tmp_path / "runs", seeds=2)
    Console(width=100, file=told).print(spread_table(summary, {"auc": "AUC", "epoch": "epoch"}))
    rows = [line.split() for line in told.getvalue().splitlines() if line.strip()]
    assert ["AUC", "0.400", "0.500", "0.450", "0.071", "0.400", "to", "0.500"] in rows
    assert ["epoch", "4", "5", "4.5", "0.7", "4", "to", "5"] in rows


@pytest.mark.parametrize(
    ("seeds", "resume", "message"), [(0, False, "at least 1"), (2, False, "exists already")]
)
def test_refusals(tmp_path: Path, seeds: int, resume: bool, message: str) -> None:
    (tmp_path / "anything").write_text("")
    with pytest.raises(ConfigError, match=message):
        trained(tmp_path, seeds=seeds, resume=resume)
    assert len(trained(tmp_path, seeds=1, resume=True).runs) == 1

"""Variants under one budget: trained once, resumed, measured on the same images."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lucency.annotations.records import Dataset
from lucency.classification.compare import VariantRun, compare
from lucency.classification.compare_measures import measure_variants, seed_spreads
from lucency.classification.compare_report import Compared, comparison_tables, write_comparison
from lucency.classification.experiment import Budget, Experiment
from lucency.classification.held_out import HeldOut
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.run_folder import EpochResult
from lucency.configs.errors import ConfigError, DatasetError
from lucency.configs.schema import parse_config

MakeConfig = Callable[..., ClassificationConfig]


@pytest.fixture(scope="module")
def dataset(make_set: Callable[..., Dataset], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("compare") / "set"
    make_set(root)
    return root


@pytest.fixture(scope="module")
def configs(make_config: MakeConfig) -> dict[str, ClassificationConfig]:
    tiny = {"network": "small_cnn", "head": "linear", "epochs": 2}
    return {
        "adamw": make_config(name="t-adamw", **tiny),
        "sgd": make_config(name="t-sgd", optimiser="sgd", **tiny),
    }


def epoch(number: int, auc: float, seconds: float = 2.0) -> EpochResult:
    return EpochResult(number, "fine-tune", 1e-3, 0.7, 0.6, auc, seconds)


def run_of(variant: str, seed: int, skill: float) -> VariantRun:
    rng = np.random.default_rng(seed)
    truth = (np.arange(60) % 2).astype(float)[:, None]
    score = 1 / (1 + np.exp(-(skill * truth + rng.normal(0, 1, truth.shape))))
    names = tuple(f"images/val/{n}.png" for n in range(60))
    held = HeldOut(("tb",), names, ("val",) * 60, ("",) * 60, ("",) * 60, truth, score)
    history = (epoch(1, 0.5, 9.0), epoch(2, 0.8), epoch(3, 0.7, 4.0))
    return VariantRun(variant, seed, history, 1_500_000, 2.5, held)


def test_variants_are_trained_and_what_is_done_stays(
    configs: dict[str, ClassificationConfig], dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = {"budget": Budget(epochs=2), "seeds": (0,)}
    runs = compare(configs, dataset, out, **options)  # type: ignore[arg-type]
    assert [(run.variant, len(run.history), len(run.held)) for run in runs] == [
        ("adamw", 2, 6),
        ("sgd", 2, 6),
    ]
    assert runs[0].parameters > 100_000
    assert runs[0].onnx_ms > 0
    assert not np.array_equal(runs[0].held.probabilities, runs[1].held.probabilities)

    def never(*_: object) -> None:
        raise AssertionError("trained again")

    with pytest.raises(ConfigError, match="exists already"):
        compare(configs, dataset, out, **options)  # type: ignore[arg-type]
    again = compare(configs, dataset, out, resume=True, train_variant=never, **options)  # type: ignore[arg-type]
    assert np.array_equal(again[1].held.probabilities, runs[1].held.probabilities)
    with pytest.raises(ConfigError, match="was started with another budget"):
        compare(configs, dataset, out, budget=Budget(epochs=3), seeds=(0,), resume=True)


def test_a_variant_stops_after_the_epoch_that_spends_its_minutes(
    make_config: MakeConfig, dataset: Path, tmp_path: Path
) -> None:
    long = {"a": make_config(network="small_cnn", head="linear", epochs=500, patience=500)}
    started = time.monotonic()
    budget = Budget(minutes=0.2 / 60)
    (run,) = compare(long, dataset, tmp_path / "out", budget=budget, seeds=(0,))
    assert 1 <= len(run.history) < 500
    assert (
        sum(row.seconds for row in run.history[:-1])
        < 0.2
        <= sum(row.seconds for row in run.history)
    )
    assert time.monotonic() - started < 100


def test_differences_are_to_the_first_of_the_same_seed() -> None:
    runs = [run_of(name, seed, skill) for seed in (1, 2) for name, skill in (("a", 1), ("b", 3))]
    rows = measure_variants(runs, samples=100)
    areas = [roc_auc_score(r.held.truth[:, 0], r.held.probabilities[:, 0]) for r in runs]
    assert [row.auc.value for row in rows] == pytest.approx(areas)
    assert rows[0].difference is rows[0].p_value is rows[2].difference is None
    for first, second in ((0, 1), (2, 3)):
        difference, p_value = rows[second].difference, rows[second].p_value
        assert difference is not None
        assert difference.value == pytest.approx(areas[second] - areas[first])
        assert difference.low is not None
        assert difference.low > 0
        assert p_value is not None
        assert p_value < 0.01
    spread = {one.variant: one for one in seed_spreads(rows)}
    assert spread["a"].mean == pytest.approx((areas[0] + areas[2]) / 2)
    assert spread["b"].low == pytest.approx(min(areas[1], areas[3]))
    assert seed_spreads(rows[:2]) == ()


def test_other_images_cannot_be_compared() -> None:
    one, other = run_of("a", 1, 1), run_of("b", 1, 1)
    other = replace(other, held=other.held.chosen(np.arange(59)))
    with pytest.raises(DatasetError, match="not measured on the same images"):
        measure_variants([one, other])


@pytest.mark.parametrize("seeds", [(1,), (1, 2)], ids=["one seed", "two seeds"])
def test_the_report_says_what_was_compared(
    configs: dict[str, ClassificationConfig], tmp_path: Path, seeds: tuple[int, ...]
) -> None:
    values = {
        "task": "comparison",
        "name": "opti<misers",
        "recipe": "baseline",
        "budget": {"minutes": 3},
        "seeds": seeds,
        "variants": {"adamw": None, "sgd": {"optimiser": "sgd"}},
    }
    runs = [run_of(name, seed, 2) for seed in seeds for name in configs]
    rows = measure_variants(runs, samples=20)
    experiment = parse_config(Experiment, values, where="test")
    found = Compared(experiment, configs, "chests", runs, rows, seed_spreads(rows))
    table, *further = comparison_tables(found)
    assert ("seed" in table.columns) == (len(seeds) == 2) == bool(further)
    first = dict(zip(table.columns, table.rows[0], strict=True))
    assert first["variant"] == "adamw"
    assert (first["epochs"], first["best epoch"], first["seconds an epoch"]) == (3, 2, 4.0)
    assert first["parameters, millions"] == 1.5
    write_comparison(found, tmp_path)
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| adamw | adamw |" in text
    assert "each with a budget of 3 minutes" in text
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "opti&lt;misers" in page
    assert "data:image/svg" in page
    assert '"difference": null' in (tmp_path / "summary.json").read_text(encoding="utf-8")

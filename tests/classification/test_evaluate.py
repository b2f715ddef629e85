import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lucency.annotations.records import Dataset, write_tables
from lucency.classification.commands import evaluate_classifier, measure_classifier
from lucency.classification.evaluate import choose_points, figures
from lucency.configs.errors import DatasetError
from lucency.datasets.labelled import LabelledSplit

POINTS = {"balanced": {"a": 0.5, "b": 0.5}}


def split_of(targets: list[list[float]]) -> LabelledSplit:
    return LabelledSplit("val", ("a", "b"), (), np.array(targets, dtype=np.float32))


def test_figures_leave_out_what_is_unknown() -> None:
    split = split_of([[1, np.nan], [0, 1], [1, 0], [0, np.nan]])
    probabilities = np.array([[0.9, 0.9], [0.6, 0.2], [0.7, 0.8], [0.1, 0.9]])
    found = figures(split, probabilities, POINTS)
    a, b = found.labels["a"], found.labels["b"]
    assert (a.auc, b.auc) == (1.0, 0.0)
    assert (a.positives, a.negatives, b.positives, b.negatives) == (2, 2, 1, 1)
    assert a.points["balanced"].specificity == 0.5
    assert found.mean_auc == 0.5
    assert found.summary()["sensitivity_balanced_a"] == 1.0


def test_labels_of_one_value_have_no_auc() -> None:
    found = figures(split_of([[1, 1], [1, 0]]), np.array([[0.9, 0.9], [0.6, 0.2]]), POINTS)
    assert found.labels["a"].auc is None and found.labels["a"].roc is None
    assert "auc_a" not in found.summary() and found.mean_auc == 1.0


def test_each_labels_points_come_from_the_images_that_know_it() -> None:
    split = split_of([[1, np.nan], [0, np.nan], [1, 1], [0, 0]])
    points = choose_points(split, np.array([[0.8, 0.99], [0.2, 0.0], [0.8, 0.4], [0.2, 0.1]]))
    assert points["balanced"]["a"] == pytest.approx(0.5)
    assert points["balanced"]["b"] == pytest.approx(0.25)


@pytest.mark.slow
class TestCommand:
    def test_leaves_figures_and_a_page(
        self,
        bundle: Path,
        trained: tuple[Path, Path],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        out = tmp_path / "report"
        evaluate_classifier(bundle, trained[0], out, split="test")
        metrics = json.loads((out / "metrics.json").read_text())
        rates = metrics["labels"]["bright"]["operating_points"]["balanced"]
        assert rates["tp"] + rates["fn"] == rates["tn"] + rates["fp"] == 3
        assert metrics["split"] == "test" and metrics["images"] == 6
        page = (out / "report.html").read_text()
        assert "ROC curve" in page and "not for diagnosis" in page
        assert "AUC: bright" in capsys.readouterr().out

    def test_gives_the_chief_figures_as_text(
        self, bundle: Path, trained: tuple[Path, Path], tmp_path: Path
    ) -> None:
        chief = measure_classifier(bundle, trained[0], tmp_path / "report", split="val")
        assert 0.0 <= float(chief["classifier AUC, bright"]) <= 1.0

    def test_a_missing_label_leaves_nothing_behind(
        self, bundle: Path, make_set: Callable[..., Dataset], tmp_path: Path
    ) -> None:
        dataset = make_set(tmp_path / "set")
        records = tuple(replace(r, extra={"spot": "1"}) for r in dataset.records)
        write_tables(replace(dataset, records=records))
        with pytest.raises(DatasetError, match="has no column 'bright'"):
            evaluate_classifier(bundle, tmp_path / "set", tmp_path / "report", split="test")
        assert not (tmp_path / "report").exists()

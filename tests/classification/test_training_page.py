"""The page of a run and its curves: written at any time, from what there is."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from lucency.annotations.records import Dataset
from lucency.classification.learning_plots import learning_curves
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.run_folder import (
    FIRST_BATCH,
    HISTORY,
    PAGE,
    EpochResult,
    read_history,
    start_run,
    write_history,
)
from lucency.classification.training_page import write_training_page
from lucency.configs.errors import ConfigError


@pytest.fixture
def run(
    tmp_path: Path,
    make_set: Callable[..., Dataset],
    make_config: Callable[..., ClassificationConfig],
) -> Path:
    make_set(tmp_path / "set")
    folder = tmp_path / "run"
    start_run(
        make_config(weights="<x>.pt", head_epochs=2, epochs=28),
        dataset_dir=tmp_path / "set",
        run_dir=folder,
        images={"train": "8: bright 4 yes, 4 no"},
        machine="2 threads of x86_64",
    )
    return folder


def epochs(count: int) -> list[EpochResult]:
    return [
        EpochResult(n, "head" if n < 3 else "fine-tune", 1e-4, 3 / n, 2 / n, 0.5 + n / 100, 1.25)
        for n in range(1, count + 1)
    ]


def page(run: Path, **options: bool) -> str:
    write_training_page(run, **options)
    return (run / PAGE).read_text(encoding="utf-8")


def test_before_the_first_epoch(run: Path) -> None:
    text = page(run)
    assert "epoch 0 of 30" in text
    assert "Learning curves" not in text
    assert "display.method" in text
    assert "&lt;x&gt;.pt" in text
    assert "<x>" not in text


def test_after_some_epochs(run: Path) -> None:
    write_history(run, epochs(20))
    cv2.imwrite(str(run / FIRST_BATCH), np.zeros((8, 8, 3), np.uint8))
    text = page(run)
    assert "epoch 20 of 30" in text
    assert "Learning curves" in text
    assert "The first batch" in text
    assert "8: bright 4 yes, 4 no" in text
    assert "2 threads of x86_64" in text
    assert "20 (best)" in text
    assert ">5<" not in text  # neither among the last 15 nor the best
    assert "0.700" in text


def test_when_it_has_finished(run: Path) -> None:
    write_history(run, epochs(3))
    assert "run: finished" in page(run, finished=True)


def test_the_table_of_epochs_reads_back(run: Path) -> None:
    assert read_history(run) == []
    write_history(run, epochs(3))
    assert read_history(run) == epochs(3)
    (run / HISTORY).write_text("epoch,phase\n1,head\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"history\.csv: cannot be read"):
        read_history(run)


@pytest.mark.parametrize("count", [1, 2, 12])
def test_curves_are_drawn_from_the_first_epoch_on(count: int) -> None:
    assert learning_curves(epochs(count)).startswith(b"<?xml")


def test_no_epoch_has_no_curve() -> None:
    with pytest.raises(ValueError, match="at least one epoch"):
        learning_curves([])

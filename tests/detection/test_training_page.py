"""The page of a run: written at any time, from what there is."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from lucency.configs import atomic
from lucency.configs.schema import dump_yaml
from lucency.detection.recipe import DetectionConfig
from lucency.detection.run_folder import (
    BEST,
    CONFIG,
    ENVIRONMENT,
    FIRST_BATCH,
    PAGE,
    RESULTS,
    finish,
)
from lucency.detection.training_page import write_training_page

COLUMNS = (
    "epoch,time,train/box_loss,train/cls_loss,metrics/precision(B),metrics/recall(B),"
    "metrics/mAP50(B),metrics/mAP50-95(B),val/box_loss,val/cls_loss"
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    config = DetectionConfig(task="detection", name="limbs", epochs=30, weights="<x>.pt")
    atomic.write_text(folder / CONFIG, dump_yaml(config))
    return folder


def rows(run: Path, count: int) -> None:
    lines = [
        f"{epoch},1.5,{3 / epoch},{2 / epoch},0.5,0.4,{epoch / 100},{epoch / 200},2.5,1.25"
        for epoch in range(1, count + 1)
    ]
    (run / RESULTS).write_text("\n".join([COLUMNS, *lines]) + "\n", encoding="utf-8")


def page(run: Path) -> str:
    write_training_page(run)
    return (run / PAGE).read_text(encoding="utf-8")


def test_before_the_first_epoch(run: Path) -> None:
    text = page(run)
    assert "epoch 0 of 30" in text
    assert "Learning curves" not in text
    assert "augment.rotation" in text


def test_after_some_epochs(run: Path) -> None:
    rows(run, 20)
    facts = {"dataset": "arms", "images": {"train": 12, "val": 3}, "dataset_sha256": "ab" * 32}
    (run / ENVIRONMENT).write_text(json.dumps(facts), encoding="utf-8")
    cv2.imwrite(str(run / FIRST_BATCH), np.zeros((8, 8, 3), np.uint8))
    text = page(run)
    assert "epoch 20 of 30" in text
    assert "Learning curves" in text
    assert "arms: 12 train, 3 val" in text
    assert "abababababababab" in text
    assert "The first batch" in text
    assert "Validation images" not in text
    assert "20 (best)" in text
    assert ">5<" not in text  # the fifth epoch is neither among the last 15 nor the best
    assert "&lt;x&gt;.pt" in text
    assert "<x>" not in text


def test_when_it_has_finished(run: Path) -> None:
    rows(run, 3)
    atomic.write_bytes(run / BEST, b"weights")
    finish(run)
    assert "run: finished" in page(run)

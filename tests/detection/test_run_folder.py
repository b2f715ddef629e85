"""What a run folder holds, and when a run counts as begun, interrupted or finished."""

import json
from pathlib import Path

import pytest

from lucency.annotations.records import Dataset, read_dataset
from lucency.configs.errors import ConfigError
from lucency.datasets.digest import dataset_digest
from lucency.detection.recipe import DetectionConfig
from lucency.detection.run_folder import (
    BEST,
    CONFIG,
    ENVIRONMENT,
    METRICS,
    RESULTS,
    RESUME,
    TRAINING_LIST,
    begin,
    describe_data,
    finish,
    is_finished,
    read_rows,
    read_summary,
    take_up,
)

CONFIGURATION = DetectionConfig(task="detection", name="x")
HEADER = "epoch,metrics/precision(B),metrics/recall(B),metrics/mAP50(B),metrics/mAP50-95(B)\n"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    root = tmp_path / "set"
    rows = ["image,split,patient_id,status,width,height,sha256,source"]
    for split in ("train", "val"):
        (root / "labels" / split).mkdir(parents=True)
        (root / f"labels/{split}/{split}.txt").write_text("0 0.5 0.5 0.2 0.2\n", encoding="utf-8")
        rows.append(f"images/{split}/{split}.png,{split},{split},annotated,64,64,0,x")
    (root / "dataset.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (root / "data.yaml").write_text(
        "train: images/train\nval: images/val\nnames: [finding]\n", encoding="utf-8"
    )
    return read_dataset(root)


def write_run(run: Path, rows: str) -> None:
    (run / BEST).parent.mkdir(parents=True, exist_ok=True)
    (run / BEST).write_bytes(b"weights")
    (run / RESUME).write_bytes(b"state")
    (run / RESULTS).write_text(HEADER + rows, encoding="utf-8")


def test_a_folder_in_use_is_not_begun_in(tmp_path: Path) -> None:
    begin(CONFIGURATION, tmp_path / "run")
    with pytest.raises(ConfigError, match="exists already"):
        begin(CONFIGURATION, tmp_path / "run")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="exists already"):
        begin(CONFIGURATION, tmp_path / "file")


def test_what_cannot_be_taken_up(tmp_path: Path, dataset: Dataset) -> None:
    run = tmp_path / "run"
    with pytest.raises(ConfigError, match=r"config\.yaml is missing"):
        take_up(CONFIGURATION, run, dataset)
    begin(CONFIGURATION, run)
    take_up(CONFIGURATION, run, dataset)
    with pytest.raises(ConfigError, match="differs from the configuration"):
        take_up(CONFIGURATION.model_copy(update={"seed": 1}), run, dataset)
    (run / ENVIRONMENT).write_text('{"dataset_sha256": "another"}', encoding="utf-8")
    with pytest.raises(ConfigError, match="other data"):
        take_up(CONFIGURATION, run, dataset)
    digest = {"dataset_sha256": dataset_digest(dataset)}
    (run / ENVIRONMENT).write_text(json.dumps(digest), encoding="utf-8")
    take_up(CONFIGURATION, run, dataset)
    write_run(run, "1,0,0,0,0\n")
    finish(run)
    with pytest.raises(ConfigError, match="has finished"):
        take_up(CONFIGURATION, run, dataset)


def test_a_changed_label_is_other_data(dataset: Dataset) -> None:
    before = dataset_digest(dataset)
    label = dataset.label_path(dataset.records[0])
    label.write_text("0 0.5 0.5 0.3 0.3\n", encoding="utf-8")
    assert dataset_digest(dataset) != before


def test_finishing_keeps_the_best_epoch_and_nothing_to_resume(tmp_path: Path) -> None:
    write_run(tmp_path, "1,0.1,0.2,0.3,0.10\n2,0.5,0.6,0.7,0.40\n3,0.1,0.1,0.9,0.20\n")
    assert not is_finished(tmp_path)
    summary = finish(tmp_path)
    assert is_finished(tmp_path)
    assert not (tmp_path / RESUME).exists()
    assert (summary.best_epoch, summary.epochs) == (2, 3)
    assert (summary.precision, summary.recall) == (0.5, 0.6)
    written = json.loads((tmp_path / METRICS).read_text(encoding="utf-8"))
    assert (written["map50"], written["map50_95"]) == (0.7, 0.4)


def test_of_equal_epochs_the_last_is_the_best(tmp_path: Path) -> None:
    write_run(tmp_path, "1,0,0,0,0\n2,0,0,0,0\n")
    assert read_summary(tmp_path).best_epoch == 2


@pytest.mark.parametrize("rows", ["", None], ids=["no row", "no table"])
def test_a_run_without_an_epoch_has_no_summary(tmp_path: Path, rows: str | None) -> None:
    if rows is not None:
        write_run(tmp_path, rows)
    assert read_rows(tmp_path) == []
    with pytest.raises(ConfigError, match="no finished training"):
        read_summary(tmp_path)


def test_a_row_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    write_run(tmp_path, "1,0.5,0.5,0.5,0.5\n2,0.5")
    assert read_rows(tmp_path)[1] == {"epoch": 2.0, "metrics/precision(B)": 0.5}


def test_the_description_names_every_training_image(tmp_path: Path, dataset: Dataset) -> None:
    describe_data(CONFIGURATION, tmp_path, dataset)
    listed = (tmp_path / TRAINING_LIST).read_text(encoding="utf-8").splitlines()
    assert listed == [str((dataset.root / "images/train/train.png").resolve())]
    text = (tmp_path / "data.yaml").read_text(encoding="utf-8")
    assert f"train: {tmp_path / TRAINING_LIST}" in text
    assert "val: images/val" in text
    assert not (tmp_path / CONFIG).exists()

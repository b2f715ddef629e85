"""What a report must say before its figures are believed."""

import hashlib
import json
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord, write_tables
from lucency.configs.calibration import ClassCalibration
from lucency.configs.errors import DatasetError
from lucency.datasets.digest import dataset_digest
from lucency.detection.caveats import check_coverage, notes_on
from lucency.detection.evaluate import evaluate
from lucency.detection.measurement import compare, measure
from lucency.detection.metrics_json import metrics_json
from lucency.detection.open_model import open_model
from lucency.detection.predictions import Model, split_records
from lucency.detection.report_tables import basis_line
from lucency.detection.thresholds import ChosenThresholds
from lucency.evaluation.boxes import ImagePredictions

PLATT = {"a": ClassCalibration(method="platt")}
CHOSEN_HERE = ChosenThresholds({"balanced": {"a": 0.5}}, "chosen here", flattering=True)


def made_set(root: Path, *, patients: bool = True) -> Dataset:
    """Ten images of each split without pixels, every other one with a finding."""
    records = []
    for split in ("val", "test"):
        (root / f"labels/{split}").mkdir(parents=True)
        for n in range(10):
            status = Status.ANNOTATED if n % 2 else Status.NEGATIVE
            path = PurePosixPath(f"images/{split}/{split}{n}.png")
            patient = f"{split}{n}" if patients else ""
            records.append(ImageRecord(path, split, patient, status, 64, 64, f"{split}{n}", "x"))
            text = "0 0.5 0.5 0.25 0.25\n" if n % 2 else ""
            (root / f"labels/{split}/{split}{n}.txt").write_text(text)
    found = Dataset(root, LabelMap(("a",)), tuple(records))
    write_tables(found)
    return found


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return made_set(tmp_path)


def predict(record: ImageRecord) -> ImagePredictions:
    """A box on the finding's place in each image but the first positive."""
    count = int(not record.image.stem.endswith("1"))
    box = np.array([[24.0, 24, 40, 40]] * count).reshape(-1, 4)
    zeros = np.zeros(count, np.int64)
    return ImagePredictions(str(record.image), box, np.full(count, 0.6), zeros)


def model(**values: object) -> Model:
    usual = {"name": "m", "kind": "COCO results", "sha256": "0", "predict": predict}
    return Model(**{**usual, **values})


def silent(title: str):
    return lambda done, total: None


@pytest.mark.parametrize("calibration", [None, PLATT], ids=["raw", "calibrated"])
@pytest.mark.parametrize("trained_here", [False, True], ids=["elsewhere", "here"])
def test_what_flatters_on_validation_images_is_named(
    dataset: Dataset, calibration: dict[str, ClassCalibration] | None, trained_here: bool
) -> None:
    trained_on = dataset_digest(dataset) if trained_here else ""
    of_model = model(calibration=calibration, data_sha256=trained_on)
    (note,) = notes_on(of_model, dataset, "val", CHOSEN_HERE)
    assert "all other figures at operating points flatter" in note
    assert ("so do ECE and Brier score" in note) is (calibration is not None)
    assert ("training kept the epoch that was best on them" in note) is trained_here


def test_images_without_results_are_counted(dataset: Dataset) -> None:
    covers = frozenset({"images/test/test1.png", *(f"images/val/val{n}.png" for n in range(10))})
    found = measure(model(covers=covers), dataset, "test", samples=0, on_step=silent)
    assert any(
        note.startswith("Images of 'test' without a result, 9 of 10") for note in found.notes
    )
    assert not any("'val' without" in note for note in found.notes)


def test_results_of_another_split_are_refused(dataset: Dataset) -> None:
    of_val = model(covers=frozenset({"images/val/val1.png"}))
    records = split_records(dataset, "test")
    with pytest.raises(DatasetError, match=r"none of which is in 'test'; name the split .*--split"):
        check_coverage(of_val, records, "test")
    with pytest.raises(DatasetError, match="none of which is in 'test'"):
        measure(of_val, dataset, "test", samples=0, on_step=silent)
    # A model that finds nothing anywhere is measured.
    check_coverage(model(covers=frozenset()), records, "test")


def test_targets_out_of_reach_are_told(dataset: Dataset) -> None:
    """Four of five findings have a box, and screening is for nine of ten."""
    found = measure(model(), dataset, "test", samples=0, on_step=silent)
    assert any("screening, a: aimed at sensitivity 0.90, reached" in note for note in found.notes)
    many = ChosenThresholds({"balanced": {"a": 0.5}}, "chosen", missed=("one",) * 7)
    assert notes_on(model(), dataset, "test", many)[0].endswith("one; and 2 more.")


def test_notes_of_the_second_model_stand_under_its_name(dataset: Dataset) -> None:
    first = measure(model(), dataset, "test", samples=0, on_step=silent)
    second = model(name="other", notes=("Seven boxes were left out.",))
    compared = compare(first, second, dataset, samples=0, on_step=silent)
    assert "Seven boxes were left out." in compared.notes
    found = evaluate(model(), dataset, "test", second=second, samples=0, on_step=silent)
    assert "other: Seven boxes were left out." in found.notes
    assert len(set(found.notes)) == len(found.notes)


@pytest.mark.parametrize("known", [True, False], ids=["patients", "none named"])
def test_patients_are_not_claimed_where_none_are_named(tmp_path: Path, known: bool) -> None:
    found = evaluate(model(), made_set(tmp_path, patients=known), "test", samples=5, on_step=silent)
    line = basis_line(found.measured.measures)
    assert ("10 patients, 5 positive" in line) is known
    assert ("patients unknown" in line) is not known
    assert line.endswith("samples of patients." if known else "samples of images.")
    assert any("intervals are too narrow" in note for note in found.notes) is not known
    document = metrics_json(found, prediction_files={})
    assert document["prevalence"]["patients"] == (10 if known else None)
    assert document["prevalence"]["images_without_patient"] == (0 if known else 10)
    assert document["intervals"]["drawn_by"] == ("patient" if known else "image")


@pytest.mark.parametrize(
    "thresholds", [["a"], {"balanced": 3}, {"balanced": {"a": "high"}}, 5, {}], ids=str
)
def test_damaged_thresholds_beside_predictions_are_ignored(
    dataset: Dataset, tmp_path: Path, thresholds: object
) -> None:
    path = tmp_path / "predictions.json"
    path.write_text("[]")
    entry = {"sha256": hashlib.sha256(b"[]").hexdigest(), "thresholds": thresholds}
    (tmp_path / "metrics.json").write_text(json.dumps({"predictions": {path.name: entry}}))
    assert open_model(str(path), dataset).thresholds is None

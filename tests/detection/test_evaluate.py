"""What a manifest holds of an evaluation, and what thresholds and notes say of themselves."""

from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord, write_tables
from lucency.configs.calibration import ClassCalibration
from lucency.configs.errors import DatasetError
from lucency.detection.evaluate import evaluate, manifest_figures
from lucency.detection.measurement import measure
from lucency.detection.predictions import Model, check_classes
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.calibration import calibrated
from lucency.evaluation.measuring import measure_detections

POINTS = {"balanced": {"a": 0.5, "b": 0.5}}


def measures(*, samples: int = 50, hits: int = 6):
    """Ten images with a finding of either class, of which the first ones are found."""
    box = np.array([[10.0, 10, 30, 30]])
    truths, predictions = [], []
    for number in range(10):
        ids = np.array([number % 2])
        truths.append(ImageTruth(str(number), (64, 64), box, ids))
        score = np.array([0.9 if number < hits else 0.1])
        predictions.append(ImagePredictions(str(number), box, score, ids))
    return measure_detections(
        truths, predictions, class_names=("a", "b"), thresholds=POINTS, samples=samples
    )


def test_a_manifest_has_figures_and_their_intervals() -> None:
    figures, intervals = manifest_figures(measures())
    assert figures["map50"] == pytest.approx(1.0)
    assert figures["recall_balanced"] == pytest.approx(0.6)
    assert figures["precision_balanced"] == pytest.approx(1.0)
    assert figures["false_positives_per_image_balanced"] == 0.0
    assert figures["image_sensitivity_balanced"] == pytest.approx(0.6)
    assert {"map50_95", "map50_positives", "agnostic_ap50", "froc_mean"} <= figures.keys()
    assert (figures["images"], figures["negatives"], figures["findings"]) == (10, 0, 10)
    # The set names none.
    assert "patients" not in figures
    assert figures["ap50_a"] == pytest.approx(1.0)
    assert intervals.keys() <= figures.keys()
    low, high = intervals["recall_balanced"]
    assert low < figures["recall_balanced"] < high


def test_what_cannot_be_measured_is_left_out() -> None:
    figures, intervals = manifest_figures(measures(samples=0))
    assert intervals == {}
    # There are neither negatives nor patients with several images.
    assert not {"image_auc", "patient_auc", "image_specificity_balanced"} & figures.keys()
    assert all(np.isfinite(value) for value in figures.values())


def test_nothing_at_all_has_counts_only() -> None:
    empty = measure_detections([], [], class_names=("a",), thresholds={}, samples=5)
    figures, intervals = manifest_figures(empty)
    assert figures == {"images": 0, "negatives": 0, "patients": 0, "findings": 0}
    assert intervals == {}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Forty validation images without pixels, every other one with a finding."""
    records = []
    (tmp_path / "labels/val").mkdir(parents=True)
    for n in range(40):
        status = Status.ANNOTATED if n % 2 else Status.NEGATIVE
        path = PurePosixPath(f"images/val/{n}.png")
        records.append(ImageRecord(path, "val", f"p{n}", status, 64, 64, str(n), "x"))
        (tmp_path / f"labels/val/{n}.txt").write_text("0 0.5 0.5 0.25 0.25\n" if n % 2 else "")
    found = Dataset(tmp_path, LabelMap(("a",)), tuple(records))
    write_tables(found)
    return found


def model_of(calibration: dict[str, ClassCalibration], **values: object) -> Model:
    """It finds every finding, and as many things of the same raw score that are none."""

    def predict(record: ImageRecord) -> ImagePredictions:
        number = int(record.image.stem)
        raw = np.array([0.1 + number / 50])
        score = calibrated(raw, calibration["a"]) if calibration else raw
        box = np.array([[24.0, 24, 40, 40]])
        return ImagePredictions(str(record.image), box, score, np.zeros(1, np.int64))

    usual = {"name": "m", "kind": "bundle", "sha256": "0", "predict": predict}
    return Model(**{**usual, "calibration": calibration, **values})


def nothing_to_tell(title: str):
    return lambda done, total: None


def test_raw_scores_are_brought_back_from_calibrated_ones(dataset: Dataset) -> None:
    platt = {"a": ClassCalibration(method="platt", slope=1.7, intercept=-0.8)}
    thresholds = {"screening": {"a": 0.3}, "balanced": {"a": 0.4}}
    found = {}
    for name, calibration in (("raw", {}), ("platt", platt)):
        model = model_of(calibration, thresholds=thresholds)
        of_model = evaluate(model, dataset, "val", samples=5, on_step=nothing_to_tell)
        found[name] = of_model.calibration
    assert found["raw"][0].before is None
    everything = found["platt"][0]
    assert everything.boxes == "all boxes"
    assert everything.before is not None
    assert everything.before.brier.value == pytest.approx(
        found["raw"][0].after.brier.value, abs=1e-5
    )
    assert everything.after.brier.value != pytest.approx(everything.before.brier.value, abs=1e-3)
    shown = found["platt"][1]
    assert shown.boxes == "boxes that reach 'screening'"
    assert 0 < shown.after.count < everything.after.count == 40


@pytest.mark.parametrize(
    ("data_sha256", "flattering", "told"),
    [("", True, "flatter"), ("0" * 64, False, "trained on another set ('far')")],
    ids=["unknown", "another"],
)
def test_a_bundles_thresholds_on_validation_images(
    dataset: Dataset, data_sha256: str, flattering: bool, told: str
) -> None:
    model = model_of(
        {}, thresholds={"balanced": {"a": 0.4}}, data_sha256=data_sha256, trained_on="far"
    )
    measured = measure(model, dataset, "val", samples=0, on_step=nothing_to_tell)
    assert measured.thresholds.flattering is flattering
    assert any(told in note for note in measured.notes)
    assert measured.chief_thresholds == {"a": 0.4}


def test_many_other_classes_are_refused_in_a_line(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="and 72 more; convert") as caught:
        check_classes(dataset, tuple(f"thing {n}" for n in range(80)))
    assert len(str(caught.value)) < 400

"""What is measured, a detector of whatever kind, and what it predicts of a split."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lucency.annotations.findings import Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs.calibration import ClassCalibration
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import DatasetError
from lucency.configs.point_targets import PointTargets
from lucency.datasets.radiographs import Radiograph, read_radiograph
from lucency.detection.detector import LEAST_SCORE, Detector
from lucency.detection.fusion import refuse_fused
from lucency.detection.inference import detect
from lucency.evaluation.boxes import ImagePredictions, ImageTruth, truth_from_findings

# As many as COCO's average precision takes, and the doubtful ones as well: the curve needs them.
EVALUATION_DETECTIONS = 100
_NAMED = 8

Progress = Callable[[int, int], None]
Thresholds = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Model:
    """A detector of whatever kind, on one set.

    ``predict`` gives the predictions of one image, with class ids of the set. ``thresholds`` are
    operating points that were chosen before, None where there are none yet; ``targets`` what to
    choose them for, None for the usual. ``display`` is how its pixels are prepared, None where
    nobody says. ``data_sha256`` is the digest of the set it was trained on, empty where unknown;
    ``results_csv`` the learning curves of a checkpoint in our run folder; ``notes`` what the report
    must say of it; ``covers`` the images that results are of, None where any can be looked at.
    """

    name: str
    kind: Literal["bundle", "checkpoint", "COCO results"]
    sha256: str
    predict: Callable[[ImageRecord], ImagePredictions]
    thresholds: Thresholds | None = None
    targets: PointTargets | None = None
    calibration: Mapping[str, ClassCalibration] | None = None
    display: DisplaySpec | None = None
    trained_on: str = ""
    data_sha256: str = ""
    results_csv: Path | None = None
    notes: tuple[str, ...] = ()
    covers: frozenset[str] | None = None


def bundle_model(detector: Detector, dataset: Dataset) -> Model:
    """An open bundle.

    Raises
    ------
    DatasetError
        Its classes are not those of the set.
    BundleError
        It is fused with a classifier, without which its thresholds say nothing.

    """
    manifest = detector.manifest
    refuse_fused(detector.bundle)
    check_classes(dataset, manifest.class_names)
    # The detector itself leaves out raw scores below its least; calibration may move that one.
    conf = 0.0 if manifest.calibration else LEAST_SCORE

    def predict(record: ImageRecord) -> ImagePredictions:
        radiograph = stored_image(dataset, record)
        found = detect([detector], radiograph, conf=conf, max_detections=EVALUATION_DETECTIONS)
        return found.to_predictions(str(record.image))

    return Model(
        name=manifest.name,
        kind="bundle",
        sha256=detector.bundle.digest,
        predict=predict,
        thresholds=manifest.operating_points,
        calibration=manifest.calibration,
        display=manifest.display,
        trained_on=manifest.training_data.get("name", ""),
        data_sha256=manifest.training_data.get("sha256", ""),
    )


def check_classes(dataset: Dataset, class_names: tuple[str, ...]) -> None:
    """Refuse a set whose classes are not the model's, in the same order."""
    if dataset.label_map.names != class_names:
        raise DatasetError(
            f"{dataset.root}: has the classes {_listed(dataset.label_map.names)}, the detector "
            f"{_listed(class_names)}; convert the set with --map or --classes"
        )


def split_records(dataset: Dataset, split: str) -> tuple[ImageRecord, ...]:
    """The images of a split whose truth is known; raises `DatasetError` where there is none."""
    records = tuple(r for r in dataset.in_split(split) if r.status is not Status.UNKNOWN)
    if not records:
        splits = sorted({r.split for r in dataset.records if r.status is not Status.UNKNOWN})
        raise DatasetError(
            f"{dataset.root}: has no images with known truth in '{split}', only in "
            f"{_listed(tuple(splits))}; name one of these, or split the set again"
        )
    return records


def split_truths(dataset: Dataset, records: Sequence[ImageRecord]) -> list[ImageTruth]:
    """What readers marked in these images."""
    return [
        truth_from_findings(
            dataset.findings(record),
            image=str(record.image),
            size_wh=(record.width, record.height),
            label_map=dataset.label_map,
            patient_id=record.patient_id,
        )
        for record in records
    ]


def predict_records(
    model: Model, records: Sequence[ImageRecord], *, on_image: Progress | None = None
) -> list[ImagePredictions]:
    """The model's predictions of these images; ``on_image`` hears how many of how many are done."""
    predictions = []
    for number, record in enumerate(records, start=1):
        predictions.append(model.predict(record))
        if on_image is not None:
            on_image(number, len(records))
    return predictions


def stored_image(dataset: Dataset, record: ImageRecord) -> Radiograph:
    """One image of a set; raises `DatasetError` where its size is not the table's."""
    radiograph = read_radiograph(dataset.image_path(record))
    if radiograph.size_wh != (record.width, record.height):
        raise DatasetError(
            f"{dataset.image_path(record)}: is {radiograph.size_wh[0]} x {radiograph.size_wh[1]} "
            f"pixels, dataset.csv says {record.width} x {record.height}; make the set again"
        )
    return radiograph


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{list(names[:_NAMED])}{more}"

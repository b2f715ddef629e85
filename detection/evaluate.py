"""Measuring a detector on one split of a data set, and the page that shows it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lucency.annotations.findings import Status
from lucency.annotations.records import Dataset
from lucency.configs.errors import DatasetError
from lucency.datasets.radiographs import read_radiograph
from lucency.detection.detector import Detector
from lucency.evaluation.average_precision import AveragePrecision, average_precision
from lucency.evaluation.boxes import ImagePredictions, ImageTruth, truth_from_findings
from lucency.evaluation.precision_recall import (
    DetectionMetrics,
    DetectionRates,
    precision_recall_at,
)
from lucency.evaluation.report import write_json

# As low as COCO's own evaluation goes in practice: the curve needs the doubtful boxes as well.
EVALUATION_CONF = 0.001
EVALUATION_DETECTIONS = 100


@dataclass(frozen=True)
class DetectionFigures:
    """What was measured on one split: AP, and precision and recall at each operating point."""

    images: int
    negatives: int
    ap: AveragePrecision
    points: Mapping[str, DetectionMetrics]
    thresholds: Mapping[str, Mapping[str, float]]

    def summary(self) -> dict[str, float]:
        """The figures of the manifest: AP, and the balanced point's precision and recall."""
        chosen = self.points["balanced"].overall
        found = {
            "map50": self.ap.map50,
            "map50_95": self.ap.map50_95,
            "precision_balanced": chosen.precision,
            "recall_balanced": chosen.recall,
            "false_positives_per_image_balanced": chosen.false_positives_per_image,
            "images": float(self.images),
            "negatives": float(self.negatives),
        }
        return {name: float(value) for name, value in found.items() if value is not None}


def predict_split(
    detector: Detector,
    dataset: Dataset,
    split: str,
    *,
    on_image: Callable[[int, int], None] | None = None,
) -> tuple[list[ImageTruth], list[ImagePredictions]]:
    """Truth and predictions of every image of a split whose truth is known.

    ``on_image`` is told how many of how many images are done.

    Raises
    ------
    DatasetError
        The split is empty, or its classes are not those of the detector.

    """
    records = [r for r in dataset.in_split(split) if r.status is not Status.UNKNOWN]
    if not records:
        raise DatasetError(f"{dataset.root}: has no images with known truth in '{split}'")
    if dataset.label_map.names != detector.manifest.class_names:
        raise DatasetError(
            f"{dataset.root}: has the classes {list(dataset.label_map.names)}, the detector "
            f"{list(detector.manifest.class_names)}; convert the set with --map or --classes"
        )
    truths, predictions = [], []
    for number, record in enumerate(records, start=1):
        radiograph = read_radiograph(dataset.image_path(record))
        height, width = radiograph.pixels.shape
        found = detector.detect(
            radiograph, conf=EVALUATION_CONF, max_detections=EVALUATION_DETECTIONS
        )
        truths.append(
            truth_from_findings(
                dataset.findings(record),
                image=str(record.image),
                size_wh=(width, height),
                label_map=dataset.label_map,
                patient_id=record.patient_id,
            )
        )
        predictions.append(found.to_predictions(str(record.image)))
        if on_image is not None:
            on_image(number, len(records))
    return truths, predictions


def figures(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    thresholds: Mapping[str, Mapping[str, float]],
    *,
    class_names: tuple[str, ...],
) -> DetectionFigures:
    """Measure predictions: AP over all scores, precision and recall at the given thresholds."""
    return DetectionFigures(
        images=len(truths),
        negatives=sum(not len(truth.class_ids) for truth in truths),
        ap=average_precision(truths, predictions, class_names=class_names),
        points={
            name: precision_recall_at(truths, predictions, values, class_names=class_names)
            for name, values in thresholds.items()
        },
        thresholds=thresholds,
    )


def write_figures(found: DetectionFigures, path: Path, *, facts: Mapping[str, Any]) -> None:
    """Write everything measured as JSON; what cannot be measured is null."""
    values = {
        **facts,
        "images": found.images,
        "negatives": found.negatives,
        "match_rule": "same class, IoU >= 0.5, best score first, one box a finding",
        "map50": found.ap.map50,
        "map50_95": found.ap.map50_95,
        "classes": {
            name: {"ap50": ap.ap50, "ap50_95": ap.ap50_95, "truths": ap.truths}
            for name, ap in found.ap.per_class.items()
        },
        "operating_points": {
            point: {
                "overall": _counts(metrics.overall),
                "classes": {
                    name: {"threshold": found.thresholds[point][name], **_counts(rates)}
                    for name, rates in metrics.per_class.items()
                },
            }
            for point, metrics in found.points.items()
        },
    }
    write_json(values, path)


def _counts(rates: DetectionRates) -> dict[str, float | int | None]:
    return {
        "precision": rates.precision,
        "recall": rates.recall,
        "f1": rates.f1,
        "true_positives": rates.tp,
        "false_positives": rates.fp,
        "false_negatives": rates.fn,
        "false_positives_per_image": rates.false_positives_per_image,
    }

"""Measuring a classifier bundle on a split: AUC, and rates at each operating point."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import Dataset
from lucency.classification.classifier import Classifier
from lucency.datasets.labelled import LabelledSplit
from lucency.datasets.radiographs import read_radiograph
from lucency.evaluation.operating_points import choose_classification_points
from lucency.evaluation.report import write_json
from lucency.evaluation.roc import (
    ClassificationMetrics,
    RocCurve,
    classification_metrics,
    roc_curve,
)

DEFAULT_POINT = "balanced"


@dataclass(frozen=True)
class LabelFigures:
    """What was measured for one label; ``points`` by the operating point's name.

    ``auc`` and ``roc`` are None where all images have the label or none has.
    """

    positives: int
    negatives: int
    auc: float | None
    roc: RocCurve | None
    points: Mapping[str, ClassificationMetrics]


@dataclass(frozen=True)
class ClassificationFigures:
    """The figures of every label, and how many images they stand on."""

    images: int
    labels: Mapping[str, LabelFigures]

    @property
    def mean_auc(self) -> float | None:
        """The mean over the labels that have an AUC; None if none has."""
        aucs = [found.auc for found in self.labels.values() if found.auc is not None]
        return float(np.mean(aucs)) if aucs else None

    def summary(self) -> dict[str, float]:
        """The figures of a manifest: AUC, and the balanced point's rates, label by label."""
        values: dict[str, float | None] = {"auc": self.mean_auc, "images": float(self.images)}
        for label, found in self.labels.items():
            chosen = found.points[DEFAULT_POINT]
            values[f"auc_{label}"] = found.auc
            values[f"sensitivity_balanced_{label}"] = chosen.sensitivity
            values[f"specificity_balanced_{label}"] = chosen.specificity
            values[f"positives_{label}"] = float(found.positives)
        return {name: value for name, value in values.items() if value is not None}


def predict_split(
    classifier: Classifier,
    dataset: Dataset,
    split: LabelledSplit,
    *,
    on_image: Callable[[int, int], None] | None = None,
) -> NDArray[np.float64]:
    """Probabilities (N, C) of the images of ``split``, read and displayed as the service does.

    ``on_image`` is told how many of how many images are done.

    Raises
    ------
    ImageError
        An image cannot be read.

    """
    rows = []
    for done, record in enumerate(split.records, start=1):
        rows.append(classifier.classify(read_radiograph(dataset.image_path(record))))
        if on_image is not None:
            on_image(done, len(split))
    return np.array(rows, dtype=np.float64).reshape(-1, len(classifier.manifest.class_names))


def choose_points(
    split: LabelledSplit, probabilities: NDArray[np.float64]
) -> dict[str, dict[str, float]]:
    """Operating points as a manifest holds them, each label's from the images that know it."""
    points: dict[str, dict[str, float]] = {}
    for column, label in enumerate(split.labels):
        known = split.known(label)
        chosen = choose_classification_points(
            split.truth(label)[:, None], probabilities[known, column, None], class_names=(label,)
        )
        for point, thresholds in chosen.to_manifest().items():
            points.setdefault(point, {}).update(thresholds)
    return points


def figures(
    split: LabelledSplit,
    probabilities: NDArray[np.float64],
    points: Mapping[str, Mapping[str, float]],
) -> ClassificationFigures:
    """Measure probabilities (N, C) against what is known of the images of ``split``."""
    labels: dict[str, LabelFigures] = {}
    for column, label in enumerate(split.labels):
        truth = split.truth(label)
        scores = probabilities[split.known(label), column]
        rates = {
            point: classification_metrics(truth, scores, threshold=thresholds[label])
            for point, thresholds in points.items()
        }
        labels[label] = LabelFigures(
            positives=int(truth.sum()),
            negatives=int((~truth).sum()),
            auc=next(iter(rates.values())).auc,
            roc=roc_curve(truth, scores),
            points=rates,
        )
    return ClassificationFigures(len(split), labels)


def write_figures(found: ClassificationFigures, path: Path, *, facts: Mapping[str, str]) -> None:
    """Write everything measured as JSON; what cannot be measured is null."""
    values: dict[str, Any] = {**facts, "images": found.images, "auc": found.mean_auc}
    values["labels"] = {
        label: {
            "positives": of_label.positives,
            "negatives": of_label.negatives,
            "auc": of_label.auc,
            "operating_points": {point: _rates(m) for point, m in of_label.points.items()},
        }
        for label, of_label in found.labels.items()
    }
    write_json(values, path)


def _rates(found: ClassificationMetrics) -> dict[str, float | int | None]:
    return {
        "threshold": found.threshold,
        "sensitivity": found.sensitivity,
        "specificity": found.specificity,
        "ppv": found.ppv,
        "npv": found.npv,
        "accuracy": found.accuracy,
        "tn": found.tn,
        "fp": found.fp,
        "fn": found.fn,
        "tp": found.tp,
    }

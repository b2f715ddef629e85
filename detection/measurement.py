"""One model measured on one split: predictions, thresholds, and everything that follows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import Dataset
from lucency.configs.point_targets import PointTargets
from lucency.datasets.digest import dataset_digest
from lucency.detection.predictions import (
    Model,
    Progress,
    Thresholds,
    predict_records,
    split_records,
    split_truths,
)
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.calibration import CalibrationMeasures, least_raw, measure_calibration
from lucency.evaluation.comparison import Difference, compare_detections
from lucency.evaluation.detection_measures import DetectionMeasures
from lucency.evaluation.match_rules import IOU_50, MatchRule
from lucency.evaluation.match_table import match_table
from lucency.evaluation.measuring import measure_detections
from lucency.evaluation.operating_points import choose_detection_points

VALIDATION = "val"
# The point that pictures, error types and the confusion matrix are of.
CHIEF_POINT = "balanced"
SCREENING = "screening"


@dataclass(frozen=True)
class ChosenThresholds:
    """A model's operating points on a split, and in one sentence where they come from.

    ``values`` is empty where there are none; ``flattering`` is True if they were chosen on the
    images that are measured. ``predictions`` are those of the images that they were chosen on.
    """

    values: Thresholds
    origin: str
    flattering: bool = False
    predictions: tuple[ImagePredictions, ...] = ()


@dataclass(frozen=True)
class Calibrated:
    """Calibration on one choice of boxes; ``before`` is that of raw scores, where they differ."""

    boxes: str
    after: CalibrationMeasures
    before: CalibrationMeasures | None


@dataclass(frozen=True)
class Measured:
    """A model's predictions of one split, and its figures."""

    model: Model
    split: str
    truths: Sequence[ImageTruth]
    predictions: Sequence[ImagePredictions]
    thresholds: ChosenThresholds
    measures: DetectionMeasures
    notes: tuple[str, ...]

    @property
    def chief_thresholds(self) -> Mapping[str, float] | None:
        """The thresholds that pictures and error types are of; None where there are none."""
        points = self.thresholds.values
        return points.get(CHIEF_POINT) or next(iter(points.values()), None)


@dataclass(frozen=True)
class Compared:
    """A second model on the same images, and its difference from the first, figure by figure."""

    model: Model
    predictions: Sequence[ImagePredictions]
    thresholds: ChosenThresholds
    differences: tuple[Difference, ...]


def measure(
    model: Model,
    dataset: Dataset,
    split: str,
    *,
    rule: MatchRule = IOU_50,
    samples: int = 1000,
    on_step: Callable[[str], Progress],
) -> Measured:
    """Predict a split and measure it; ``on_step`` names what begins and is told how far it is.

    Raises
    ------
    DatasetError
        The split has no images with known truth, or an image is not as the table says.
    ImageError
        An image cannot be read.

    """
    records = split_records(dataset, split)
    truths = split_truths(dataset, records)
    predictions = predict_records(model, records, on_image=on_step(f"Detecting in '{split}'"))
    thresholds = thresholds_of(model, dataset, split, truths, predictions, rule, on_step)
    measures = measure_detections(
        truths,
        predictions,
        class_names=dataset.label_map.names,
        thresholds=thresholds.values,
        rule=rule,
        samples=samples,
        progress=on_step("Drawing samples of patients"),
    )
    notes = notes_on(model, dataset, split, thresholds)
    return Measured(model, split, truths, predictions, thresholds, measures, notes)


def compare(
    measured: Measured,
    second: Model,
    dataset: Dataset,
    *,
    samples: int = 1000,
    on_step: Callable[[str], Progress],
) -> Compared:
    """Measure a second model on the same images by a paired bootstrap; raises as `measure`."""
    split, rule = measured.split, measured.measures.rule
    records = split_records(dataset, split)
    predictions = predict_records(
        second, records, on_image=on_step(f"Detecting in '{split}' with {second.name}")
    )
    thresholds = thresholds_of(second, dataset, split, measured.truths, predictions, rule, on_step)
    differences = compare_detections(
        measured.truths,
        measured.predictions,
        predictions,
        class_names=dataset.label_map.names,
        rule=rule,
        thresholds_first=measured.thresholds.values,
        thresholds_second=thresholds.values,
        samples=samples,
        progress=on_step("Comparing on the same samples"),
    )
    return Compared(second, predictions, thresholds, differences)


def thresholds_of(
    model: Model,
    dataset: Dataset,
    split: str,
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    rule: MatchRule,
    on_step: Callable[[str], Progress],
) -> ChosenThresholds:
    """The model's own operating points, or those chosen on the set's validation split."""
    if model.thresholds is not None:
        same = split == VALIDATION and model.data_sha256 in ("", dataset_digest(dataset))
        where = "on these very images" if same else "on validation data"
        whose = "the bundle's own" if model.kind == "bundle" else "recorded with the predictions"
        return ChosenThresholds(model.thresholds, f"{whose}, chosen {where}", same)
    class_names = dataset.label_map.names
    if split == VALIDATION:
        chosen = choose_detection_points(
            truths,
            predictions,
            class_names=class_names,
            targets=model.targets or PointTargets(),
            rule=rule,
        )
        origin = f"chosen on these very images, split '{split}'"
        return ChosenThresholds(chosen.to_manifest(), origin, flattering=True)
    if not dataset.in_split(VALIDATION):
        return ChosenThresholds({}, f"none: the set has no '{VALIDATION}' split to choose them on")
    records = split_records(dataset, VALIDATION)
    step = on_step(f"Detecting in '{VALIDATION}', to choose thresholds")
    found = predict_records(model, records, on_image=step)
    if not any(len(one.scores) for one in found):
        return ChosenThresholds(
            {}, f"none: it predicts nothing in '{VALIDATION}' to choose them on"
        )
    chosen = choose_detection_points(
        split_truths(dataset, records),
        found,
        class_names=class_names,
        targets=model.targets or PointTargets(),
        rule=rule,
    )
    origin = f"chosen on the set's {len(records)} images of '{VALIDATION}'"
    return ChosenThresholds(chosen.to_manifest(), origin, predictions=tuple(found))


def notes_on(
    model: Model, dataset: Dataset, split: str, thresholds: ChosenThresholds
) -> tuple[str, ...]:
    """What must be known before the figures are believed, in sentences."""
    notes = list(model.notes)
    if split == "train":
        notes.append("Models learn from the training split: figures on it say nothing of others.")
    if thresholds.flattering:
        notes.append(
            "The thresholds were chosen on the images that are measured here, so precision, "
            "recall and all other figures at operating points flatter; average precision, FROC "
            "and AUC need no threshold."
        )
    if not thresholds.values:
        notes.append(f"Thresholds: {thresholds.origin}; only figures that need none are given.")
    if model.data_sha256 and model.data_sha256 != dataset_digest(dataset):
        called = f" ('{model.trained_on}')" if model.trained_on else ""
        notes.append(
            f"{model.name} was trained on another set{called}, or on this one before it was "
            f"changed: whether it has seen images of these patients is not known."
        )
    return tuple(notes)


def calibration_of(measured: Measured, dataset: Dataset, *, samples: int) -> tuple[Calibrated, ...]:
    """Calibration of all boxes, and of those that reach the `screening` point.

    A hit is one by `IOU_50`, whatever rule the other figures are by: that is what bundles are
    calibrated to. Scores near 0 are by far the most, so the figure of all boxes tells little of
    those that are shown.
    """
    names = dataset.label_map.names
    table = match_table(measured.truths, measured.predictions, class_names=names)
    if not len(table.prediction_score):
        return ()
    patients = np.array(table.image_patient.astype(np.str_))[table.prediction_image]
    raw = _raw_scores(measured.model, table.prediction_score, table.prediction_class, names)
    correct = table.prediction_truth >= 0
    choices = {"all boxes": np.ones(len(correct), dtype=np.bool_)}
    limits = measured.thresholds.values.get(SCREENING)
    if limits is not None:
        least = np.array([limits[name] for name in names])[table.prediction_class]
        choices[f"boxes that reach '{SCREENING}'"] = table.prediction_score >= least

    def of(scores: NDArray[np.float64], kept: NDArray[np.bool_]) -> CalibrationMeasures:
        groups = patients[kept].tolist()
        return measure_calibration(scores[kept], correct[kept], groups=groups, samples=samples)

    return tuple(
        Calibrated(
            boxes,
            after=of(table.prediction_score, kept),
            before=None if raw is None else of(raw, kept),
        )
        for boxes, kept in choices.items()
        if kept.any()
    )


def _raw_scores(
    model: Model,
    scores: NDArray[np.float64],
    classes: NDArray[np.int64],
    class_names: Sequence[str],
) -> NDArray[np.float64] | None:
    """Scores before calibration; None where there is none."""
    if not model.calibration:
        return None
    raw = np.empty_like(scores)
    for index, name in enumerate(class_names):
        of_class = classes == index
        calibration = model.calibration[name]
        raw[of_class] = [least_raw(score, calibration) for score in scores[of_class].tolist()]
    return raw

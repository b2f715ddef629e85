"""One model measured on one split: predictions, thresholds, and everything that follows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lucency.annotations.records import Dataset
from lucency.detection.caveats import PATIENTS_UNKNOWN, check_coverage, notes_on
from lucency.detection.predictions import (
    Model,
    Progress,
    predict_records,
    split_records,
    split_truths,
)
from lucency.detection.thresholds import ChosenThresholds, thresholds_of
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.comparison import Difference, compare_detections
from lucency.evaluation.detection_measures import DetectionMeasures
from lucency.evaluation.match_rules import IOU_50, MatchRule
from lucency.evaluation.measuring import measure_detections

# The point that pictures, error types and the confusion matrix are of.
CHIEF_POINT = "balanced"


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
        return self.thresholds.values.get(CHIEF_POINT)


@dataclass(frozen=True)
class Compared:
    """A second model on the same images, and its difference from the first, figure by figure."""

    model: Model
    predictions: Sequence[ImagePredictions]
    thresholds: ChosenThresholds
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


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
    check_coverage(model, records, split)
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
    if not measures.patients_known:
        notes = (*notes, PATIENTS_UNKNOWN)
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
    check_coverage(second, records, split)
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
    notes = notes_on(second, dataset, split, thresholds)
    return Compared(second, predictions, thresholds, differences, notes)

"""Evaluating a detector on one split of a data set: what a report and a manifest are made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import Dataset
from lucency.datasets.digest import dataset_digest
from lucency.detection.box_calibration import SCREENING, Calibrated, measure_scores, raw_scores
from lucency.detection.detector import Detector
from lucency.detection.measurement import Compared, Measured, compare, measure
from lucency.detection.predictions import (
    Model,
    Progress,
    bundle_model,
    predict_records,
    split_records,
    split_truths,
)
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.confusion import confusion_matrix
from lucency.evaluation.detection_measures import ALL_CLASSES, DetectionMeasures
from lucency.evaluation.error_types import ErrorTypes, error_types
from lucency.evaluation.match_rules import IOU_50, MatchRule
from lucency.evaluation.match_table import match_table
from lucency.evaluation.subgroups import (
    Subgroup,
    SubgroupMeasures,
    measure_sizes,
    measure_subgroups,
    subgroups,
)


@dataclass(frozen=True)
class Evaluation:
    """Everything that a report shows of a model on one split of a set.

    ``facts`` are who was measured on what. ``errors``, ``confusion`` and ``subgroups`` are at the
    measurement's chief operating point, None or empty where it has none. ``compared`` is a second
    model on the same images.
    """

    facts: Mapping[str, str]
    measured: Measured
    calibration: tuple[Calibrated, ...]
    errors: ErrorTypes | None
    confusion: NDArray[np.int64] | None
    subgroups: tuple[SubgroupMeasures, ...]
    compared: Compared | None

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known of the figures, of a second model under its name."""
        if self.compared is None:
            return self.measured.notes
        name = self.compared.model.name
        new = (note for note in self.compared.notes if note not in self.measured.notes)
        return (*self.measured.notes, *(f"{name}: {note}" for note in new))


def evaluate(
    model: Model,
    dataset: Dataset,
    split: str,
    *,
    second: Model | None = None,
    by: Sequence[str] = (),
    rule: MatchRule = IOU_50,
    samples: int = 1000,
    on_step: Callable[[str], Progress],
) -> Evaluation:
    """Measure a model on a split, and a ``second`` one against it.

    Subgroups are those of the columns ``by`` of the set's table, or of columns that suit.
    ``on_step`` names what begins and is told how far it is.

    Raises
    ------
    DatasetError
        The split has no images with known truth, a column is missing, or an image is not as the
        table says.
    ImageError
        An image cannot be read.

    """
    groups = subgroups(split_records(dataset, split), by or None)
    measured = measure(model, dataset, split, rule=rule, samples=samples, on_step=on_step)
    compared = None
    if second is not None:
        compared = compare(measured, second, dataset, samples=samples, on_step=on_step)
    names = dataset.label_map.names
    errors, confusion = _errors(measured, names)
    on_step("Measuring subgroups")(0, 1)
    return Evaluation(
        facts=_facts(model, second, dataset, split),
        measured=measured,
        calibration=_calibration(measured, names, samples=samples),
        errors=errors,
        confusion=confusion,
        subgroups=_by_group(measured, groups, names, samples=samples),
        compared=compared,
    )


def _calibration(
    measured: Measured, names: Sequence[str], *, samples: int
) -> tuple[Calibrated, ...]:
    table = match_table(measured.truths, measured.predictions, class_names=names)
    calibration = measured.model.calibration
    return measure_scores(
        table,
        raw=raw_scores(table, calibration) if calibration else None,
        screening=measured.thresholds.values.get(SCREENING),
        samples=samples,
    )


def _errors(
    measured: Measured, names: Sequence[str]
) -> tuple[ErrorTypes | None, NDArray[np.int64] | None]:
    truths, found, chief = measured.truths, measured.predictions, measured.chief_thresholds
    if chief is None:
        return None, None
    rule = measured.measures.rule
    return (
        error_types(truths, found, chief, class_names=names),
        confusion_matrix(truths, found, chief, class_names=names, rule=rule),
    )


def _by_group(
    measured: Measured, groups: Sequence[Subgroup], names: Sequence[str], *, samples: int
) -> tuple[SubgroupMeasures, ...]:
    """By size of findings, and by the columns of the table."""
    truths, found, chief = measured.truths, measured.predictions, measured.chief_thresholds
    if chief is None:
        return ()
    rule = measured.measures.rule
    sizes = measure_sizes(
        truths, found, class_names=names, thresholds=chief, rule=rule, samples=samples
    )
    columns = measure_subgroups(
        truths, found, groups, class_names=names, thresholds=chief, rule=rule, samples=samples
    )
    return (*sizes, *columns)


def _facts(model: Model, second: Model | None, dataset: Dataset, split: str) -> dict[str, str]:
    facts = {
        "model": model.name,
        "kind": model.kind,
        "model_sha256": model.sha256,
        "dataset": dataset.root.resolve().name,
        "dataset_sha256": dataset_digest(dataset),
        "split": split,
        "classes": ", ".join(dataset.label_map),
        "lucency": version("lucency"),
    }
    if second is not None:
        facts |= {"compared_with": second.name, "compared_sha256": second.sha256}
    return facts


def predict_split(
    detector: Detector,
    dataset: Dataset,
    split: str,
    *,
    on_image: Callable[[int, int], None] | None = None,
) -> tuple[list[ImageTruth], list[ImagePredictions]]:
    """Truth and predictions of every image of a split whose truth is known.

    Scores are calibrated where the bundle is. ``on_image`` is told how many of how many images
    are done.

    Raises
    ------
    DatasetError
        The split is empty, its classes are not those of the detector, or an image is not as the
        table says.

    """
    records = split_records(dataset, split)
    model = bundle_model(detector, dataset)
    return split_truths(dataset, records), predict_records(model, records, on_image=on_image)


def manifest_figures(
    measures: DetectionMeasures,
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """The figures that a bundle's manifest holds, and the 95% intervals of those that have one.

    Rates are of all classes pooled; what cannot be measured is left out.
    """
    estimates = {
        "map50": measures.map50,
        "map50_95": measures.map50_95,
        "map50_positives": measures.map50_positives,
        "agnostic_ap50": measures.agnostic_ap50,
        "froc_mean": measures.froc[ALL_CLASSES].mean,
        "image_auc": measures.image_auc,
        "patient_auc": measures.patient_auc,
    }
    for point, by_class in measures.points.items():
        rates, images = by_class[ALL_CLASSES], measures.image_level[point]
        estimates[f"precision_{point}"] = rates.precision
        estimates[f"recall_{point}"] = rates.recall
        estimates[f"f1_{point}"] = rates.f1
        estimates[f"false_positives_per_image_{point}"] = rates.false_positives_per_image
        estimates[f"image_sensitivity_{point}"] = images.sensitivity
        estimates[f"image_specificity_{point}"] = images.specificity
    if len(measures.classes) > 1:
        estimates |= {f"ap50_{name}": one.ap50 for name, one in measures.classes.items()}
    figures = {
        "images": float(measures.images),
        "negatives": float(measures.negatives),
        "findings": float(measures.findings),
    }
    if measures.patients_known:
        figures["patients"] = float(measures.patients)
    figures |= {name: one.value for name, one in estimates.items() if one.value is not None}
    intervals = {
        name: (one.low, one.high)
        for name, one in estimates.items()
        if one.low is not None and one.high is not None
    }
    return figures, intervals

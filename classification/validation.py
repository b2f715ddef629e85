"""What a bundle owes to validation data: calibration, operating points and figures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.classification.measurement import patients_of
from lucency.classification.predictions import Progress
from lucency.classification.recipe import ClassificationConfig
from lucency.configs.calibration import ClassCalibration
from lucency.datasets.labelled import LabelledSplit
from lucency.evaluation.classification_measures import ClassificationMeasures
from lucency.evaluation.classification_subgroups import (
    ClassificationSubgroup,
    measure_classification_subgroups,
)
from lucency.evaluation.classifier_calibration import (
    CalibrationEffect,
    calibrate,
    cross_fitted,
    fit_classifier_calibration,
    measure_classifier_calibration,
    uncalibrated_labels,
)
from lucency.evaluation.classifying import measure_classification
from lucency.evaluation.operating_points import OperatingPoints, choose_classification_points

Steps = Callable[[str], Progress]


@dataclass(frozen=True)
class Validation:
    """A classifier on the validation split, which chose its calibration and its thresholds.

    ``calibration`` is empty where none was wanted; labels in ``uncalibrated`` were too rarely
    known for one. ``effects`` tell by label how good the probabilities are before and after, each
    image calibrated without its patient; ``groups`` are subgroups of the table's columns.
    """

    split: LabelledSplit
    calibration: Mapping[str, ClassCalibration]
    uncalibrated: tuple[str, ...]
    points: OperatingPoints
    measures: ClassificationMeasures
    effects: Mapping[str, CalibrationEffect]
    groups: tuple[ClassificationSubgroup, ...]


def validate(
    raw: NDArray[np.float64],
    split: LabelledSplit,
    config: ClassificationConfig,
    *,
    samples: int = 1000,
    on_step: Steps,
) -> Validation:
    """Calibrate the network's ``raw`` probabilities (N, C), choose thresholds and measure.

    ``samples`` bootstrap sets make the intervals; ``on_step`` names what begins and is told how
    far it is.
    """
    names, truth, patients = config.labels, split.targets.astype(np.float64), patients_of(split)
    method, exclusive = config.calibration, config.exclusive
    fitted = fit_classifier_calibration(
        raw, truth, class_names=names, method=method, exclusive=exclusive
    )
    probabilities = calibrate(raw, fitted, class_names=names, exclusive=exclusive)
    # As a classifier gives them, so that no threshold is chosen between two equal ones.
    probabilities = probabilities.astype(np.float32).astype(np.float64)
    points = choose_classification_points(
        truth, probabilities, class_names=names, targets=config.operating_points
    )
    measures = measure_classification(
        truth,
        probabilities,
        patients,
        class_names=names,
        points=points.to_manifest(),
        exclusive=exclusive,
        samples=samples,
        progress=on_step("Drawing samples of patients"),
    )
    on_step("Measuring calibration and subgroups")(0, 1)
    unseen = cross_fitted(
        raw, truth, patients, class_names=names, method=method, exclusive=exclusive
    )
    return Validation(
        split=split,
        calibration=fitted,
        uncalibrated=uncalibrated_labels(truth, class_names=names, exclusive=exclusive),
        points=points,
        measures=measures,
        effects=measure_classifier_calibration(
            raw, unseen, truth, patients, class_names=names, samples=samples
        ),
        groups=measure_classification_subgroups(
            split.records,
            truth,
            probabilities,
            class_names=names,
            points=points.to_manifest(),
            exclusive=exclusive,
            samples=samples,
        ),
    )

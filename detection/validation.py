"""What a bundle owes to validation data: calibration, operating points and figures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lucency.annotations.records import Dataset
from lucency.configs.calibration import ClassCalibration
from lucency.detection.box_calibration import SCREENING, Calibrated, measure_scores
from lucency.detection.detector import Detector
from lucency.detection.measurement import CHIEF_POINT
from lucency.detection.predictions import (
    Progress,
    bundle_model,
    predict_records,
    split_records,
    split_truths,
)
from lucency.detection.recipe import DetectionConfig
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.calibration import calibrated, fit_calibration
from lucency.evaluation.detection_measures import DetectionMeasures
from lucency.evaluation.error_types import ErrorTypes, error_types
from lucency.evaluation.match_table import MatchTable, match_table
from lucency.evaluation.matching import match_all
from lucency.evaluation.measuring import measure_detections
from lucency.evaluation.operating_points import OperatingPoints, choose_detection_points
from lucency.evaluation.reached_points import ReachedPoint, reached_points
from lucency.evaluation.subgroups import (
    SubgroupMeasures,
    measure_sizes,
    measure_subgroups,
    subgroups,
)

SPLIT = "val"
Steps = Callable[[str], Progress]


@dataclass(frozen=True)
class Validation:
    """A detector on the validation split, which chose its calibration and its thresholds.

    ``predictions`` have calibrated scores; ``calibration`` is empty where none was wanted, and
    then they are the network's own. ``calibrated`` tells how good the scores are, before and
    after; ``errors`` are those at the `CHIEF_POINT`; ``table`` matches ``predictions`` to
    ``truths``; ``groups`` are sizes of findings and subgroups of the table's columns, at that
    point.
    """

    truths: tuple[ImageTruth, ...]
    predictions: tuple[ImagePredictions, ...]
    calibration: Mapping[str, ClassCalibration]
    points: OperatingPoints
    reached: tuple[ReachedPoint, ...]
    measures: DetectionMeasures
    calibrated: tuple[Calibrated, ...]
    errors: ErrorTypes
    table: MatchTable
    groups: tuple[SubgroupMeasures, ...]


def validate(
    detector: Detector,
    dataset: Dataset,
    config: DetectionConfig,
    *,
    samples: int = 1000,
    on_step: Steps,
) -> Validation:
    """Calibrate a detector that has no calibration yet, choose its thresholds and measure it.

    It looks at the images as its manifest's ``inference`` says. ``samples`` bootstrap sets make
    the intervals; ``on_step`` names what begins and is told how far it is.

    Raises
    ------
    DatasetError
        The split has no images with known truth, its classes are not the detector's, or an image
        is not as the table says.
    ImageError
        An image cannot be read.

    """
    names = detector.manifest.class_names
    records = split_records(dataset, SPLIT)
    truths = split_truths(dataset, records)
    model = bundle_model(detector, dataset)
    raw = predict_records(model, records, on_image=on_step(f"Detecting in '{SPLIT}'"))
    calibration = _fitted(truths, raw, config, names)
    predictions = [_calibrated(one, calibration, names) for one in raw]
    targets = config.operating_points
    points = choose_detection_points(truths, predictions, class_names=names, targets=targets)
    thresholds = points.to_manifest()
    table = match_table(truths, predictions, class_names=names)
    return Validation(
        truths=tuple(truths),
        predictions=tuple(predictions),
        calibration=calibration,
        points=points,
        reached=reached_points(truths, predictions, points, class_names=names, targets=targets),
        measures=measure_detections(
            truths,
            predictions,
            class_names=names,
            thresholds=thresholds,
            samples=samples,
            progress=on_step("Drawing samples of patients"),
        ),
        calibrated=measure_scores(
            table,
            raw=np.concatenate([one.scores for one in raw]) if calibration else None,
            screening=thresholds[SCREENING],
            samples=samples,
        ),
        errors=error_types(truths, predictions, thresholds[CHIEF_POINT], class_names=names),
        table=table,
        groups=_groups(dataset, truths, predictions, thresholds[CHIEF_POINT], samples),
    )


def _groups(
    dataset: Dataset,
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    thresholds: Mapping[str, float],
    samples: int,
) -> tuple[SubgroupMeasures, ...]:
    names, columns = dataset.label_map.names, subgroups(split_records(dataset, SPLIT))
    sizes = measure_sizes(
        truths, predictions, class_names=names, thresholds=thresholds, samples=samples
    )
    by_column = measure_subgroups(
        truths, predictions, columns, class_names=names, thresholds=thresholds, samples=samples
    )
    return (*sizes, *by_column)


def _fitted(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    config: DetectionConfig,
    class_names: Sequence[str],
) -> dict[str, ClassCalibration]:
    method = config.calibration
    if method == "none":
        return {}
    matches = match_all(truths, predictions, class_names=class_names)
    return {
        name: fit_calibration(found.scores, found.correct, method=method)
        for name, found in matches.items()
    }


def _calibrated(
    predictions: ImagePredictions,
    calibration: Mapping[str, ClassCalibration],
    class_names: Sequence[str],
) -> ImagePredictions:
    scores = predictions.scores.copy()
    for class_id, name in enumerate(class_names):
        if name in calibration:
            of_class = predictions.class_ids == class_id
            scores[of_class] = calibrated(scores[of_class], calibration[name])
    # As a detector gives them, so that no threshold is chosen between two equal scores.
    return replace(predictions, scores=scores.astype(np.float32).astype(np.float64))

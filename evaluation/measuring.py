"""Everything that is measured of a detector on a set of images, with 95% intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.average_precision import AveragePrecision, average_precision
from lucency.evaluation.bootstrap import Key, Meter, Progress, Sampled, measure_samples
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.case_rates import (
    auc_meter,
    case_meter,
    case_rates,
    image_cases,
    patient_cases,
)
from lucency.evaluation.detection_measures import ALL_CLASSES, ClassPrecision, DetectionMeasures
from lucency.evaluation.estimates import Estimate, estimate
from lucency.evaluation.flat_boxes import FlatBoxes, flat_boxes
from lucency.evaluation.froc import froc_curves, froc_meter
from lucency.evaluation.lesion_rates import lesion_meter, lesion_rates
from lucency.evaluation.match_rules import IOU_50, MATCH_RULES, MatchRule
from lucency.evaluation.match_table import MatchTable, limits_of, table_of
from lucency.evaluation.weighted_average_precision import mean_ap50_meter, precision_meter

Limits = Mapping[str, NDArray[np.float64]]


def measure_detections(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    *,
    class_names: Sequence[str],
    thresholds: Mapping[str, Mapping[str, float]],
    rule: MatchRule = IOU_50,
    samples: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> DetectionMeasures:
    """Measure predictions against truth at every level that radiology asks for.

    ``thresholds`` maps operating points to the threshold of each class. ``rule`` decides what is
    found at the operating points and for FROC; average precision is always COCO's, by
    pycocotools. Intervals are those of ``samples`` bootstrap sets drawn by patient, none with 0;
    ``progress`` is told how many sets of how many are done.

    Raises
    ------
    ValueError
        An image stands twice or has predictions but no truth, a class id has no name, or an
        operating point has no threshold for a class.

    """
    limits = limits_of(thresholds, class_names)
    flat = flat_boxes(truths, predictions, class_names=class_names)
    table = table_of(flat, rule)
    found = measure_samples(
        _meters(flat, table, limits),
        flat.image_patient,
        samples=samples,
        seed=seed,
        rows=len(flat.truth_class),
        progress=progress,
    )
    ap = average_precision(truths, predictions, class_names=class_names)
    patients, patients_apart = patient_cases(table), _patients_apart(table)
    return DetectionMeasures(
        rule=rule,
        images=len(table.images),
        negatives=int(np.count_nonzero(~table.image_positive)),
        patients=len(patients.row),
        findings=len(table.truth_class),
        positive_patients=int(np.count_nonzero(patients.positive)),
        samples=samples,
        map50=estimate(ap.map50, found["map50",].samples),
        map50_95=estimate(ap.map50_95, found["map50_95",].samples),
        map50_positives=found["map50_positives",].estimate(),
        agnostic_ap50=found["agnostic_ap50",].estimate(),
        classes=_class_precision(ap, found),
        curves=ap.curves,
        froc=froc_curves(table, found),
        points=lesion_rates(table, limits, found),
        thresholds={point: dict(values) for point, values in thresholds.items()},
        image_level=case_rates(table, image_cases(table), limits, found),
        patient_level=case_rates(table, patients, limits, found) if patients_apart else {},
        image_auc=found["image", "auc"].estimate(),
        patient_auc=found["patient", "auc"].estimate() if patients_apart else Estimate(None),
        recall_by_rule={
            point: {
                name: found[name, point, ALL_CLASSES, "recall"].estimate() for name in MATCH_RULES
            }
            for point in limits
        },
        images_without_patient=sum(not truth.patient_id for truth in truths),
    )


def _meters(flat: FlatBoxes, table: MatchTable, limits: Limits) -> list[Meter]:
    images = image_cases(table)
    meters = [
        precision_meter(flat),
        mean_ap50_meter(flat, ("map50_positives",), images=table.image_positive),
        mean_ap50_meter(flat.of_one_class(), ("agnostic_ap50",)),
        froc_meter(table),
        lesion_meter(table, limits),
        case_meter(table, images, limits),
        auc_meter(images),
    ]
    if _patients_apart(table):
        patients = patient_cases(table)
        meters += [case_meter(table, patients, limits), auc_meter(patients)]
    for name, rule in MATCH_RULES.items():
        by_rule = table_of(flat, rule)
        meters.append(lesion_meter(by_rule, limits, kind=name, only_pooled=True))
    return meters


def _patients_apart(table: MatchTable) -> bool:
    """Whether any patient has several images."""
    return len(np.unique(table.image_patient)) < len(table.images)


def _class_precision(
    ap: AveragePrecision, found: Mapping[Key, Sampled]
) -> dict[str, ClassPrecision]:
    return {
        name: ClassPrecision(
            ap50=estimate(one.ap50, found["ap50", name].samples),
            ap50_95=estimate(one.ap50_95, found["ap50_95", name].samples),
            truths=one.truths,
            predictions=one.predictions,
        )
        for name, one in ap.per_class.items()
    }

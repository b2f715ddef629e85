"""Two models on the same images: the difference of each figure, by a paired bootstrap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.bootstrap import Key, Meter, Progress, Sampled, measure_samples
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.case_rates import auc_meter, image_cases
from lucency.evaluation.detection_measures import ALL_CLASSES
from lucency.evaluation.estimates import Estimate, estimate
from lucency.evaluation.flat_boxes import FlatBoxes, flat_boxes
from lucency.evaluation.froc import froc_meter
from lucency.evaluation.lesion_rates import lesion_meter
from lucency.evaluation.match_rules import IOU_50, MatchRule
from lucency.evaluation.match_table import limits_of, table_of
from lucency.evaluation.weighted_average_precision import mean_ap50_meter, precision_meter

FIGURES: Mapping[str, Key] = {
    "map50": ("map50",),
    "map50_95": ("map50_95",),
    "agnostic_ap50": ("agnostic_ap50",),
    "froc_mean": ("froc", ALL_CLASSES, "mean"),
    "image_auc": ("image", "auc"),
}
POINT_RATES = ("precision", "recall", "f1")


@dataclass(frozen=True)
class Difference:
    """A figure of two models on the same images; ``difference`` is second minus first.

    ``p_value`` is that of the hypothesis that there is none, two-sided; None where no interval
    could be had.
    """

    name: str
    first: Estimate
    second: Estimate
    difference: Estimate
    p_value: float | None


def compare_detections(
    truths: Sequence[ImageTruth],
    first: Sequence[ImagePredictions],
    second: Sequence[ImagePredictions],
    *,
    class_names: Sequence[str],
    rule: MatchRule = IOU_50,
    thresholds_first: Mapping[str, Mapping[str, float]],
    thresholds_second: Mapping[str, Mapping[str, float]],
    samples: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Difference, ...]:
    """Compare the predictions of two models, each at its own thresholds.

    Both are measured on the same sets drawn by patient, so what makes a set hard for both
    cancels. Precision, recall and F1 of all classes pooled (``precision_balanced``) are compared
    at the operating points that both have. ``samples`` and ``progress`` as in
    `measuring.measure_detections`.

    Raises
    ------
    ValueError
        An image stands twice or has predictions but no truth, a class id has no name, or an
        operating point has no threshold for a class.

    """
    shared = [point for point in thresholds_first if point in thresholds_second]
    flats = [flat_boxes(truths, one, class_names=class_names) for one in (first, second)]
    meters = [
        prefixed(str(number), _meters(flat, rule, shared, thresholds))
        for number, (flat, thresholds) in enumerate(
            zip(flats, (thresholds_first, thresholds_second), strict=True)
        )
    ]
    found = measure_samples(
        meters,
        flats[0].image_patient,
        samples=samples,
        seed=seed,
        rows=len(flats[0].truth_class),
        progress=progress,
    )
    keys = dict(FIGURES)
    for point in shared:
        for rate in POINT_RATES:
            keys[f"{rate}_{point}"] = ("points", point, ALL_CLASSES, rate)
    return tuple(
        paired_difference(name, found["0", *key], found["1", *key]) for name, key in keys.items()
    )


def _meters(
    flat: FlatBoxes,
    rule: MatchRule,
    points: Sequence[str],
    thresholds: Mapping[str, Mapping[str, float]],
) -> list[Meter]:
    table = table_of(flat, rule)
    limits = limits_of({point: thresholds[point] for point in points}, flat.class_names)
    return [
        precision_meter(flat),
        mean_ap50_meter(flat.of_one_class(), ("agnostic_ap50",)),
        froc_meter(table),
        auc_meter(image_cases(table)),
        lesion_meter(table, limits, only_pooled=True),
    ]


def prefixed(prefix: str, meters: Sequence[Meter]) -> Meter:
    """One meter of several, its keys beginning with ``prefix``."""

    def measured(weights: NDArray[np.float64]) -> dict[Key, NDArray[np.float64]]:
        return {
            (prefix, *key): values for meter in meters for key, values in meter(weights).items()
        }

    return measured


def paired_difference(name: str, first: Sampled, second: Sampled) -> Difference:
    """The difference of a figure that two models were measured by on the same drawn sets."""
    apart = second.samples - first.samples
    value = second.value - first.value
    return Difference(
        name=name,
        first=first.estimate(),
        second=second.estimate(),
        difference=estimate(value, apart),
        p_value=_two_sided(apart) if np.isfinite(value) else None,
    )


def _two_sided(differences: NDArray[np.float64]) -> float | None:
    """Twice the smaller tail on the other side of zero (Efron and Tibshirani 1993, ch. 15).

    One is added to counts and samples, since no finite number of samples makes p zero (Davison
    and Hinkley 1997, ch. 4).
    """
    known = differences[np.isfinite(differences)]
    if not known.size or known.size * 2 < differences.size:
        return None
    tail = min(np.count_nonzero(known <= 0), np.count_nonzero(known >= 0))
    return float(min(1.0, 2 * (tail + 1) / (known.size + 1)))

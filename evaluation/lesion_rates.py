"""Findings found, missed and falsely called at operating points: what a reader would meet."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.bootstrap import Key, Meter, Sampled, ratio
from lucency.evaluation.detection_measures import ALL_CLASSES, LesionRates
from lucency.evaluation.match_table import MatchTable

RATES = ("precision", "recall", "f1", "false_positives_per_image")


@dataclass(frozen=True)
class _Counts:
    """Counts at one operating point, (C + 1, I) float64: by class, then pooled, and image."""

    hits: NDArray[np.float64]
    alarms: NDArray[np.float64]
    truths: NDArray[np.float64]


def lesion_meter(
    table: MatchTable,
    limits: Mapping[str, NDArray[np.float64]],
    *,
    kind: str = "points",
    only_pooled: bool = False,
) -> Meter:
    """Measures (``kind``, point, class, rate), classes with `ALL_CLASSES`, rates `RATES`.

    ``limits`` maps operating points to thresholds (C,).
    """
    names = (*table.class_names, ALL_CLASSES)
    first = len(names) - 1 if only_pooled else 0
    counts = {point: _counts(table, values) for point, values in limits.items()}

    def measured(weights: NDArray[np.float64]) -> dict[Key, NDArray[np.float64]]:
        images = weights.sum(axis=0)
        figures: dict[Key, NDArray[np.float64]] = {}
        for point, one in counts.items():
            hits, alarms, truths = (
                counted[first:] @ weights for counted in (one.hits, one.alarms, one.truths)
            )
            rates = (
                ratio(hits, hits + alarms),
                ratio(hits, truths),
                ratio(2 * hits, hits + alarms + truths),
                ratio(alarms, images),
            )
            for rate, values in zip(RATES, rates, strict=True):
                for name, by_sample in zip(names[first:], values, strict=True):
                    figures[kind, point, name, rate] = by_sample
        return figures

    return measured


def lesion_rates(
    table: MatchTable, limits: Mapping[str, NDArray[np.float64]], figures: Mapping[Key, Sampled]
) -> dict[str, dict[str, LesionRates]]:
    """Counts by operating point and class, with the rates that `lesion_meter` measured."""
    result: dict[str, dict[str, LesionRates]] = {}
    for point, values in limits.items():
        counts = _counts(table, values)
        thresholds = [*(float(value) for value in values), None]
        result[point] = {}
        for row, name in enumerate((*table.class_names, ALL_CLASSES)):
            tp = int(counts.hits[row].sum())
            result[point][name] = LesionRates(
                threshold=thresholds[row],
                tp=tp,
                fp=int(counts.alarms[row].sum()),
                fn=int(counts.truths[row].sum()) - tp,
                **{rate: figures["points", point, name, rate].estimate() for rate in RATES},
            )
    return result


def _counts(table: MatchTable, limits: NDArray[np.float64]) -> _Counts:
    called = table.prediction_score >= limits[table.prediction_class]
    hit = table.prediction_truth >= 0
    return _Counts(
        hits=_by_class(table, table.prediction_class, table.prediction_image, called & hit),
        alarms=_by_class(table, table.prediction_class, table.prediction_image, called & ~hit),
        truths=_by_class(
            table, table.truth_class, table.truth_image, np.ones(len(table.truth_class), np.bool_)
        ),
    )


def _by_class(
    table: MatchTable,
    class_ids: NDArray[np.int64],
    images: NDArray[np.int64],
    chosen: NDArray[np.bool_],
) -> NDArray[np.float64]:
    shape = (len(table.class_names), len(table.images))
    cells = class_ids[chosen] * shape[1] + images[chosen]
    counts = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    return np.vstack([counts, counts.sum(axis=0)])

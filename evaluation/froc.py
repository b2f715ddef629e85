"""Free-response ROC: findings found against false alarms an image (Bunch et al. 1977).

The score is summarised as in van Ginneken et al. 2010 (ANODE09) and LUNA16: the sensitivity at
1/8, 1/4, 1/2, 1, 2, 4 and 8 false alarms an image, and the mean of the seven.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.bootstrap import Key, Meter, Sampled, ratio
from lucency.evaluation.detection_measures import ALL_CLASSES, FROC_FALSE_POSITIVES, Froc
from lucency.evaluation.match_table import MatchTable


@dataclass(frozen=True)
class _Sweep:
    """A threshold lowered along the K scores at which findings are found.

    ``thresholds`` (K,) fall. ``hits`` and ``alarms`` (K, I) sparse count the finds and the false
    alarms of each image that step k adds; ``truths`` (I,) the findings. Boxes of one score enter
    together. ``last`` is the lowest score of all with the number of all false alarms, or None
    without predictions.
    """

    thresholds: NDArray[np.float64]
    hits: Any
    alarms: Any
    truths: NDArray[np.float64]
    last: tuple[float, int] | None


def froc_meter(table: MatchTable) -> Meter:
    """Measures ("froc", name, rate) for each class and `ALL_CLASSES`, ("froc", name, "mean").

    ``rate`` is one of `FROC_FALSE_POSITIVES` as text.
    """
    sweeps = {name: _sweep(table, name) for name in (*table.class_names, ALL_CLASSES)}

    def measured(weights: NDArray[np.float64]) -> dict[Key, NDArray[np.float64]]:
        figures: dict[Key, NDArray[np.float64]] = {}
        for name, sweep in sweeps.items():
            found = _sensitivities(sweep, weights)
            for rate, values in zip(FROC_FALSE_POSITIVES, found, strict=True):
                figures["froc", name, str(rate)] = values
            figures["froc", name, "mean"] = found.mean(axis=0)
        return figures

    return measured


def froc_curves(table: MatchTable, figures: Mapping[Key, Sampled]) -> dict[str, Froc]:
    """The curves of each class and of all pooled, with the figures that `froc_meter` measured."""
    return {
        name: _curve(_sweep(table, name), name, figures)
        for name in (*table.class_names, ALL_CLASSES)
    }


def _curve(sweep: _Sweep, name: str, figures: Mapping[Key, Sampled]) -> Froc:
    truths, images = sweep.truths.sum(), len(sweep.truths)
    found, alarms = np.cumsum(sweep.hits.sum(axis=1)), np.cumsum(sweep.alarms.sum(axis=1))
    thresholds = sweep.thresholds
    if sweep.last is not None and not (thresholds.size and thresholds[-1] == sweep.last[0]):
        thresholds = np.append(thresholds, sweep.last[0])
        alarms = np.append(alarms, sweep.last[1])
        found = np.append(found, found[-1] if found.size else 0.0)
    if not truths:
        found = alarms = thresholds = np.zeros(0)
    return Froc(
        false_positives_per_image=alarms / max(images, 1),
        sensitivity=found / max(truths, 1.0),
        thresholds=thresholds,
        at={rate: figures["froc", name, str(rate)].estimate() for rate in FROC_FALSE_POSITIVES},
        mean=figures["froc", name, "mean"].estimate(),
    )


def _sweep(table: MatchTable, name: str) -> _Sweep:
    from scipy.sparse import csr_array  # the service imports this folder and needs no scipy

    predicted = np.arange(len(table.prediction_score))
    marked = table.truth_image
    if name != ALL_CLASSES:
        class_id = table.class_names.index(name)
        predicted = np.flatnonzero(table.prediction_class == class_id)
        marked = marked[table.truth_class == class_id]
    scores, hit = table.prediction_score[predicted], table.prediction_truth[predicted] >= 0
    steps = np.unique(scores[hit])[::-1]
    # The first step whose threshold a score reaches; below the last one nothing more is found.
    enters = np.searchsorted(-steps, -scores, side="left")
    shape = (len(steps), len(table.images))

    def counted(chosen: NDArray[np.bool_]) -> Any:
        rows = np.flatnonzero(chosen & (enters < len(steps)))
        entry = (enters[rows], table.prediction_image[predicted[rows]])
        return csr_array((np.ones(len(rows)), entry), shape=shape)

    return _Sweep(
        thresholds=steps,
        hits=counted(hit),
        alarms=counted(~hit),
        truths=np.bincount(marked, minlength=len(table.images)).astype(np.float64),
        last=(float(scores.min()), int(np.count_nonzero(~hit))) if scores.size else None,
    )


def _sensitivities(sweep: _Sweep, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sensitivity (7, S) at each rate: of the lowest threshold with no more false alarms."""
    truths, images = sweep.truths @ weights, weights.sum(axis=0)
    alarms = np.cumsum(sweep.alarms @ weights, axis=0)
    found = np.vstack([np.zeros(weights.shape[1]), np.cumsum(sweep.hits @ weights, axis=0)])
    columns = np.arange(weights.shape[1])
    return np.stack(
        [
            ratio(found[(alarms <= rate * images).sum(axis=0), columns], truths)
            for rate in FROC_FALSE_POSITIVES
        ]
    )

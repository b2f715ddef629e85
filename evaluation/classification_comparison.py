"""Two classifiers on the same images: the difference of each figure, by a paired bootstrap."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.bootstrap import Key, Progress, measure_samples
from lucency.evaluation.classifying import MEAN_AUC, check_arrays, label_meter
from lucency.evaluation.comparison import Difference, paired_difference, prefixed
from lucency.evaluation.delong import delong_test

POINT_RATES = ("sensitivity", "specificity")


def compare_classification(
    truth: NDArray[np.floating],
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    patients: Sequence[str],
    *,
    class_names: Sequence[str],
    points_first: Mapping[str, Mapping[str, float]],
    points_second: Mapping[str, Mapping[str, float]],
    samples: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Difference, ...]:
    """Compare the probabilities (N, C) of two models, each at its own thresholds.

    Both are measured on the same sets drawn by patient, so what makes a set hard for both
    cancels. Names are ``mean_auc``; of each label ``auc_tb`` and, with DeLong's intervals and
    test, ``auc_delong_tb``; and at the operating points that both have
    ``sensitivity_balanced_tb`` and ``specificity_balanced_tb``. The other parameters as in
    `measure_classification`.

    Raises
    ------
    ValueError
        As `measure_classification`.

    """
    shared = [point for point in points_first if point in points_second]
    meters = []
    for number, (found, points) in enumerate(((first, points_first), (second, points_second))):
        patient = check_arrays(truth, found, patients, class_names, points)
        common = {point: points[point] for point in shared}
        meters.append(prefixed(str(number), [label_meter(truth, found, class_names, common)]))
    measured = measure_samples(meters, patient, samples=samples, seed=seed, progress=progress)

    def difference(name: str, key: Key) -> Difference:
        return paired_difference(name, measured["0", *key], measured["1", *key])

    differences = [difference("mean_auc", MEAN_AUC)]
    for column, label in enumerate(class_names):
        differences.append(difference(f"auc_{label}", ("auc", label)))
        differences.append(_by_delong(label, truth[:, column], first[:, column], second[:, column]))
        for point in shared:
            for rate in POINT_RATES:
                key = ("points", point, label, rate)
                differences.append(difference(f"{rate}_{point}_{label}", key))
    return tuple(differences)


def _by_delong(
    label: str,
    truth: NDArray[np.floating],
    first: NDArray[np.floating],
    second: NDArray[np.floating],
) -> Difference:
    known = ~np.isnan(truth)
    scores = (found[known].astype(np.float64) for found in (first, second))
    test = delong_test(truth[known] == 1, *scores)
    return Difference(f"auc_delong_{label}", test.first, test.second, test.difference, test.p_value)

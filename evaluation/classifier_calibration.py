"""Calibration of a classifier: from the network's output to a probability, and what it changes.

A temperature makes all probabilities surer or less sure by one factor on the logit scale (Guo et
al. 2017) and keeps their order; of labels that exclude each other it is one for all, so that they
still sum to 1. A map holds for the prevalence it was fitted at. Its effect is measured on images
that it was not fitted on: with one validation set, by cross-fitting (`cross_fitted`).
Running a model needs numpy only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lucency.configs.calibration import ClassCalibration
from lucency.evaluation.calibration import (
    FEWEST,
    CalibrationMeasures,
    calibrated,
    fit_calibration,
    measure_calibration,
)
from lucency.evaluation.estimates import Estimate
from lucency.evaluation.image_labels import check_classified, patient_numbers

Method = Literal["temperature", "isotonic", "none"]
FOLDS = 5
# 1 / temperature. At the lower end all probabilities are near 1/C, as of a network that knows
# nothing; the upper is out of reach of real ones.
LEAST_SLOPE, MOST_SLOPE = 0.05, 20.0
# For fitting alone: a probability of exactly 0 has no logarithm.
_LEAST_PROBABILITY = 1e-6
UNCHANGED = ClassCalibration(method="platt")


@dataclass(frozen=True)
class CalibrationEffect:
    """How good a label's probabilities are, as the network gives them and calibrated.

    ``before`` and ``after`` are in ten bins of equal width, ``ece_equal_mass_…`` in ten of equally
    many images.
    """

    before: CalibrationMeasures
    after: CalibrationMeasures
    ece_equal_mass_before: Estimate
    ece_equal_mass_after: Estimate


def calibrate(
    raw: ArrayLike,
    calibration: Mapping[str, ClassCalibration],
    *,
    class_names: Sequence[str],
    exclusive: bool = False,
) -> NDArray[np.float64]:
    """Calibrated probabilities of a network's ``raw`` ones, (…, C) both.

    Without ``calibration`` they stay as they are. Those of ``exclusive`` labels sum to 1 again.
    """
    values = np.asarray(raw, dtype=np.float64)
    if not calibration:
        return values
    if exclusive:
        powers = values ** np.array([calibration[name].slope for name in class_names])
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
    columns = [calibrated(values[..., c], calibration[name]) for c, name in enumerate(class_names)]
    return np.stack(columns, axis=-1)


def fit_temperature(probabilities: NDArray[np.float64], class_ids: NDArray[np.int64]) -> float:
    """The slope, 1 / temperature, of least log loss on the logit scale.

    ``probabilities`` (N, C) sum to 1 by row, ``class_ids`` (N,) are the true ones; C is 2 for a
    single label. p_i ** slope, normalised, are then the better probabilities. As with Platt's
    targets, the true class counts as if one more image of each class had been seen, without which
    a set that a network gets wholly right would make it infinitely sure. The slope lies between
    `LEAST_SLOPE` and `MOST_SLOPE`.
    """
    logs = np.log(np.clip(probabilities, _LEAST_PROBABILITY, 1.0))
    images, classes = logs.shape
    of_class = np.bincount(class_ids, minlength=classes)[class_ids].astype(np.float64)
    targets = np.repeat(1.0 / (of_class + classes)[:, None], classes, axis=1)
    targets[np.arange(images), class_ids] *= of_class + 1.0
    wanted = (targets * logs).sum()
    low, high = np.log(LEAST_SLOPE), np.log(MOST_SLOPE)
    # The loss is convex, so its derivative by the slope rises and one bisection finds its zero.
    for _ in range(50):
        middle = (low + high) / 2
        powers = np.exp(np.exp(middle) * (logs - logs.max(axis=1, keepdims=True)))
        powers /= powers.sum(axis=1, keepdims=True)
        if (powers * logs).sum() < wanted:
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))


def uncalibrated_labels(
    truth: NDArray[np.floating], *, class_names: Sequence[str], exclusive: bool = False
) -> tuple[str, ...]:
    """The labels of ``truth`` (N, C) that are too rarely known to be calibrated.

    A label needs `FEWEST` images with it and as many without; of labels that exclude each other,
    two must have as many, or none is calibrated.
    """
    positives = np.count_nonzero(truth == 1, axis=0)
    if exclusive:
        return () if np.count_nonzero(positives >= FEWEST) >= 2 else tuple(class_names)
    scarce = np.minimum(positives, np.count_nonzero(truth == 0, axis=0)) < FEWEST
    return tuple(name for name, few in zip(class_names, scarce, strict=True) if few)


def fit_classifier_calibration(
    raw: NDArray[np.float64],
    truth: NDArray[np.floating],
    *,
    class_names: Sequence[str],
    method: Method,
    exclusive: bool = False,
) -> dict[str, ClassCalibration]:
    """Fit each label's map on its known ``truth`` (N, C) and the network's ``raw`` (N, C).

    `uncalibrated_labels` keep their probabilities. Nothing is fitted by method ``none``.

    Raises
    ------
    ValueError
        The arrays are not both (N, C), a probability is not in [0, 1], or ``method`` is isotonic
        and the labels ``exclusive``, which would then no longer sum to 1.

    """
    check_classified(truth, raw, class_names)
    if exclusive and method == "isotonic":
        raise ValueError("exclusive labels can be calibrated by a temperature only")
    scarce = uncalibrated_labels(truth, class_names=class_names, exclusive=exclusive)
    return _fitted(raw, truth, class_names, method, exclusive, scarce)


def cross_fitted(
    raw: NDArray[np.float64],
    truth: NDArray[np.floating],
    patients: Sequence[str],
    *,
    class_names: Sequence[str],
    method: Method,
    exclusive: bool = False,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Calibrated probabilities (N, C), each by maps fitted on other patients' images.

    In `FOLDS` parts of as many patients each, alike in their labels. ``patients`` (N,) as in
    `measure_classification`; the other parameters, and what it raises, as
    `fit_classifier_calibration`, whose own maps are those fitted on all of it.
    """
    check_classified(truth, raw, class_names)
    scarce = uncalibrated_labels(truth, class_names=class_names, exclusive=exclusive)
    after = np.array(raw, dtype=np.float64)
    for held_out in _folds(truth, patient_numbers(patients), seed=seed):
        kept = ~held_out
        fitted = _fitted(raw[kept], truth[kept], class_names, method, exclusive, scarce)
        after[held_out] = calibrate(
            raw[held_out], fitted, class_names=class_names, exclusive=exclusive
        )
    return after


def measure_classifier_calibration(
    raw: NDArray[np.float64],
    after: NDArray[np.float64],
    truth: NDArray[np.floating],
    patients: Sequence[str],
    *,
    class_names: Sequence[str],
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, CalibrationEffect]:
    """Measure each label's ``raw`` and calibrated (``after``) probabilities, (N, C) both.

    On images that the calibration was not fitted on; else ``after`` is `cross_fitted`. Unknown
    labels, NaN in ``truth`` (N, C), do not count.

    Raises
    ------
    ValueError
        The arrays are not all (N, C), or a probability is not in [0, 1].

    """
    for probabilities in (raw, after):
        check_classified(truth, probabilities, class_names)
    groups = patient_numbers(patients).astype(np.str_)
    effects: dict[str, CalibrationEffect] = {}
    for column, name in enumerate(class_names):
        known = ~np.isnan(truth[:, column])
        positive, whose = truth[known, column] == 1, groups[known].tolist()
        (before, mass_before), (later, mass_after) = (
            [
                measure_calibration(
                    probabilities[known, column],
                    positive,
                    groups=whose,
                    equal_mass=equal_mass,
                    samples=samples,
                    seed=seed,
                )
                for equal_mass in (False, True)
            ]
            for probabilities in (raw, after)
        )
        effects[name] = CalibrationEffect(before, later, mass_before.ece, mass_after.ece)
    return effects


def _fitted(
    raw: NDArray[np.float64],
    truth: NDArray[np.floating],
    class_names: Sequence[str],
    method: Method,
    exclusive: bool,
    scarce: Sequence[str],
) -> dict[str, ClassCalibration]:
    if method == "none":
        return {}
    if exclusive:
        known = ~np.isnan(truth).any(axis=1) & (not scarce)
        slope = fit_temperature(raw[known], truth[known].argmax(axis=1)) if known.any() else 1.0
        return dict.fromkeys(class_names, ClassCalibration(method="platt", slope=slope))
    maps = dict.fromkeys(class_names, UNCHANGED)
    for column, name in enumerate(class_names):
        known = ~np.isnan(truth[:, column])
        score, positive = raw[known, column], truth[known, column] == 1
        if name in scarce or not known.any():
            continue
        if method == "isotonic":
            maps[name] = fit_calibration(score, positive, method=method)
        else:
            both = np.stack([1.0 - score, score], axis=1)
            slope = fit_temperature(both, positive.astype(np.int64))
            maps[name] = ClassCalibration(method="platt", slope=slope)
    return maps


def _folds(
    truth: NDArray[np.floating], patient: NDArray[np.int64], *, seed: int
) -> Iterator[NDArray[np.bool_]]:
    """(N,) bool, the images of each fold; of a single patient there is none."""
    rng = np.random.default_rng(seed)
    patients = int(patient.max(initial=-1)) + 1
    if patients < 2:
        return
    # What is known of a patient: for each label whether any image has it, and any has it not.
    seen = np.zeros((patients, 2 * truth.shape[1]), dtype=np.bool_)
    np.logical_or.at(seen, patient, np.concatenate([truth == 1, truth == 0], axis=1))
    # Dealt out in the order of these patterns, so that the folds have about as many of each.
    order = np.lexsort([rng.random(patients), *seen.T])
    fold = np.empty(patients, dtype=np.int64)
    fold[order] = np.arange(patients) % FOLDS
    for number in range(min(FOLDS, patients)):
        yield fold[patient] == number

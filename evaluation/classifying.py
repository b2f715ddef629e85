"""Everything that is measured of a classifier on a set of images, with 95% intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.bootstrap import (
    Key,
    Meter,
    Progress,
    Sampled,
    class_mean,
    measure_samples,
    ratio,
)
from lucency.evaluation.call_rates import call_counts, call_rates
from lucency.evaluation.classification_measures import (
    ClassificationMeasures,
    LabelMeasures,
    LabelRates,
)
from lucency.evaluation.delong import delong_interval
from lucency.evaluation.image_labels import check_classified, patient_numbers
from lucency.evaluation.roc import precision_recall_curve, roc_curve, weighted_areas

Points = Mapping[str, Mapping[str, float]]
MEAN_AUC, ACCURACY = ("mean_auc",), ("accuracy",)


def measure_classification(
    truth: NDArray[np.floating],
    probabilities: NDArray[np.floating],
    patients: Sequence[str],
    *,
    class_names: Sequence[str],
    points: Points,
    exclusive: bool = False,
    samples: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> ClassificationMeasures:
    """Measure ``probabilities`` (N, C) against ``truth`` (N, C), 1, 0, or NaN where unknown.

    Each label is measured on the images for which it is known. ``patients`` (N,) names whose image
    each is; where it is "", the image is a patient of its own. ``points`` maps operating points to
    the threshold of each class. Of ``exclusive`` labels an image has exactly one, or some are
    unknown and it counts in neither accuracy nor confusion matrix. Intervals are those of
    ``samples`` bootstrap sets drawn by patient, none with 0; ``progress`` is told how many sets
    of how many are done.

    Raises
    ------
    ValueError
        The arrays are not both (N, C), there are not N patients, a probability is not finite, an
        operating point has no threshold for a class, or an image has none or several of
        ``exclusive`` labels.

    """
    patient = check_arrays(truth, probabilities, patients, class_names, points)
    meters = [label_meter(truth, probabilities, class_names, points)]
    confusion = None
    if exclusive:
        told, true, called = _single_answers(truth, probabilities)
        meters.append(_accuracy_meter(told, true == called))
        confusion = np.zeros((len(class_names),) * 2, dtype=np.int64)
        np.add.at(confusion, (true, called), 1)
    found = measure_samples(meters, patient, samples=samples, seed=seed, progress=progress)
    without = sum(not name for name in patients)
    return ClassificationMeasures(
        images=len(truth),
        patients=len(np.unique(patient)),
        patients_known=not len(truth) or without < len(truth),
        images_without_patient=without,
        samples=samples,
        labels={
            name: _label(name, truth[:, column], probabilities[:, column], points, found)
            for column, name in enumerate(class_names)
        },
        mean_auc=found[MEAN_AUC].estimate(),
        accuracy=found[ACCURACY].estimate() if exclusive else None,
        confusion=confusion,
    )


def check_arrays(
    truth: NDArray[np.floating],
    probabilities: NDArray[np.floating],
    patients: Sequence[str],
    class_names: Sequence[str],
    points: Points,
) -> NDArray[np.int64]:
    """Check what `measure_classification` is given; returns the number (N,) of each patient."""
    check_classified(truth, probabilities, class_names)
    if len(patients) != len(truth):
        raise ValueError(f"patients must be ({len(truth)},), got ({len(patients)},)")
    for point, thresholds in points.items():
        missing = [name for name in class_names if name not in thresholds]
        if missing:
            raise ValueError(f"operating point '{point}' has no threshold for {missing[0]}")
    return patient_numbers(patients)


def label_meter(
    truth: NDArray[np.floating],
    probabilities: NDArray[np.floating],
    class_names: Sequence[str],
    points: Points,
) -> Meter:
    """Measures ("auc", class), ("ap", class), `MEAN_AUC` and ("points", point, class, rate)."""
    labels = []
    for column, name in enumerate(class_names):
        known = np.flatnonzero(~np.isnan(truth[:, column]))
        positive, score = _known(truth[:, column], probabilities[:, column])
        counts = {
            point: np.stack(call_counts(positive, score >= thresholds[name]))
            for point, thresholds in points.items()
        }
        labels.append((name, known, positive, score, counts))

    def measured(weights: NDArray[np.float64]) -> dict[Key, NDArray[np.float64]]:
        figures: dict[Key, NDArray[np.float64]] = {}
        for name, known, positive, score, counts in labels:
            weight = weights[known]
            figures["auc", name], figures["ap", name] = weighted_areas(positive, score, weight)
            for point, cells in counts.items():
                for rate, values in call_rates(*(cells @ weight)).items():
                    figures["points", point, name, rate] = values
        aucs = [figures["auc", name] for name, *_ in labels]
        figures[MEAN_AUC] = class_mean(np.stack(aucs))
        return figures

    return measured


def _single_answers(
    truth: NDArray[np.floating], probabilities: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The rows (K,) of the images whose one label is known, that label, and the most probable."""
    told = np.flatnonzero(~np.isnan(truth).any(axis=1))
    carried = np.count_nonzero(truth[told] == 1, axis=1)
    if np.any(carried != 1):
        wrong = int(np.flatnonzero(carried != 1)[0])
        raise ValueError(
            f"an image must have one of labels that exclude each other, image {told[wrong]} has "
            f"{carried[wrong]}"
        )
    return told, truth[told].argmax(axis=1), probabilities[told].argmax(axis=1)


def _accuracy_meter(told: NDArray[np.int64], right: NDArray[np.bool_]) -> Meter:
    def measured(weights: NDArray[np.float64]) -> dict[Key, NDArray[np.float64]]:
        weight = weights[told]
        return {ACCURACY: ratio(right.astype(np.float64) @ weight, weight.sum(axis=0))}

    return measured


def _known(
    truth: NDArray[np.floating], probabilities: NDArray[np.floating]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Truth and score (K,) of the images for which a label is known."""
    known = ~np.isnan(truth)
    return truth[known] == 1, probabilities[known].astype(np.float64)


def _label(
    name: str,
    truth: NDArray[np.floating],
    probabilities: NDArray[np.floating],
    points: Points,
    found: Mapping[Key, Sampled],
) -> LabelMeasures:
    positive, score = _known(truth, probabilities)
    rates: dict[str, LabelRates] = {}
    for point, thresholds in points.items():
        counts = call_counts(positive, score >= thresholds[name])
        tp, fp, tn, fn = (int(part.sum()) for part in counts)
        measured = {
            rate: found["points", point, name, rate].estimate()
            for rate in ("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1")
        }
        rates[point] = LabelRates(thresholds[name], tp, fp, tn, fn, **measured)
    return LabelMeasures(
        positives=int(np.count_nonzero(positive)),
        negatives=int(np.count_nonzero(~positive)),
        auc=found["auc", name].estimate(),
        auc_delong=delong_interval(positive, score),
        average_precision=found["ap", name].estimate(),
        roc=roc_curve(positive, score),
        precision_recall=precision_recall_curve(positive, score),
        points=rates,
    )

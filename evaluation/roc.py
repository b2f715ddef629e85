"""A yes/no question at all thresholds: the ROC and precision-recall curves, and their areas."""

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.bootstrap import ratio
from lucency.evaluation.classification_measures import PrecisionRecallCurve, RocCurve


def roc_curve(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> RocCurve | None:
    """The ROC curve by scikit-learn; None if all of ``truth`` (N,) are positive or none is.

    Raises
    ------
    ValueError
        The arrays differ in length, or a score is not finite.

    """
    from sklearn import metrics

    if not _two_sided(truth, score):
        return None
    false_rate, true_rate, thresholds = metrics.roc_curve(truth, score)
    return RocCurve(*(np.asarray(part, np.float64) for part in (false_rate, true_rate, thresholds)))


def precision_recall_curve(
    truth: NDArray[np.bool_], score: NDArray[np.float64]
) -> PrecisionRecallCurve | None:
    """The precision-recall curve by scikit-learn; None and errors as `roc_curve`."""
    from sklearn import metrics

    if not _two_sided(truth, score):
        return None
    precision, recall, thresholds = metrics.precision_recall_curve(
        truth, score, drop_intermediate=True
    )
    # From the strictest threshold on, as the ROC curve.
    return PrecisionRecallCurve(
        np.asarray(precision[::-1], np.float64),
        np.asarray(recall[::-1], np.float64),
        np.append(np.inf, thresholds[::-1]),
    )


def auc(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> float | None:
    """The area under the ROC curve; None and errors as `roc_curve`."""
    if not _two_sided(truth, score):
        return None
    return float(weighted_areas(truth, score, np.ones((len(score), 1)))[0][0])


def weighted_auc(
    positive: NDArray[np.bool_], score: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The area under the ROC curve alone, as `weighted_areas`."""
    return weighted_areas(positive, score, weights)[0]


def weighted_areas(
    positive: NDArray[np.bool_], score: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AUC and average precision of N cases under each of S weightings (N, S).

    Returns (S,) twice, NaN where all that have weight are positive, or none is. In the AUC ties
    count half (Hanley and McNeil 1982). Average precision is the area of the curve's steps, as
    scikit-learn's, not interpolated.
    """
    if not len(score):
        return np.full(weights.shape[1], np.nan), np.full(weights.shape[1], np.nan)
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    weight, truth = weights[order], positive[order][:, None]
    # By different score, falling: what stands there, and what stands there or above.
    hits = np.add.reduceat(weight * truth, starts, axis=0)
    alarms = np.add.reduceat(weight * ~truth, starts, axis=0)
    hits_above, alarms_above = np.cumsum(hits, axis=0), np.cumsum(alarms, axis=0)
    positives, negatives = hits_above[-1], alarms_above[-1]
    below = negatives - alarms_above + alarms / 2
    area = ratio((hits * below).sum(axis=0), positives * negatives)
    called = hits_above + alarms_above
    precision = np.divide(hits_above, called, out=np.zeros_like(called), where=called > 0)
    steps = ratio((hits * precision).sum(axis=0), positives)
    return area, np.where(negatives > 0, steps, np.nan)


def _two_sided(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> bool:
    """Whether some are positive and some are not."""
    if truth.ndim != 1 or truth.shape != score.shape:
        raise ValueError(f"truth and score must both be (N,), got {truth.shape} and {score.shape}")
    if not np.isfinite(score).all():
        raise ValueError("scores must be finite")
    return bool(truth.any()) and not bool(truth.all())

"""Image-level measures of a yes/no question: ROC curve, AUC, and rates at a threshold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics


@dataclass(frozen=True)
class RocCurve:
    """``false_positive_rate`` and ``true_positive_rate`` (K,), rising; ``thresholds`` falling.

    The first threshold is infinite: nothing is called positive there.
    """

    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True)
class ClassificationMetrics:
    """Rates of one yes/no question at ``threshold``; a rate without a denominator is None.

    ``tn``, ``fp``, ``fn``, ``tp`` count images; an image is called positive if its probability is
    at least the threshold. ``auc`` does not depend on the threshold; it is None if all images
    are positive or none is.
    """

    threshold: float
    auc: float | None
    tn: int
    fp: int
    fn: int
    tp: int

    @property
    def positives(self) -> int:
        """Images with the finding."""
        return self.tp + self.fn

    @property
    def negatives(self) -> int:
        """Images without the finding."""
        return self.tn + self.fp

    @property
    def sensitivity(self) -> float | None:
        """Share of the positives called positive."""
        return _ratio(self.tp, self.positives)

    @property
    def specificity(self) -> float | None:
        """Share of the negatives called negative."""
        return _ratio(self.tn, self.negatives)

    @property
    def ppv(self) -> float | None:
        """Share of those called positive that are; holds for this set's prevalence only."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def npv(self) -> float | None:
        """Share of those called negative that are; holds for this set's prevalence only."""
        return _ratio(self.tn, self.tn + self.fn)

    @property
    def accuracy(self) -> float | None:
        """Share of all images called rightly."""
        return _ratio(self.tp + self.tn, self.positives + self.negatives)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(2, 2) counts, truth by row and call by column: ``[[tn, fp], [fn, tp]]``."""
        return np.array([[self.tn, self.fp], [self.fn, self.tp]], dtype=np.int64)

    def summary(self) -> dict[str, float | int | None]:
        """Counts and rates by name."""
        return {
            "threshold": self.threshold,
            "auc": self.auc,
            "sensitivity": self.sensitivity,
            "specificity": self.specificity,
            "ppv": self.ppv,
            "npv": self.npv,
            "accuracy": self.accuracy,
            "tp": self.tp,
            "fp": self.fp,
            "tn": self.tn,
            "fn": self.fn,
        }


def classification_metrics(
    truth: NDArray[np.bool_], probability: NDArray[np.float64], *, threshold: float
) -> ClassificationMetrics:
    """Measure ``probability`` (N,) against ``truth`` (N,); N may be 0.

    Raises
    ------
    ValueError
        The arrays differ in length, or a probability is not finite.

    """
    truth = _checked(truth, probability)
    called = probability >= threshold
    return ClassificationMetrics(
        threshold=threshold,
        auc=float(metrics.roc_auc_score(truth, probability)) if _two_sided(truth) else None,
        tn=int(np.count_nonzero(~truth & ~called)),
        fp=int(np.count_nonzero(~truth & called)),
        fn=int(np.count_nonzero(truth & ~called)),
        tp=int(np.count_nonzero(truth & called)),
    )


def roc_curve(truth: NDArray[np.bool_], probability: NDArray[np.float64]) -> RocCurve | None:
    """The ROC curve by scikit-learn; None if all of ``truth`` (N,) are positive or none is.

    Raises
    ------
    ValueError
        The arrays differ in length, or a probability is not finite.

    """
    truth = _checked(truth, probability)
    if not _two_sided(truth):
        return None
    false_rate, true_rate, thresholds = metrics.roc_curve(truth, probability)
    return RocCurve(
        np.asarray(false_rate, dtype=np.float64),
        np.asarray(true_rate, dtype=np.float64),
        np.asarray(thresholds, dtype=np.float64),
    )


def _checked(truth: NDArray[np.bool_], probability: NDArray[np.float64]) -> NDArray[np.bool_]:
    if truth.ndim != 1 or truth.shape != probability.shape:
        raise ValueError(
            f"truth and probability must both be (N,), got {truth.shape} and {probability.shape}"
        )
    if not np.isfinite(probability).all():
        raise ValueError("probabilities must be finite")
    return truth.astype(np.bool_)


def _two_sided(truth: NDArray[np.bool_]) -> bool:
    return bool(truth.any()) and not bool(truth.all())


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None

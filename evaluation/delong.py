"""The AUC's variance and the test of two AUCs, without drawing samples.

DeLong, DeLong and Clarke-Pearson, Biometrics 1988, by the mid-ranks of Sun and Xu, IEEE Signal
Processing Letters 2014, in O(N log N). Every image counts as a patient of its own: where patients
have several, the intervals are too narrow and the p-values too small, and the bootstrap over
patients is to be believed.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.estimates import Estimate

# Of the standard normal distribution, for 95%.
_Z = 1.959963984540054


@dataclass(frozen=True)
class DelongTest:
    """Two AUCs on the same images; ``difference`` is second minus first.

    ``p_value`` is that of the hypothesis that there is none, two-sided; None where it cannot be
    had: without two positives and two negatives, or where both are 0 or 1 and differ.
    """

    first: Estimate
    second: Estimate
    difference: Estimate
    p_value: float | None


def delong_interval(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> Estimate:
    """The AUC of ``score`` (N,) for ``truth`` (N,) with its 95% interval.

    The interval is symmetric on the logit scale, so it stays within 0 and 1 (Pepe 2003, ch. 5).
    Where DeLong's variance is 0, as with an AUC of exactly 1, or needs more than one positive or
    negative, it is that of Newcombe's score method (Statistics in Medicine 2006, method 5), which
    is known from the AUC and the counts alone. Without positives or negatives there is no value.

    Raises
    ------
    ValueError
        The arrays differ in length, or a score is not finite.

    """
    of_positives, of_negatives = _placements(truth, score)
    if not of_positives.size or not of_negatives.size:
        return Estimate(None)
    area = float(of_positives.mean())
    variance = _variance(of_positives, of_negatives)
    if variance is None or variance <= 0.0 or not 0.0 < area < 1.0:
        return _newcombe(area, len(of_positives), len(of_negatives))
    logit = math.log(area / (1.0 - area))
    reach = _Z * math.sqrt(variance) / (area * (1.0 - area))
    return Estimate(area, _logistic(logit - reach), _logistic(logit + reach))


def delong_test(
    truth: NDArray[np.bool_], first: NDArray[np.float64], second: NDArray[np.float64]
) -> DelongTest:
    """Compare two scores (N,) of the same images, each AUC with its `delong_interval`.

    The interval of the difference is symmetric about it.

    Raises
    ------
    ValueError
        As `delong_interval`.

    """
    areas = (delong_interval(truth, first), delong_interval(truth, second))
    if areas[0].value is None or areas[1].value is None:
        return DelongTest(*areas, Estimate(None), None)
    apart = areas[1].value - areas[0].value
    # The variance of a difference is that of the differences of what the AUCs are means of.
    before, after = _placements(truth, first), _placements(truth, second)
    variance = _variance(after[0] - before[0], after[1] - before[1])
    if variance is None or (variance <= 0.0 and apart != 0.0):
        return DelongTest(*areas, Estimate(apart), None)
    if variance <= 0.0:
        return DelongTest(*areas, Estimate(0.0, 0.0, 0.0), 1.0)
    error = math.sqrt(variance)
    low, high = max(-1.0, apart - _Z * error), min(1.0, apart + _Z * error)
    p_value = math.erfc(abs(apart) / error / math.sqrt(2.0))
    return DelongTest(*areas, Estimate(apart, low, high), p_value)


def _placements(
    truth: NDArray[np.bool_], score: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each positive the share of negatives below it, of each negative that of positives above.

    Ties count half; the mean of either is the AUC.
    """
    if truth.ndim != 1 or truth.shape != score.shape:
        raise ValueError(f"truth and score must both be (N,), got {truth.shape} and {score.shape}")
    if not np.isfinite(score).all():
        raise ValueError("scores must be finite")
    positive = truth.astype(np.bool_)
    positives, negatives = score[positive], score[~positive]
    if not positives.size or not negatives.size:
        return np.zeros(len(positives)), np.zeros(len(negatives))
    ranks = _mid_ranks(score)
    below = (ranks[positive] - _mid_ranks(positives)) / len(negatives)
    above = 1.0 - (ranks[~positive] - _mid_ranks(negatives)) / len(positives)
    return below, above


def _mid_ranks(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, equal scores sharing the mean of theirs."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse], dtype=np.float64)


def _variance(of_positives: NDArray[np.float64], of_negatives: NDArray[np.float64]) -> float | None:
    if min(len(of_positives), len(of_negatives)) < 2:
        return None
    parts = (np.var(part, ddof=1) / len(part) for part in (of_positives, of_negatives))
    return float(sum(parts))


def _newcombe(area: float, positives: int, negatives: int) -> Estimate:
    """The areas from which this one is no further than 1.96 of their own standard errors."""
    half = (positives + negatives) / 2 - 1

    def reached(other: float) -> bool:
        spread = 1 + half * ((1 - other) / (2 - other) + other / (1 + other))
        variance = other * (1 - other) * spread / (positives * negatives)
        return (area - other) ** 2 <= _Z**2 * variance

    ends = []
    for end in (0.0, 1.0):
        inside, outside = area, end
        for _ in range(50):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if reached(middle) else (inside, middle)
        ends.append(inside)
    return Estimate(area, *ends)


def _logistic(value: float) -> float:
    return 0.5 * (1.0 + math.tanh(value / 2.0))

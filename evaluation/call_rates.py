"""A yes/no question at one threshold: rates of those called positive, and of those not."""

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.bootstrap import ratio


def call_counts(
    positive: NDArray[np.bool_], called: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], ...]:
    """True positives, false positives, true negatives, false negatives: 0 or 1 a case (N,)."""
    parts = (positive & called, ~positive & called, ~positive & ~called, positive & ~called)
    return tuple(part.astype(np.float64) for part in parts)


def call_rates(
    tp: NDArray[np.float64],
    fp: NDArray[np.float64],
    tn: NDArray[np.float64],
    fn: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """Each rate by name, of counts (S,); NaN where it has no denominator.

    PPV, NPV and F1 are NaN as well where all cases are positive, or none is: among positives
    alone every call is right, which tells nothing.
    """
    mixed = (tp + fn > 0) & (tn + fp > 0)
    values = {
        "ppv": ratio(tp, tp + fp),
        "npv": ratio(tn, tn + fn),
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
    }
    return {
        "sensitivity": ratio(tp, tp + fn),
        "specificity": ratio(tn, tn + fp),
        **{name: np.where(mixed, value, np.nan) for name, value in values.items()},
        "accuracy": ratio(tp + tn, tp + fp + tn + fn),
    }

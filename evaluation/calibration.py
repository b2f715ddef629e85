"""Calibration of box scores: from a network's score to a probability, and how good that is.

What is calibrated is the probability that a box finds a finding under `IOU_50`. The maps rise
strictly, so they change neither the order of a class's boxes nor its average precision. They are
fitted on all predictions of the validation data, the many false alarms of low score among them:
on real predictions that gave the same or a better calibration of the high scores than a fit on
those alone. Running a model needs numpy only; scikit-learn is imported where a map is fitted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lucency.configs.calibration import ClassCalibration
from lucency.evaluation.bootstrap import patient_weights
from lucency.evaluation.estimates import Estimate, estimate

# Fewer hits or misses cannot say how steep the map is (Peduzzi et al. 1996: ten events for each
# parameter of a logistic regression); its level they still can.
FEWEST = 10
# For fitting alone: a score of exactly 0 or 1 has no finite log-odds.
_SCORE_LIMIT = 1e-6
# A flatter map is hardly told from a falling one, and floats could no longer keep the order.
_LEAST_SLOPE = 0.01
# By so much at least an isotonic map rises from knot to knot.
_STEP = 1e-6
# A raw score this much lower (relatively) still passes: float32 holds 7 digits.
_FLOAT32_MARGIN = 1e-6


@dataclass(frozen=True)
class ReliabilityBins:
    """Boxes by score, in B bins from 0 to 1: what a reliability diagram shows.

    ``count`` (B,) int64; ``confidence`` (B,) the mean score and ``accuracy`` (B,) the share that
    was right, with its 95% interval ``low`` and ``high`` (B,). All but the count are NaN in a bin
    without boxes, the interval also where none was asked for.
    """

    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class CalibrationMeasures:
    """How far scores are from probabilities.

    ``ece`` is the expected calibration error: the mean distance of score and share of hits, over
    the bins, by their counts (Naeini et al. 2015). ``brier`` is the mean squared difference of
    score and outcome (Brier 1950). ``base_rate`` is the share of hits, to which both refer: a
    Brier score of ``base_rate * (1 - base_rate)`` needs no model.
    """

    ece: Estimate
    brier: Estimate
    bins: ReliabilityBins
    count: int
    base_rate: float | None


def fit_calibration(
    scores: NDArray[np.float64],
    correct: NDArray[np.bool_],
    *,
    method: Literal["platt", "isotonic"],
) -> ClassCalibration:
    """Fit a class's map on the ``scores`` (N,) of its boxes and whether each was ``correct`` (N,).

    With fewer than `FEWEST` hits or misses, or where better scores were not more often right, a
    Platt map of slope 1 only shifts all odds, so that the mean is the share of hits. (An isotonic
    map of misleading scores is level instead.) Without any box, scores stay as they are.

    Raises
    ------
    ValueError
        The arrays differ in length, or a score is not in [0, 1].

    """
    _check(scores, correct)
    if not len(scores):
        return ClassCalibration(method="platt")
    hits = int(np.count_nonzero(correct))
    enough = min(hits, len(correct) - hits) >= FEWEST and scores.min() < scores.max()
    if enough and method == "isotonic":
        return _isotonic(scores, correct)
    slope, intercept = _platt(scores, correct) if enough else (0.0, 0.0)
    if slope < _LEAST_SLOPE:
        slope, intercept = 1.0, _intercept(scores, correct)
    return ClassCalibration(method="platt", slope=slope, intercept=intercept)


def calibrated(scores: ArrayLike, calibration: ClassCalibration) -> NDArray[np.float64]:
    """Probabilities of raw ``scores`` in [0, 1], of any shape."""
    raw = np.asarray(scores, dtype=np.float64)
    if calibration.method == "isotonic":
        return np.asarray(np.interp(raw, calibration.scores, calibration.probabilities))
    # Scores 0 and 1 have infinite log-odds and stay 0 and 1.
    with np.errstate(divide="ignore", over="ignore"):
        log_odds = calibration.slope * (np.log(raw) - np.log1p(-raw)) + calibration.intercept
        return np.asarray(1.0 / (1.0 + np.exp(-log_odds)))


def least_raw(probability: float, calibration: ClassCalibration) -> float:
    """A raw score below which no box reaches ``probability``; just under the exact one.

    For leaving boxes out before they are calibrated. What passes must be compared again, since
    the value is lower by a millionth: scores of a network are float32. Where no score reaches
    ``probability``, that of score 1.
    """
    if calibration.method == "isotonic":
        exact = float(np.interp(probability, calibration.probabilities, calibration.scores))
    else:
        with np.errstate(divide="ignore", over="ignore"):
            log_odds = np.log(np.float64(probability)) - np.log1p(-np.float64(probability))
            exact = float(1 / (1 + np.exp(-(log_odds - calibration.intercept) / calibration.slope)))
    return exact * (1.0 - _FLOAT32_MARGIN)


def measure_calibration(
    scores: NDArray[np.float64],
    correct: NDArray[np.bool_],
    *,
    groups: Sequence[str] | None = None,
    bins: int = 10,
    equal_mass: bool = False,
    samples: int = 1000,
    seed: int = 0,
) -> CalibrationMeasures:
    """Measure how well ``scores`` (N,) tell how often boxes are ``correct`` (N,).

    ``groups`` (N,) names the patient (or the image, where each is a patient of its own) of each
    box; intervals are drawn over them. Without, there are no intervals: the boxes of one image
    are not independent. A score on the edge of two bins counts in the lower.
    With ``equal_mass`` the bins are of about as many scores each, not of equal width: where most
    are near 0 or 1, that tells more (Nixon et al. 2019).

    Raises
    ------
    ValueError
        The arrays differ in length, or a score is not in [0, 1].

    """
    _check(scores, correct)
    names = np.zeros(len(scores), dtype=np.str_) if groups is None else np.asarray(groups, np.str_)
    if names.shape != scores.shape:
        raise ValueError(f"groups must be ({len(scores)},), got {names.shape}")
    edges = np.linspace(0.0, 1.0, bins + 1)
    if equal_mass and len(scores):
        edges = np.quantile(scores, edges)
    in_bin = np.searchsorted(edges[1:-1], scores)
    patients, of_patient = np.unique(names, return_inverse=True)
    # Of each patient and bin: boxes, sum of scores, hits, sum of squared errors.
    table = np.zeros((4, len(patients), bins))
    hits = correct.astype(np.float64)
    for row, values in enumerate((np.ones(len(scores)), scores, hits, (scores - hits) ** 2)):
        np.add.at(table[row], (of_patient, in_bin), values)
    whole = table.sum(axis=1)
    drawn = np.zeros((4, 0, bins))
    if groups is not None and len(scores):
        weights = patient_weights(patients.tolist(), samples=samples, seed=seed)
        drawn = np.stack([weights @ part for part in table])
    ece, brier = _ece_and_brier(whole[:, None])
    sampled_ece, sampled_brier = _ece_and_brier(drawn)
    return CalibrationMeasures(
        ece=estimate(float(ece[0]), sampled_ece),
        brier=estimate(float(brier[0]), sampled_brier),
        bins=_bins(whole, drawn),
        count=len(scores),
        base_rate=float(hits.mean()) if len(scores) else None,
    )


def _check(scores: NDArray[np.float64], correct: NDArray[np.bool_]) -> None:
    if scores.ndim != 1 or scores.shape != correct.shape:
        raise ValueError(
            f"scores and correct must both be (N,), got {scores.shape} and {correct.shape}"
        )
    if not np.all((scores >= 0) & (scores <= 1)):
        raise ValueError("scores must be between 0 and 1")


def _log_odds(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(scores, _SCORE_LIMIT, 1.0 - _SCORE_LIMIT)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def _targets(correct: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Platt's targets instead of 1 and 0: as if one more hit and one more miss had been seen."""
    hits = int(np.count_nonzero(correct))
    misses = len(correct) - hits
    return np.where(correct, (hits + 1) / (hits + 2), 1 / (misses + 2))


def _platt(scores: NDArray[np.float64], correct: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and intercept of a logistic regression on the log-odds (Platt 1999)."""
    from sklearn.linear_model import LogisticRegression

    targets, log_odds = _targets(correct), _log_odds(scores)[:, None]
    # A target between 0 and 1 is a hit and a miss, each of a part of the weight.
    model = LogisticRegression(C=1e6, solver="newton-cholesky")
    model.fit(
        np.concatenate([log_odds, log_odds]),
        np.repeat([1, 0], len(scores)),
        sample_weight=np.concatenate([targets, 1.0 - targets]),
    )
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _intercept(scores: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """The shift of all log-odds after which the mean probability is the share of hits."""
    wanted, log_odds = _targets(correct).mean(), _log_odds(scores)
    low, high = -60.0, 60.0
    for _ in range(80):
        middle = (low + high) / 2
        if np.mean(1.0 / (1.0 + np.exp(-(log_odds + middle)))) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _isotonic(scores: NDArray[np.float64], correct: NDArray[np.bool_]) -> ClassCalibration:
    """Isotonic regression, its steps joined by lines so that the map rises strictly.

    Each step is a knot at its mean score. Before the first and after the last knot, and where
    nothing else makes it rise, the map rises by a millionth.
    """
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit_transform(scores, correct)
    levels, of_level = np.unique(fitted, return_inverse=True)
    middles = np.bincount(of_level, weights=scores) / np.bincount(of_level)
    inner = (middles > 0.0) & (middles < 1.0) & np.diff(middles, prepend=-1.0).astype(bool)
    knots = np.concatenate([[0.0], middles[inner], [1.0]])
    heights = np.concatenate([levels[:1], levels[inner], levels[-1:]])
    # Rising by at least the step, and with room for all steps between 0 and 1.
    rise = _STEP * np.arange(len(knots))
    heights = np.maximum.accumulate(heights - rise) + rise
    heights = np.clip(heights, rise, 1.0 - rise[::-1])
    return ClassCalibration(
        method="isotonic", scores=tuple(knots.tolist()), probabilities=tuple(heights.tolist())
    )


def _ece_and_brier(
    table: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of tables (4, S, B) of sums: ECE (S,) and Brier score (S,), NaN without boxes."""
    count, confidence, hits, squares = table
    total = count.sum(axis=1)
    total = np.where(total > 0, total, np.nan)
    return np.abs(confidence - hits).sum(axis=1) / total, squares.sum(axis=1) / total


def _bins(whole: NDArray[np.float64], drawn: NDArray[np.float64]) -> ReliabilityBins:
    count, confidence, hits, _ = whole
    some = np.where(count > 0, count, np.nan)
    drawn_count = np.where(drawn[0] > 0, drawn[0], np.nan)
    shares = [estimate(0.0, column) for column in (drawn[2] / drawn_count).T]
    low = [np.nan if share.low is None else share.low for share in shares]
    high = [np.nan if share.high is None else share.high for share in shares]
    return ReliabilityBins(
        count.astype(np.int64), confidence / some, hits / some, np.array(low), np.array(high)
    )

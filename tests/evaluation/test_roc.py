"""Curves and their areas against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from lucency.evaluation.roc import (
    auc,
    precision_recall_curve,
    roc_curve,
    weighted_areas,
    weighted_auc,
)

TRUTH = np.array([True, True, True, False, False, False, False])
SCORE = np.array([0.9, 0.6, 0.2, 0.7, 0.3, 0.1, 0.1])


def test_worked_example():
    # Of 12 pairs, 9 are in order: 0.9 beats 4, 0.6 beats 3, 0.2 beats 2.
    assert auc(TRUTH, SCORE) == 9 / 12
    curve = precision_recall_curve(TRUTH, SCORE)
    assert curve.thresholds[0] == np.inf
    assert (np.diff(curve.thresholds) < 0).all()
    assert (curve.precision[0], curve.recall[0], curve.recall[-1]) == (1.0, 0.0, 1.0)
    at = curve.thresholds.tolist().index(0.6)
    assert (curve.precision[at], curve.recall[at]) == (2 / 3, 2 / 3)


@pytest.mark.parametrize("seed", range(3))
def test_areas_of_the_curves_equal_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    truth = rng.random(200) < 0.3
    score = np.clip(rng.normal(0.4 + 0.2 * truth, 0.2), 0, 1).round(2)
    expected = roc_auc_score(truth, score)
    assert auc(truth, score) == pytest.approx(expected, abs=1e-12)
    roc = roc_curve(truth, score)
    area = np.trapezoid(roc.true_positive_rate, roc.false_positive_rate)
    assert area == pytest.approx(expected, abs=1e-12)
    curve = precision_recall_curve(truth, score)
    steps = (np.diff(curve.recall) * curve.precision[1:]).sum()
    assert steps == pytest.approx(average_precision_score(truth, score), abs=1e-12)


@pytest.mark.parametrize("decimals", [1, 9], ids=["ties", "no ties"])
def test_weighted_areas_equal_scikit_learn(decimals):
    rng = np.random.default_rng(decimals)
    positive = rng.random(80) < 0.4
    score = (rng.random(80) + 0.3 * positive).round(decimals)
    weights = rng.integers(0, 4, (80, 20)).astype(float)
    areas, precisions = weighted_areas(positive, score, weights)
    expected = [roc_auc_score(positive, score, sample_weight=one) for one in weights.T]
    np.testing.assert_allclose(areas, expected, atol=1e-12)
    np.testing.assert_allclose(weighted_auc(positive, score, weights), expected, atol=1e-12)
    expected = [average_precision_score(positive, score, sample_weight=one) for one in weights.T]
    np.testing.assert_allclose(precisions, expected, atol=1e-12)


def test_the_worst_score_may_be_minus_infinity():
    """An image without boxes: below all others, and equal to others of its kind."""
    score = np.array([0.5, -np.inf, -np.inf, 0.1])
    positive = np.array([True, True, False, False])
    assert weighted_auc(positive, score, np.ones((4, 1)))[0] == (2 + 0.5) / 4


@pytest.mark.parametrize("count", [0, 2], ids=["no images", "one side"])
def test_one_sided_sets_have_no_curve(count):
    score = np.full(count, 0.9)
    for truth in (np.ones(count, bool), np.zeros(count, bool)):
        assert auc(truth, score) is None
        assert roc_curve(truth, score) is None
        assert precision_recall_curve(truth, score) is None
        assert np.isnan(weighted_areas(truth, score, np.ones((count, 3)))).all()


@pytest.mark.parametrize("function", [auc, roc_curve, precision_recall_curve])
@pytest.mark.parametrize(
    ("truth", "score", "message"),
    [
        pytest.param(np.zeros(3, bool), np.zeros(2), "must both be", id="lengths"),
        pytest.param(np.zeros((3, 1), bool), np.zeros((3, 1)), "must both be", id="columns"),
        pytest.param(np.zeros(1, bool), np.array([np.nan]), "finite", id="nan"),
    ],
)
def test_wrong_arrays_are_refused(function, truth, score, message):
    with pytest.raises(ValueError, match=message):
        function(truth, score)

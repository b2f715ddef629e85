"""Image-level figures against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from lucency.evaluation.roc import classification_metrics, roc_curve

TRUTH = np.array([True, True, True, False, False, False, False])
PROBABILITY = np.array([0.9, 0.6, 0.2, 0.7, 0.3, 0.1, 0.1])


def test_worked_example():
    result = classification_metrics(TRUTH, PROBABILITY, threshold=0.6)
    assert (result.tp, result.fn, result.fp, result.tn) == (2, 1, 1, 3)
    assert (result.positives, result.negatives) == (3, 4)
    assert result.sensitivity == pytest.approx(2 / 3)
    assert result.specificity == pytest.approx(3 / 4)
    assert result.ppv == pytest.approx(2 / 3)
    assert result.npv == pytest.approx(3 / 4)
    assert result.accuracy == pytest.approx(5 / 7)
    assert result.confusion.tolist() == [[3, 1], [1, 2]]
    # Of 12 pairs, 9 are in order: 0.9 beats 4, 0.6 beats 3, 0.2 beats 2.
    assert result.auc == pytest.approx(9 / 12)
    assert result.summary()["sensitivity"] == result.sensitivity


@pytest.mark.parametrize("seed", range(3))
def test_equals_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    truth = rng.random(200) < 0.3
    probability = np.clip(rng.normal(0.4 + 0.2 * truth, 0.2), 0, 1).round(2)
    result = classification_metrics(truth, probability, threshold=0.5)
    assert result.auc == pytest.approx(roc_auc_score(truth, probability), abs=1e-12)
    assert (result.confusion == confusion_matrix(truth, probability >= 0.5)).all()
    curve = roc_curve(truth, probability)
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(result.auc, abs=1e-12)


@pytest.mark.parametrize(
    ("truth", "none"),
    [
        pytest.param([True, True], ("specificity", "npv"), id="positives only"),
        pytest.param([False, False], ("sensitivity",), id="negatives only"),
        pytest.param([], ("sensitivity", "specificity", "ppv", "npv", "accuracy"), id="no images"),
    ],
)
def test_one_side_only(truth, none):
    truths = np.array(truth, dtype=bool)
    probability = np.full(len(truth), 0.9)
    result = classification_metrics(truths, probability, threshold=0.5)
    assert result.auc is None
    assert [getattr(result, name) for name in none] == [None] * len(none)
    assert roc_curve(truths, probability) is None


@pytest.mark.parametrize(
    ("truth", "probability", "message"),
    [
        pytest.param(np.zeros(3, bool), np.zeros(2), "must both be", id="lengths"),
        pytest.param(np.zeros((3, 1), bool), np.zeros((3, 1)), "must both be", id="columns"),
        pytest.param(np.zeros(1, bool), np.array([np.nan]), "finite", id="nan"),
    ],
)
def test_wrong_arrays_are_refused(truth, probability, message):
    with pytest.raises(ValueError, match=message):
        classification_metrics(truth, probability, threshold=0.5)

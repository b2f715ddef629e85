"""DeLong against its definition by pairs, and by simulation."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lucency.evaluation.delong import delong_interval, delong_test

Z = 1.959963984540054


def by_pairs(truth, scores):
    """AUCs (K,) and their covariance (K, K) as defined: every positive against every negative."""
    placed = []
    for score in scores:
        positives, negatives = score[truth], score[~truth]
        psi = np.zeros((len(positives), len(negatives)))
        for row, one in enumerate(positives):
            for column, other in enumerate(negatives):
                psi[row, column] = 1.0 if one > other else 0.5 if one == other else 0.0
        placed.append(psi)
    placed = np.array(placed)
    of_positives, of_negatives = placed.mean(axis=2), placed.mean(axis=1)
    covariance = np.cov(of_positives) / truth.sum() + np.cov(of_negatives) / (~truth).sum()
    return placed.mean(axis=(1, 2)), covariance


def example(seed, decimals=9, images=60):
    """Truth and the scores of two models that err alike."""
    rng = np.random.default_rng(seed)
    truth = np.arange(images) < images // 3
    common = rng.normal(truth * 1.0, 0.7)
    first, second = (common + rng.normal(0, noise, images) for noise in (0.6, 1.0))
    return truth, first.round(decimals), second.round(decimals)


@pytest.mark.parametrize("decimals", [0, 1, 9], ids=["many ties", "some ties", "no ties"])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_definition_by_pairs(seed, decimals):
    truth, first, second = example(seed, decimals)
    (one, other), covariance = by_pairs(truth, [first, second])
    found = delong_test(truth, first, second)
    assert found.first.value == pytest.approx(one, abs=1e-12)
    assert found.first.value == pytest.approx(roc_auc_score(truth, first), abs=1e-12)
    reach = Z * math.sqrt(covariance[0, 0]) / (one * (1 - one))
    limits = [1 / (1 + math.exp(-(math.log(one / (1 - one)) + sign * reach))) for sign in (-1, 1)]
    assert [found.first.low, found.first.high] == pytest.approx(limits, abs=1e-12)
    assert found.first == delong_interval(truth, first)
    error = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    difference = [other - one, other - one - Z * error, other - one + Z * error]
    assert list(found.difference.to_json().values()) == pytest.approx(difference, abs=1e-12)
    assert found.p_value == pytest.approx(math.erfc(abs(other - one) / error / math.sqrt(2)))


def test_a_worked_example():
    """Positives 3 and 1, negatives 2 and 0: placements 1, 1/2 below and 1/2, 1 above."""
    found = delong_interval(np.array([True, True, False, False]), np.array([3.0, 1.0, 2.0, 0.0]))
    assert found.value == 0.75
    # Both variances are 1/8, so that of the AUC is 1/8 / 2 twice.
    reach = Z * math.sqrt(0.125) / (0.75 * 0.25)
    assert found.low == pytest.approx(1 / (1 + math.exp(reach) / 3))
    assert found.high == pytest.approx(1 / (1 + math.exp(-reach) / 3))


def test_one_model_does_not_differ_from_itself_nor_from_its_own_ranks():
    truth, first, _ = example(0)
    for same in (first, np.exp(first)):
        found = delong_test(truth, first, same)
        assert found.difference.to_json() == {"value": 0.0, "low": 0.0, "high": 0.0}
        assert found.p_value == 1.0


def test_the_other_way_round_the_sign_turns():
    truth, first, second = example(1)
    there, back = delong_test(truth, first, second), delong_test(truth, second, first)
    assert back.difference.value == -there.difference.value
    assert back.difference.low == pytest.approx(-there.difference.high)
    assert back.p_value == there.p_value < 1.0


@pytest.mark.parametrize(
    ("positives", "negatives"), [(50, 50), (20, 200), (5, 5), (1, 10)], ids=str
)
def test_an_auc_of_one_has_an_interval_that_narrows_with_the_images(positives, negatives):
    truth = np.arange(positives + negatives) < positives
    found = delong_interval(truth, truth.astype(float))
    assert (found.value, found.high) == (1.0, 1.0)
    # Newcombe's: that AUC whose own 1.96 standard errors (Hanley and McNeil) just reach 1.
    low, half = found.low, (positives + negatives) / 2 - 1
    spread = 1 + half * ((1 - low) / (2 - low) + low / (1 + low))
    variance = low * (1 - low) * spread / (positives * negatives)
    assert (1 - low) ** 2 == pytest.approx(Z**2 * variance)
    assert 0.3 < low < 0.97
    reversed_ = delong_interval(truth, 1.0 - truth)
    assert (reversed_.value, reversed_.low) == (0.0, 0.0)
    assert reversed_.high == pytest.approx(1 - low)


def test_scores_that_are_all_equal_are_as_good_as_chance_within_an_interval():
    found = delong_interval(np.arange(40) < 20, np.zeros(40))
    assert found.value == 0.5
    assert 0.3 < found.low < 0.45
    assert found.high == pytest.approx(1 - found.low)


@pytest.mark.parametrize("count", [0, 3], ids=["no images", "positives only"])
def test_one_sided_sets_have_no_auc(count):
    truth, score = np.ones(count, bool), np.arange(count, dtype=float)
    for one_sided in (truth, ~truth):
        assert delong_interval(one_sided, score).value is None
        found = delong_test(one_sided, score, score)
        assert (found.difference.value, found.p_value) == (None, None)


@pytest.mark.parametrize("positives", [1, 10], ids=["one positive", "opposites"])
def test_where_nothing_can_be_tested_there_is_no_p(positives):
    """A single positive has no variance; a perfect model and its opposite have none either."""
    truth = np.arange(20) < positives
    found = delong_test(truth, truth.astype(float), 1.0 - truth)
    assert found.difference.to_json() == {"value": -1.0, "low": None, "high": None}
    assert found.p_value is None


def test_intervals_hold_the_true_auc_and_p_values_are_uniform():
    """500 simulated sets of 30 positives and 60 negatives; the AUC of N(1.5, 1) is 0.856."""
    rng = np.random.default_rng(7)
    true_auc = 0.5 * (1 + math.erf(1.5 / 2))
    truth = np.arange(90) < 30
    held, p_values = [], []
    for _ in range(500):
        first = rng.normal(truth * 1.5, 1)
        common = rng.normal(truth * 1.0, 1)
        found = delong_interval(truth, first)
        held.append(found.low <= true_auc <= found.high)
        pair = (common + rng.normal(0, 1, 90) for _ in range(2))
        p_values.append(delong_test(truth, *pair).p_value)
    # Three standard errors of 95% of 500 are 2.9%.
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize(
    ("truth", "score", "message"),
    [
        pytest.param(np.zeros(3, bool), np.zeros(2), "must both be", id="lengths"),
        pytest.param(np.zeros((3, 1), bool), np.zeros((3, 1)), "must both be", id="columns"),
        pytest.param(np.zeros(1, bool), np.array([np.nan]), "finite", id="nan"),
    ],
)
def test_wrong_arrays_are_refused(truth, score, message):
    with pytest.raises(ValueError, match=message):
        delong_interval(truth, score)

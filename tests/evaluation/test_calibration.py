"""Calibration maps rise, undo themselves and calibrate; its measures agree with scikit-learn."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from lucency.configs.calibration import ClassCalibration
from lucency.evaluation.average_precision import average_precision
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.calibration import (
    FEWEST,
    calibrated,
    fit_calibration,
    least_raw,
    measure_calibration,
)

METHODS = ("platt", "isotonic")


def boxes(count, *, slope=2.0, intercept=-1.5, seed=0):
    """Scores of which the log-odds, times ``slope`` plus ``intercept``, are those of a hit."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(0.0, 1.5, count)
    truth = 1 / (1 + np.exp(-(slope * log_odds + intercept)))
    return 1 / (1 + np.exp(-log_odds)), rng.random(count) < truth


def test_platt_finds_the_map_that_made_the_data():
    found = fit_calibration(*boxes(40_000), method="platt")
    assert found.slope == pytest.approx(2.0, abs=0.08)
    assert found.intercept == pytest.approx(-1.5, abs=0.06)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("slope", "intercept"), [(2.0, -1.5), (0.4, 0.5)], ids=["doubtful", "overconfident"]
)
def test_other_data_are_calibrated_better(method, slope, intercept):
    found = fit_calibration(*boxes(4000, slope=slope, intercept=intercept), method=method)
    scores, correct = boxes(4000, slope=slope, intercept=intercept, seed=1)
    before = measure_calibration(scores, correct)
    after = measure_calibration(calibrated(scores, found), correct)
    assert after.ece.value < before.ece.value / 3
    assert after.brier.value < before.brier.value


def with_ties():
    return np.repeat([0.0, 0.2, 0.2, 0.7, 1.0], 20), np.tile([False, True, False, True, True], 20)


AWKWARD = {
    "usual": boxes(500),
    "ties": with_ties(),
    "steps alone": (np.repeat([0.1, 0.9], 30), np.repeat([False, True], 30)),
    "worse is better": (np.linspace(0.05, 0.95, 60), np.arange(60) < 30),
    "all score 0": (np.zeros(40), np.arange(40) < 20),
    "all score 1": (np.ones(40), np.arange(40) < 20),
    "no information": (np.linspace(0, 1, 80), np.arange(80) % 2 == 0),
    "all right": (np.linspace(0.1, 1, 40), np.ones(40, bool)),
    "all wrong": (np.linspace(0, 0.9, 40), np.zeros(40, bool)),
    "one box": (np.array([0.4]), np.array([True])),
    "none": (np.zeros(0), np.zeros(0, bool)),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", AWKWARD)
def test_maps_rise_strictly_within_0_and_1(method, case):
    found = fit_calibration(*AWKWARD[case], method=method)
    # As fine as a network's scores, which are float32.
    grid = np.unique(np.float32([*np.linspace(0, 1, 20_001), *AWKWARD[case][0]]))
    values = calibrated(grid, found)
    assert (np.diff(values) > 0).all()
    assert 0 <= values[0] < values[-1] <= 1
    # The manifest's form holds all of it.
    assert ClassCalibration.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", ["usual", "ties", "worse is better", "all wrong"])
def test_least_raw_lets_all_through_that_reach_a_probability(method, case):
    found = fit_calibration(*AWKWARD[case], method=method)
    scores = np.random.default_rng(3).random(300).astype(np.float32)
    for score, probability in zip(scores, calibrated(scores, found).tolist(), strict=True):
        least = least_raw(probability, found)
        assert score >= least
        assert least == pytest.approx(score, rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("probability", [0.0, 1.0], ids=["zero", "one"])
def test_least_raw_at_the_ends(method, probability):
    found = fit_calibration(*AWKWARD["usual"], method=method)
    assert least_raw(probability, found) == pytest.approx(probability, abs=2e-6)


def test_least_raw_of_what_no_score_reaches_is_that_of_score_1():
    found = ClassCalibration(method="isotonic", scores=(0, 1), probabilities=(0.1, 0.6))
    assert 0.999 < least_raw(0.9, found) < 1
    assert least_raw(0.05, found) == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("hits", [0, 3, FEWEST - 1, 100], ids=["none", "three", "nine", "all"])
def test_of_few_hits_or_misses_only_the_share_is_learnt(method, hits):
    correct = np.arange(100) < hits
    scores = np.random.default_rng(0).random(100)
    found = fit_calibration(scores, correct, method=method)
    assert (found.method, found.slope) == ("platt", 1.0)
    # Platt's targets pull the share of hits from 0 and 1.
    assert calibrated(scores, found).mean() == pytest.approx(hits / 100, abs=0.011)


def test_scores_that_mislead_keep_their_order():
    scores, correct = boxes(2000, slope=-1.0, intercept=0.0)
    found = fit_calibration(scores, correct, method="platt")
    assert found.slope == 1.0
    assert calibrated(scores, found).mean() == pytest.approx(correct.mean(), abs=0.01)


def test_nothing_to_fit_on_changes_nothing():
    found = fit_calibration(np.zeros(0), np.zeros(0, bool), method="isotonic")
    assert calibrated([0.0, 0.3, 1.0], found).tolist() == pytest.approx([0.0, 0.3, 1.0])


def test_probabilities_keep_the_shape_of_the_scores():
    found = fit_calibration(*AWKWARD["usual"], method="platt")
    assert calibrated(np.full((5, 2), 0.5, np.float32), found).shape == (5, 2)
    assert calibrated(np.zeros((0, 3)), found).shape == (0, 3)


@pytest.mark.parametrize("method", METHODS)
def test_average_precision_stays_the_same(method):
    rng = np.random.default_rng(5)
    truths, raw = [], []
    for number in range(40):
        corners = rng.uniform(0, 60, (rng.integers(0, 3), 2))
        marked = np.concatenate([corners, corners + 20], axis=1)
        ids = rng.integers(0, 2, len(marked))
        truths.append(ImageTruth(f"{number}", (99, 99), marked, ids))
        shifted = np.repeat(marked, 2, axis=0) + rng.normal(0, 4, (2 * len(marked), 4))
        scores = rng.random(len(shifted)).astype(np.float32).astype(np.float64)
        raw.append(ImagePredictions(f"{number}", shifted, scores, np.repeat(ids, 2)))
    found = fit_calibration(*boxes(300), method=method)
    after = [
        ImagePredictions(p.image, p.boxes_xyxy, calibrated(p.scores, found), p.class_ids)
        for p in raw
    ]
    measured = [average_precision(truths, p, class_names=("a", "b")) for p in (raw, after)]
    assert measured[0].map50 > 0.2
    assert measured[0].map50 == measured[1].map50
    assert measured[0].map50_95 == measured[1].map50_95


@pytest.mark.parametrize("bins", [1, 7, 10])
@pytest.mark.parametrize("seed", range(3))
def test_ece_and_brier_agree_with_scikit_learn(bins, seed):
    scores, correct = boxes(700, seed=seed)
    scores = np.concatenate([scores.round(2), [0.0, 0.1, 0.3, 0.5, 1.0]])
    correct = np.concatenate([correct, [True, False, True, True, False]])
    found = measure_calibration(scores, correct, bins=bins)
    assert found.brier.value == pytest.approx(brier_score_loss(correct, scores), abs=1e-12)
    accuracy, confidence = calibration_curve(correct, scores, n_bins=bins)
    some = found.bins.count > 0
    np.testing.assert_allclose(found.bins.accuracy[some], accuracy, atol=1e-12)
    np.testing.assert_allclose(found.bins.confidence[some], confidence, atol=1e-12)
    shares = found.bins.count[some] / len(scores)
    by_curve = np.sum(shares * np.abs(accuracy - confidence))
    assert found.ece.value == pytest.approx(by_curve, abs=1e-12)


def test_ece_by_hand():
    # 0.1 and 0.2 lie in bins of their own: |0.1 - 0|, |0.2 - 1|; 0.95 twice: |0.95 - 0.5|.
    scores, correct = np.array([0.1, 0.2, 0.95, 0.95]), np.array([False, True, True, False])
    found = measure_calibration(scores, correct)
    assert found.ece.value == pytest.approx((0.1 + 0.8 + 2 * 0.45) / 4)
    assert (found.count, found.base_rate) == (4, 0.5)
    assert found.bins.count.tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert np.isnan(found.bins.accuracy[2])
    assert (found.ece.low, found.brier.high) == (None, None)


def test_ece_in_bins_of_equal_mass_by_hand():
    """Ten scores below 0.1, in two bins of five: 3 hits where 0.1 was expected, and none of 0.4."""
    scores = np.concatenate([np.full(5, 0.02), np.full(5, 0.08)])
    correct = np.array([True] * 3 + [False] * 7)
    found = measure_calibration(scores, correct, bins=2, equal_mass=True)
    assert found.bins.count.tolist() == [5, 5]
    assert found.ece.value == pytest.approx((abs(3 - 0.1) + 0.4) / 10)
    # In bins of equal width they stand together, and the errors cancel in part.
    assert measure_calibration(scores, correct, bins=2).ece.value == pytest.approx(2.5 / 10)
    nothing = measure_calibration(np.zeros(0), np.zeros(0, bool), equal_mass=True)
    assert nothing.ece.value is None


def test_intervals_are_those_of_a_bootstrap_over_patients_by_hand():
    scores, correct = boxes(600)
    patients = np.random.default_rng(2).integers(0, 60, 600)
    names = [f"p{number}" for number in patients]
    found = measure_calibration(scores, correct, groups=names, samples=2000)
    rng = np.random.default_rng(9)
    rows = [np.flatnonzero(patients == number) for number in range(60)]
    briers, eces = [], []
    for _ in range(1000):
        drawn = np.concatenate([rows[number] for number in rng.integers(0, 60, 60)])
        one = measure_calibration(scores[drawn], correct[drawn])
        briers.append(one.brier.value)
        eces.append(one.ece.value)
    assert found.brier.low == pytest.approx(np.percentile(briers, 2.5), abs=0.004)
    assert found.brier.high == pytest.approx(np.percentile(briers, 97.5), abs=0.004)
    assert found.ece.low == pytest.approx(np.percentile(eces, 2.5), abs=0.004)
    assert found.ece.high == pytest.approx(np.percentile(eces, 97.5), abs=0.004)
    assert (found.bins.low <= found.bins.accuracy).all()
    assert (found.bins.accuracy <= found.bins.high).all()


def test_boxes_of_one_patient_widen_the_interval():
    scores, correct = boxes(50)
    again, right = np.repeat(scores, 8), np.repeat(correct, 8)
    together = measure_calibration(again, right, groups=np.repeat(range(50), 8).astype(str))
    apart = measure_calibration(again, right, groups=[str(number) for number in range(400)])
    wide = together.brier.high - together.brier.low
    assert wide > 2 * (apart.brier.high - apart.brier.low)


@pytest.mark.parametrize("groups", [None, []], ids=["no groups", "groups"])
def test_no_boxes_have_no_calibration(groups):
    found = measure_calibration(np.zeros(0), np.zeros(0, bool), groups=groups)
    assert (found.ece.value, found.brier.value, found.base_rate) == (None, None, None)
    assert found.bins.count.sum() == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("scores", "correct", "message"),
    [
        pytest.param([0.1], [True, False], "must both be", id="lengths"),
        pytest.param([[0.1]], [[True]], "must both be", id="shape"),
        pytest.param([1.2], [True], "between 0 and 1", id="range"),
        pytest.param([np.nan], [True], "between 0 and 1", id="nan"),
    ],
)
def test_wrong_arrays_are_refused(method, scores, correct, message):
    arrays = np.array(scores), np.array(correct)
    with pytest.raises(ValueError, match=message):
        fit_calibration(*arrays, method=method)
    with pytest.raises(ValueError, match=message):
        measure_calibration(*arrays)


def test_groups_of_another_length_are_refused():
    with pytest.raises(ValueError, match="groups must be"):
        measure_calibration(np.array([0.5]), np.array([True]), groups=["a", "b"])

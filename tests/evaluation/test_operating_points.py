"""Thresholds chosen on hand-made scores."""

import numpy as np
import pytest

from lucency.configs.point_targets import ClassificationTargets, PointTarget, PointTargets
from lucency.evaluation import operating_points
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.detection_measures import ALL_CLASSES
from lucency.evaluation.match_rules import IOU_30
from lucency.evaluation.matching import ScoredMatches
from lucency.evaluation.operating_points import (
    UNMEASURED,
    OperatingPoints,
    choose_classification_points,
    choose_detection_points,
)
from lucency.evaluation.reached_points import reached_points

ONE = ("fracture",)
HERE, AWAY = [0.0, 0, 10, 10], [50.0, 50, 60, 60]


def image_set(right, wrong, *, missed=0, negatives=0):
    """One image a finding: found with a score of ``right``, or missed; then the false alarms."""
    truths, predictions = [], []
    images = len(right) + missed + negatives
    for number in range(images):
        marked = np.array([HERE] if number < len(right) + missed else []).reshape(-1, 4)
        boxes, scores = [], []
        if number < len(right):
            boxes, scores = [HERE], [right[number]]
        for score in wrong[number::images]:
            boxes, scores = [*boxes, AWAY], [*scores, score]
        name = f"{number}.png"
        truths.append(ImageTruth(name, (99, 99), marked, np.zeros(len(marked), np.int64)))
        corners = np.array(boxes).reshape(-1, 4)
        ids = np.zeros(len(boxes), np.int64)
        predictions.append(ImagePredictions(name, corners, np.array(scores, np.float64), ids))
    return truths, predictions


def test_detection_points_by_their_definitions():
    right = [0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.2, 0.1]
    wrong = [0.88, 0.55, 0.5, 0.45, 0.4, 0.3, 0.25, 0.15, 0.12]
    points = choose_detection_points(*image_set(right, wrong), class_names=ONE)
    # The best F1 keeps the eight down to 0.6: 16/19; half a standard error (0.058) allows 16/20
    # as well, so the middle is between 0.575 and 0.525. The 90% need the ninth at 0.2.
    middle = np.sqrt(0.575 / 0.425 * 0.525 / 0.475)
    assert points.balanced["fracture"] == pytest.approx(middle / (1 + middle))
    assert points.screening["fracture"] == pytest.approx((0.2 + 0.15) / 2)
    # Ten images allow one false alarm, at 0.88; 0.55 would be the second.
    assert points.specific["fracture"] == pytest.approx((0.6 + 0.55) / 2)


def test_specific_is_stricter_where_false_alarms_are_many(rates_at):
    right = [0.95, 0.9, 0.6, 0.5, 0.45]
    wrong = [0.8, 0.75]
    truths, predictions = image_set(right, wrong)
    points = choose_detection_points(truths, predictions, class_names=ONE)
    assert points.specific["fracture"] == pytest.approx((0.9 + 0.8) / 2)
    assert points.balanced["fracture"] == pytest.approx(0.45 / 2)
    at = rates_at(truths, predictions, points.specific, class_names=ONE)
    assert at[ALL_CLASSES].fp == 0


def test_screening_takes_the_highest_sensitivity_reachable():
    right = [0.9, 0.8, 0.7, 0.05]
    points = choose_detection_points(*image_set(right, [0.06, 0.01], missed=3), class_names=ONE)
    assert points.screening["fracture"] == pytest.approx((0.05 + 0.01) / 2)


def test_no_sensitivity_is_bought_with_hosts_of_false_alarms():
    """The fourth finding lies below 50 false alarms in five images, the third below 15."""
    right = [0.9, 0.8, 0.3, 0.1]
    wrong = [*np.linspace(0.7, 0.4, 15), *np.linspace(0.29, 0.11, 35)]
    truths, predictions = image_set(right, wrong, negatives=1)
    points = choose_detection_points(truths, predictions, class_names=ONE)
    assert points.screening["fracture"] == pytest.approx((0.3 + 0.29) / 2)
    reached = reached_points(truths, predictions, points, class_names=ONE)[0]
    assert (reached.sensitivity, reached.false_positives_per_image) == (0.75, 3.0)
    assert not reached.met


def test_no_hit_among_few_false_alarms_still_gives_a_screening_point():
    right, wrong = [0.1], np.linspace(0.9, 0.5, 9)
    points = choose_detection_points(*image_set(right, wrong, negatives=1), class_names=ONE)
    assert points.screening["fracture"] == pytest.approx(0.05)


TARGETS = PointTargets(
    screening=PointTarget(false_positives_per_image=0.5),
    balanced=PointTarget(sensitivity=0.6),
    specific=PointTarget(sensitivity=0.3),
)


def test_targets_decide():
    right = [0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.2, 0.1]
    wrong = [0.88, 0.55, 0.5, 0.45, 0.4, 0.3, 0.25, 0.15, 0.12]
    points = choose_detection_points(*image_set(right, wrong), class_names=ONE, targets=TARGETS)
    # Five false alarms in ten images end at 0.4; six hits at 0.7, three at 0.85.
    assert points.screening["fracture"] == pytest.approx((0.4 + 0.3) / 2)
    assert points.balanced["fracture"] == pytest.approx((0.7 + 0.65) / 2)
    assert points.specific["fracture"] == pytest.approx((0.85 + 0.8) / 2)


def test_the_rule_decides_what_a_hit_is():
    """The upper of the boxes overlaps its finding by 0.33: found at 0.3, not at 0.5."""
    marked = np.array([[0.0, 0, 10, 10], [50, 50, 60, 60]])
    found = np.array([[0.0, 5, 10, 15], [50, 50, 60, 60]])
    truths = [ImageTruth("0", (99, 99), marked, np.zeros(2, np.int64))]
    predictions = [ImagePredictions("0", found, np.array([0.4, 0.8]), np.zeros(2, np.int64))]
    strict = choose_detection_points(truths, predictions, class_names=ONE)
    lenient = choose_detection_points(truths, predictions, class_names=ONE, rule=IOU_30)
    assert strict.specific["fracture"] > 0.4 > lenient.specific["fracture"]


def detector(rng, findings):
    """Scores of a middling detector: three in four found, twenty false alarms an image."""
    log_odds = np.concatenate(
        [rng.normal(0, 1.5, findings * 3 // 4), rng.normal(-4, 1.6, 40 * findings)]
    )
    scores = 1 / (1 + np.exp(-log_odds))
    correct = np.arange(len(scores)) < findings * 3 // 4
    order = np.argsort(-scores)
    return scores[order], correct[order]


def test_the_balanced_point_varies_less_than_the_highest_f1_and_is_as_good(monkeypatch):
    rng = np.random.default_rng(4)
    new_scores, new_correct = detector(rng, 5000)
    f1 = 2 * np.cumsum(new_correct) / (np.arange(1, len(new_scores) + 1) + 5000)
    chosen = {"robust": [], "highest": []}
    for _ in range(40):
        scores, correct = detector(rng, 60)
        matches = {"fracture": ScoredMatches(scores, correct, 60, 120)}
        monkeypatch.setattr(operating_points, "match_all", lambda *_, m=matches, **__: m)
        points = choose_detection_points([], [], class_names=ONE)
        chosen["robust"].append(points.balanced["fracture"])
        row = np.argmax(2 * np.cumsum(correct) / (np.arange(1, len(scores) + 1) + 60))
        chosen["highest"].append(scores[row])
    spread, quality = {}, {}
    for name, thresholds in chosen.items():
        spread[name] = np.std(np.log(thresholds) - np.log1p(-np.array(thresholds)))
        kept = np.searchsorted(-new_scores, -np.array(thresholds), side="right")
        quality[name] = f1[kept - 1].mean()
    assert spread["robust"] < 0.9 * spread["highest"]
    assert quality["robust"] > quality["highest"]


def test_between_two_good_ranges_one_of_them_is_taken(rates_at):
    """After 20 hits come 30 false alarms, then 20 hits: as good before as after, bad between."""
    right = [*np.linspace(0.99, 0.9, 20), *np.linspace(0.1, 0.05, 20)]
    wrong = np.linspace(0.7, 0.3, 25)
    truths, predictions = image_set(right, wrong, negatives=5)
    points = choose_detection_points(truths, predictions, class_names=ONE)
    at = rates_at(truths, predictions, points.balanced, class_names=ONE)[ALL_CLASSES]
    best = 2 * 40 / (65 + 40)
    assert at.f1.value >= best - 0.5 * np.sqrt(best * (1 - best) / 40)


def test_specific_without_a_hit_among_few_false_alarms_has_the_highest_precision():
    # The surest is false, so no threshold keeps a hit with 0.1 false alarms an image or fewer.
    points = choose_detection_points(*image_set([0.8, 0.7], [0.9, 0.1]), class_names=ONE)
    assert points.specific["fracture"] == pytest.approx((0.7 + 0.1) / 2)


def test_a_perfect_detector_keeps_the_points_in_order():
    """18 of 20 findings would do for screening, and 0.1 would for specific: both are drawn in."""
    right = np.linspace(0.99, 0.8, 20).tolist()
    points = choose_detection_points(*image_set(right, [0.1]), class_names=ONE)
    assert points.balanced["fracture"] == pytest.approx((0.8 + 0.1) / 2)
    assert points.screening == points.balanced
    assert points.specific == points.balanced


@pytest.mark.parametrize(
    ("right", "wrong", "missed", "negatives"),
    [
        pytest.param([], [], 0, 0, id="no images"),
        pytest.param([], [], 0, 4, id="only negatives"),
        pytest.param([], [0.9, 0.2], 0, 4, id="only false alarms"),
        pytest.param([], [], 4, 0, id="no predictions"),
        pytest.param([], [0.9], 4, 0, id="nothing found"),
    ],
)
def test_detection_without_evidence(right, wrong, missed, negatives):
    images = image_set(right, wrong, missed=missed, negatives=negatives)
    points = choose_detection_points(*images, class_names=ONE)
    assert points.balanced == {"fracture": UNMEASURED.balanced}
    assert points.screening == {"fracture": UNMEASURED.screening}
    assert points.specific == {"fracture": UNMEASURED.specific}


def test_classes_are_chosen_apart():
    truths, predictions = image_set([0.9, 0.8], [0.2])
    points = choose_detection_points(truths, predictions, class_names=("fracture", "lesion"))
    assert points.balanced["fracture"] == pytest.approx((0.8 + 0.2) / 2)
    assert points.balanced["lesion"] == UNMEASURED.balanced


@pytest.mark.parametrize("score", [0.0, 1.0, np.nextafter(0.5, 1)], ids=["zero", "one", "half"])
def test_thresholds_stay_inside_and_separate_neighbours(score, rates_at):
    below = max(np.nextafter(score, 0), 0.0)
    truths, predictions = image_set([score], [below], negatives=9)
    threshold = choose_detection_points(truths, predictions, class_names=ONE).balanced["fracture"]
    assert 0.0 < threshold < 1.0
    if 0.1 < score < 1.0:
        kept = rates_at(truths, predictions, {"fracture": threshold}, class_names=ONE)
        assert (kept[ALL_CLASSES].tp, kept[ALL_CLASSES].fp) == (1, 0)


def test_classification_points_by_their_definitions():
    # 20 positives and 20 negatives; the third positive from below lies under three negatives.
    positive = np.array([*np.linspace(0.6, 0.98, 18), 0.35, 0.05])
    negative = np.array([*np.linspace(0.1, 0.3, 16), 0.4, 0.45, 0.5, 0.7])
    truth = np.repeat([True, False], 20)[:, None]
    probabilities = np.concatenate([positive, negative])[:, None]
    points = choose_classification_points(truth, probabilities, class_names=("tb",))
    # 19 of 20 is 95% exactly.
    assert points.screening["tb"] == pytest.approx((0.35 + 0.3) / 2)
    # J is 0.85 with 18 hits and one false alarm (at 0.7), 0.75 with 19 and four.
    assert points.balanced["tb"] == pytest.approx((0.6 + 0.5) / 2)
    # One false alarm of 20 is a specificity of 95% exactly.
    assert points.specific["tb"] == pytest.approx((0.6 + 0.5) / 2)


def test_classification_targets_decide():
    positive = np.array([*np.linspace(0.6, 0.98, 18), 0.35, 0.05])
    negative = np.array([*np.linspace(0.1, 0.3, 16), 0.4, 0.45, 0.5, 0.7])
    truth = np.repeat([True, False], 20)[:, None]
    probabilities = np.concatenate([positive, negative])[:, None]
    targets = ClassificationTargets(screening_sensitivity=1.0, specific_specificity=1.0)
    points = choose_classification_points(
        truth, probabilities, class_names=("tb",), targets=targets
    )
    # The last positive lies below all negatives, the first false alarm at 0.7.
    assert points.screening["tb"] == pytest.approx(0.05 / 2)
    above = positive[positive > 0.7].min()
    assert points.specific["tb"] == pytest.approx((above + 0.7) / 2)
    # A target that the balanced point surpasses moves to it: 18 of 20 are found there.
    lenient = ClassificationTargets(screening_sensitivity=0.5, specific_specificity=0.2)
    points = choose_classification_points(
        truth, probabilities, class_names=("tb",), targets=lenient
    )
    assert points.screening == points.balanced == points.specific


def test_unknown_labels_choose_nothing():
    truth = np.array([[1.0, np.nan], [0.0, 1.0], [np.nan, 0.0], [np.nan, np.nan]])
    probabilities = np.array([[0.9, 0.99], [0.3, 0.8], [0.7, 0.6], [0.5, 0.5]])
    points = choose_classification_points(truth, probabilities, class_names=("a", "b"))
    assert points.balanced == pytest.approx({"a": (0.9 + 0.3) / 2, "b": (0.8 + 0.6) / 2})


@pytest.mark.parametrize(
    "truth",
    [np.zeros((4, 1), bool), np.ones((4, 1), bool), np.zeros((0, 1), bool)],
    ids=["no positives", "no negatives", "no images"],
)
def test_classification_without_evidence(truth):
    probabilities = np.full(truth.shape, 0.3)
    points = choose_classification_points(truth, probabilities, class_names=("tb",))
    assert points.balanced == {"tb": UNMEASURED.balanced}


def test_classification_that_is_worse_than_chance_still_calls_something():
    truth = np.array([[True], [False]])
    points = choose_classification_points(truth, np.array([[0.2], [0.8]]), class_names=("tb",))
    assert points.screening["tb"] <= points.balanced["tb"] <= points.specific["tb"] < 0.8


def test_equal_probabilities_give_one_threshold_below_them():
    truth = np.array([[True], [False]])
    points = choose_classification_points(truth, np.full((2, 1), 0.5), class_names=("tb",))
    assert points.balanced["tb"] == 0.25


@pytest.mark.parametrize("seed", range(5))
def test_points_are_in_order_and_off_the_data(seed):
    rng = np.random.default_rng(seed)
    truth = rng.random((60, 3)) < [0.5, 0.1, 0.9]
    probabilities = np.clip(rng.normal(0.4 + 0.2 * truth, 0.25), 0, 1).round(2)
    names = ("a", "b", "c")
    points = choose_classification_points(truth, probabilities, class_names=names)
    for column, name in enumerate(names):
        chosen = [points.screening[name], points.balanced[name], points.specific[name]]
        assert chosen == sorted(chosen)
        assert not np.isin(chosen, probabilities[:, column]).any()


@pytest.mark.parametrize(
    ("truth", "probabilities", "message"),
    [
        pytest.param(np.zeros((4, 2), bool), np.zeros((4, 2)), "must both be", id="classes"),
        pytest.param(np.zeros((4, 1), bool), np.zeros((3, 1)), "must both be", id="lengths"),
        pytest.param(np.zeros((1, 1), bool), np.full((1, 1), np.nan), "finite", id="nan"),
    ],
)
def test_wrong_arrays_are_refused(truth, probabilities, message):
    with pytest.raises(ValueError, match=message):
        choose_classification_points(truth, probabilities, class_names=("tb",))


def test_manifest_form():
    points = OperatingPoints({"a": 0.1}, {"a": 0.2}, {"a": 0.3})
    assert points.to_manifest() == {
        "screening": {"a": 0.1},
        "balanced": {"a": 0.2},
        "specific": {"a": 0.3},
    }


@pytest.mark.parametrize(
    ("screening", "message"),
    [({"b": 0.1}, "must name the classes"), ({"a": 0.0}, "between 0 and 1")],
    ids=["classes", "range"],
)
def test_wrong_points_are_refused(screening, message):
    with pytest.raises(ValueError, match=message):
        OperatingPoints(screening, {"a": 0.2}, {"a": 0.3})

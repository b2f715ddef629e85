"""Thresholds chosen on hand-made scores."""

import numpy as np
import pytest

from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.operating_points import (
    UNMEASURED,
    OperatingPoints,
    choose_classification_points,
    choose_detection_points,
)
from lucency.evaluation.precision_recall import precision_recall_at

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
    # The best F1 keeps the eight down to 0.6: 16/19; the 90% need the ninth at 0.2.
    assert points.balanced["fracture"] == pytest.approx((0.6 + 0.55) / 2)
    assert points.screening["fracture"] == pytest.approx((0.2 + 0.15) / 2)
    # Ten images allow one false alarm, at 0.88; 0.55 would be the second.
    assert points.specific["fracture"] == pytest.approx((0.6 + 0.55) / 2)


def test_specific_is_stricter_where_false_alarms_are_many():
    right = [0.95, 0.9, 0.6, 0.5, 0.45]
    wrong = [0.8, 0.75]
    truths, predictions = image_set(right, wrong)
    points = choose_detection_points(truths, predictions, class_names=ONE)
    assert points.specific["fracture"] == pytest.approx((0.9 + 0.8) / 2)
    assert points.balanced["fracture"] == pytest.approx(0.45 / 2)
    at = precision_recall_at(truths, predictions, points.specific, class_names=ONE)
    assert at.overall.fp == 0


def test_screening_takes_the_highest_sensitivity_reachable():
    points = choose_detection_points(*image_set([0.9, 0.4], [0.3], missed=3), class_names=ONE)
    assert points.screening["fracture"] == pytest.approx((0.4 + 0.3) / 2)


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
def test_thresholds_stay_inside_and_separate_neighbours(score):
    below = max(np.nextafter(score, 0), 0.0)
    truths, predictions = image_set([score], [below], negatives=9)
    threshold = choose_detection_points(truths, predictions, class_names=ONE).balanced["fracture"]
    assert 0.0 < threshold < 1.0
    if 0.1 < score < 1.0:
        kept = precision_recall_at(truths, predictions, {"fracture": threshold}, class_names=ONE)
        assert (kept.overall.tp, kept.overall.fp) == (1, 0)


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

"""Each kind of error on hand-made boxes, and counts that add up."""

import numpy as np
import pytest

from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.detection_measures import ALL_CLASSES
from lucency.evaluation.error_types import FALSE_ALARMS, MISSES, error_types

NAMES = ("a", "b")
LOW = {"a": 0.1, "b": 0.1}
HERE = (0.0, 0, 10, 10)
# Overlaps with HERE: 0.82, 1/3, 0.18, 0.05 and none.
CLOSE, HALF_OFF, FAR_OFF, GRAZING, AWAY = (
    (0.0, 1, 10, 11),
    (0.0, 5, 10, 15),
    (0.0, 7, 10, 17),
    (0.0, 9, 10, 19),
    (50.0, 50, 60, 60),
)


def image(marked, found, name="0"):
    """``marked`` as (box, class), ``found`` as (box, class, score)."""
    boxes = np.array([box for box, _ in marked], np.float64).reshape(-1, 4)
    ids = np.array([class_id for _, class_id in marked], np.int64)
    corners = np.array([box for box, _, _ in found], np.float64).reshape(-1, 4)
    called = np.array([class_id for _, class_id, _ in found], np.int64)
    scores = np.array([score for _, _, score in found], np.float64)
    return (
        ImageTruth(name, (99, 99), boxes, ids),
        ImagePredictions(name, corners, scores, called),
    )


def kinds(marked, found):
    truth, predictions = image(marked, found)
    return [e.kind for e in error_types([truth], [predictions], LOW, class_names=NAMES).errors]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param([(HERE, 0, 0.9)], [], id="hit"),
        pytest.param([], ["missed"], id="missed"),
        pytest.param([(HERE, 0, 0.05)], ["missed"], id="below the threshold"),
        pytest.param([(HERE, 0, 0.9), (CLOSE, 0, 0.8)], ["duplicate"], id="duplicate"),
        pytest.param([(CLOSE, 1, 0.9)], ["class", "misjudged"], id="class"),
        pytest.param([(HERE, 0, 0.9), (CLOSE, 1, 0.8)], ["class"], id="class beside a hit"),
        pytest.param([(HALF_OFF, 0, 0.9)], ["localisation", "misjudged"], id="localisation"),
        pytest.param(
            [(HERE, 0, 0.9), (HALF_OFF, 0, 0.8)], ["localisation"], id="localisation beside a hit"
        ),
        pytest.param([(FAR_OFF, 1, 0.9)], ["both", "missed"], id="both"),
        pytest.param([(GRAZING, 0, 0.9)], ["background", "missed"], id="grazing"),
        pytest.param([(AWAY, 0, 0.9)], ["background", "missed"], id="background"),
    ],
)
def test_kinds_with_one_finding(found, expected):
    assert kinds([(HERE, 0)], found) == expected


def test_the_nearest_to_being_right_is_asked_first():
    """In place of a found finding of its class, and of one of the other class as well."""
    marked = [(HERE, 0), (CLOSE, 1)]
    assert kinds(marked, [(HERE, 0, 0.9), (HERE, 0, 0.8)]) == ["duplicate", "missed"]


def test_limits_count_as_in_place_and_touching():
    half = (0.0, 0, 10, 20)
    tenth = (0.0, 0, 10, 100)
    assert kinds([(HERE, 0)], [(half, 1, 0.9)]) == ["class", "misjudged"]
    assert kinds([(HERE, 0)], [(tenth, 0, 0.9)]) == ["localisation", "misjudged"]


def test_rows_are_those_of_the_image():
    truth, predictions = image(
        [(AWAY, 1), (HERE, 0)],
        [(HERE, 0, 0.05), (HALF_OFF, 0, 0.3), ((80.0, 80, 90, 90), 1, 0.7)],
    )
    found = error_types([truth], [predictions], LOW, class_names=NAMES)
    told = [(e.kind, e.row, e.class_name, e.score, e.truth) for e in found.errors]
    assert told == [
        ("localisation", 1, "a", 0.3, 1),
        ("background", 2, "b", 0.7, None),
        ("missed", 0, "b", None, None),
        ("misjudged", 1, "a", None, None),
    ]
    assert found.errors[0].iou == pytest.approx(1 / 3)
    assert found.errors[1].iou == 0


def test_of_a_kind_the_surest_come_first():
    first = image([], [(AWAY, 0, 0.3), (HERE, 1, 0.6)], "0")
    second = image([], [(AWAY, 0, 0.5)], "1")
    found = error_types([first[0], second[0]], [first[1], second[1]], LOW, class_names=NAMES)
    assert [e.score for e in found.of_kind("background")] == [0.6, 0.5, 0.3]
    assert found.of_kind("missed") == ()


def random_set(seed):
    rng = np.random.default_rng(seed)
    truths, predictions = [], []
    for number in range(30):
        corners = rng.uniform(0, 60, (rng.integers(0, 4), 2))
        marked = np.concatenate([corners, corners + 20], axis=1)
        ids = rng.integers(0, 3, len(marked))
        boxes = np.repeat(marked, 3, axis=0) + rng.normal(0, 5, (3 * len(marked), 4))
        stray = np.tile(rng.uniform(0, 60, (2, 2)), 2)
        stray[:, 2:] += 15
        boxes = np.concatenate([boxes, stray])
        called = np.where(rng.random(len(boxes)) < 0.3, rng.integers(0, 3, len(boxes)), 0)
        called[: 3 * len(marked)] += np.repeat(ids, 3)
        truths.append(ImageTruth(f"{number}", (99, 99), marked, ids))
        scores = rng.random(len(boxes))
        predictions.append(ImagePredictions(f"{number}", boxes, scores, called % 3))
    return truths, predictions


@pytest.mark.parametrize("seed", range(3))
def test_counts_add_up_to_all_false_positives_and_negatives(seed, rates_at):
    truths, predictions = random_set(seed)
    names, thresholds = ("a", "b", "c"), {"a": 0.5, "b": 0.2, "c": 0.05}
    found = error_types(truths, predictions, thresholds, class_names=names)
    rates = rates_at(truths, predictions, thresholds, class_names=names)
    for name, rate in rates.items():
        counts = found.counts[name]
        assert sum(counts[kind] for kind in FALSE_ALARMS) == rate.fp
        assert sum(counts[kind] for kind in MISSES) == rate.fn
        assert found.hits[name] == rate.tp
    # The set has every kind of false alarm.
    assert all(found.counts[ALL_CLASSES][kind] for kind in FALSE_ALARMS)
    assert len(found.errors) == rates[ALL_CLASSES].fp + rates[ALL_CLASSES].fn


@pytest.mark.parametrize(
    "images",
    [pytest.param([], id="no images"), pytest.param([image([], [])], id="nothing in an image")],
)
def test_without_truth_and_predictions_there_are_no_errors(images):
    found = error_types([t for t, _ in images], [p for _, p in images], LOW, class_names=NAMES)
    assert found.errors == ()
    assert set(found.counts) == {"a", "b", ALL_CLASSES}
    assert not any(found.counts[ALL_CLASSES].values())

"""Confusion matrices by hand, and their sums."""

import numpy as np
import pytest

from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.confusion import confusion_matrix
from lucency.evaluation.match_rules import CENTRE, IOU_50

NAMES = ("a", "b")
LOW = {"a": 0.1, "b": 0.1}
HERE, CLOSE, AWAY = (0.0, 0, 10, 10), (0.0, 1, 10, 11), (50.0, 50, 60, 60)


def image(marked, found, name="0"):
    boxes = np.array([box for box, _ in marked], np.float64).reshape(-1, 4)
    ids = np.array([class_id for _, class_id in marked], np.int64)
    corners = np.array([box for box, _, _ in found], np.float64).reshape(-1, 4)
    called = np.array([class_id for _, class_id, _ in found], np.int64)
    scores = np.array([score for _, _, score in found], np.float64)
    return (
        [ImageTruth(name, (99, 99), boxes, ids)],
        [ImagePredictions(name, corners, scores, called)],
    )


@pytest.mark.parametrize(
    ("marked", "found", "expected"),
    [
        pytest.param([], [], [[0, 0, 0]] * 3, id="nothing"),
        pytest.param([(HERE, 0)], [(HERE, 0, 0.9)], [[1, 0, 0], [0] * 3, [0] * 3], id="hit"),
        pytest.param([(HERE, 0)], [(HERE, 1, 0.9)], [[0, 1, 0], [0] * 3, [0] * 3], id="mistaken"),
        pytest.param([(HERE, 1)], [(AWAY, 0, 0.9)], [[0] * 3, [0, 0, 1], [1, 0, 0]], id="miss"),
        pytest.param([(HERE, 1)], [(HERE, 1, 0.05)], [[0] * 3, [0, 0, 1], [0] * 3], id="unsure"),
        pytest.param(
            # The surer box of the other class must not take the finding from the right one.
            [(HERE, 0)],
            [(HERE, 1, 0.9), (CLOSE, 0, 0.3)],
            [[1, 0, 0], [0] * 3, [0, 1, 0]],
            id="right class first",
        ),
    ],
)
def test_by_hand(marked, found, expected):
    counts = confusion_matrix(*image(marked, found), LOW, class_names=NAMES)
    assert counts.tolist() == expected


@pytest.mark.parametrize("rule", [IOU_50, CENTRE], ids=lambda rule: rule.name)
def test_sums_are_those_of_all_findings_and_boxes(rule, rates_at):
    rng = np.random.default_rng(0)
    truths, predictions = [], []
    for number in range(40):
        corners = rng.uniform(0, 40, (rng.integers(0, 4), 2))
        marked = np.concatenate([corners, corners + 20], axis=1)
        boxes = np.repeat(marked, 2, axis=0) + rng.normal(0, 3, (2 * len(marked), 4))
        truths.append(ImageTruth(f"{number}", (99, 99), marked, rng.integers(0, 2, len(marked))))
        scores, called = rng.random(len(boxes)), rng.integers(0, 2, len(boxes))
        predictions.append(ImagePredictions(f"{number}", boxes, scores, called))
    thresholds = {"a": 0.5, "b": 0.2}
    counts = confusion_matrix(truths, predictions, thresholds, class_names=NAMES, rule=rule)
    for class_id, name in enumerate(NAMES):
        assert counts[class_id].sum() == sum((t.class_ids == class_id).sum() for t in truths)
        assert counts[:, class_id].sum() == sum(
            ((p.class_ids == class_id) & (p.scores >= thresholds[name])).sum() for p in predictions
        )
    assert counts[2, 2] == 0
    assert counts[0, 1] > 0
    if rule is IOU_50:
        rates = rates_at(truths, predictions, thresholds, class_names=NAMES)
        assert [counts[i, i] for i in (0, 1)] == [rates[name].tp for name in NAMES]

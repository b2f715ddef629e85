"""What thresholds reach, counted by hand."""

import numpy as np
import pytest

from lucency.configs.point_targets import PointTarget, PointTargets
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.operating_points import OperatingPoints
from lucency.evaluation.reached_points import reached_points

POINTS = OperatingPoints({"a": 0.2}, {"a": 0.5}, {"a": 0.85})


def one_image(marked, found, scores):
    boxes = [np.array(corners, np.float64).reshape(-1, 4) for corners in (marked, found)]
    return (
        [ImageTruth("0", (99, 99), boxes[0], np.zeros(len(marked), np.int64))],
        [ImagePredictions("0", boxes[1], np.array(scores), np.zeros(len(found), np.int64))],
    )


def test_counts_by_hand():
    """Two findings: one found at 0.9, one missed; false alarms at 0.6 and 0.3."""
    here, there, away = [0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]
    images = one_image([here, there], [here, away, away], [0.9, 0.6, 0.3])
    found = reached_points(*images, POINTS, class_names=("a",))
    assert [point.point for point in found] == ["screening", "balanced", "specific"]
    assert [point.false_positives_per_image for point in found] == [2.0, 1.0, 0.0]
    assert [point.sensitivity for point in found] == [0.5, 0.5, 0.5]
    assert [point.precision for point in found] == [1 / 3, 1 / 2, 1.0]
    assert found[1].f1 == 0.5
    # 0.90 sensitivity is out of reach; 0.1 false alarms an image is not.
    assert [point.met for point in found] == [False, True, True]
    assert str(found[0]) == (
        "screening, a: aimed at sensitivity 0.90, reached sensitivity 0.50 with 2.00 false alarms "
        "an image"
    )
    assert "aimed at the best F1, reached F1 0.50, sensitivity 0.50" in str(found[1])
    assert "aimed at 0.1 false alarms an image" in str(found[2])


def test_targets_are_those_asked_for():
    here = [0, 0, 10, 10]
    targets = PointTargets(screening=PointTarget(sensitivity=1.0))
    found = reached_points(
        *one_image([here], [here], [0.9]), POINTS, class_names=("a",), targets=targets
    )
    assert found[0].target.sensitivity == 1.0
    assert found[0].met


@pytest.mark.parametrize(
    ("images", "false_alarms"),
    [
        pytest.param(([], []), None, id="no images"),
        pytest.param(one_image([], [], []), 0.0, id="a negative"),
        pytest.param(one_image([], [[0, 0, 9, 9]], [0.9]), 1.0, id="a false alarm"),
    ],
)
def test_without_findings(images, false_alarms):
    found = reached_points(*images, POINTS, class_names=("a",))
    for point in found:
        assert (point.sensitivity, point.f1) == (None, None)
        assert point.false_positives_per_image == false_alarms
        assert "there are no findings" in str(point)
    assert not found[0].met
    assert not found[1].met

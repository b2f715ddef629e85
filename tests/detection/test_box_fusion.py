"""Weighted box fusion against the arithmetic of the paper (Solovyev et al. 2021, section 3)."""

import numpy as np
import pytest

from lucency.detection.box_fusion import fuse, union_of_classes
from lucency.detection.detections import Detections


def found(*rows: tuple[float, ...], names: tuple[str, ...] = ("a",)) -> Detections:
    """Rows of (x1, y1, x2, y2, p0, p1, …)."""
    values = np.array(rows, dtype=np.float32).reshape(-1, 4 + len(names))
    return Detections(values[:, :4], values[:, 4:], names)


def test_two_models_agree() -> None:
    """Corners are averaged by score: (0.9 * 0 + 0.3 * 4) / 1.2 = 1; the score is the mean."""
    fused = fuse([found((0, 0, 20, 20, 0.9)), found((4, 0, 20, 20, 0.3))])
    np.testing.assert_allclose(fused.boxes_xyxy, [[1, 0, 20, 20]], atol=1e-5)
    np.testing.assert_allclose(fused.scores, [0.6], atol=1e-6)


@pytest.mark.parametrize("models", [1, 2, 3])
def test_what_one_of_several_saw_counts_a_part(models: int) -> None:
    fused = fuse([found((0, 0, 20, 20, 0.9)), *[found()] * (models - 1)])
    np.testing.assert_allclose(fused.scores, [0.9 / models], atol=1e-6)
    np.testing.assert_allclose(fused.boxes_xyxy, [[0, 0, 20, 20]])


def test_more_boxes_than_models_are_averaged() -> None:
    fused = fuse([found((0, 0, 20, 20, 0.9), (0, 0, 20, 20, 0.3)), found((0, 0, 20, 20, 0.6))])
    np.testing.assert_allclose(fused.scores, [0.6], atol=1e-6)


def test_a_box_joins_the_running_average() -> None:
    """The third overlaps the first by 0.5, but the average of the first two by 0.6."""
    boxes = ((0, 0, 30, 10, 0.8), (5, 0, 35, 10, 0.8), (10, 0, 40, 10, 0.1))
    assert len(fuse([found(boxes[0]), found(boxes[2])])) == 2
    assert len(fuse([found(box) for box in boxes])) == 1


def test_class_vectors_are_averaged_and_classes_do_not_mix() -> None:
    names = ("a", "b")
    first = found((0, 0, 20, 20, 0.8, 0.2), (0, 0, 20, 20, 0.1, 0.5), names=names)
    second = found((0, 0, 20, 20, 0.6, 0.4), names=names)
    fused = fuse([first, second])
    assert fused.class_ids.tolist() == [0, 1]
    np.testing.assert_allclose(fused.probabilities, [[0.7, 0.3], [0.05, 0.25]], atol=1e-6)


def test_models_with_other_classes() -> None:
    """Only those that know a class have a say in it: b is known to the second alone."""
    first = found((0, 0, 20, 20, 0.8), names=("a",))
    second = found((0, 0, 20, 20, 0.3, 0.6), (50, 50, 70, 70, 0.5, 0.1), names=("b", "a"))
    fused = fuse([first, second])
    assert fused.class_names == ("a", "b")
    assert fused.class_ids.tolist() == [0, 1]
    np.testing.assert_allclose(fused.probabilities, [[0.7, 0.3], [0.1, 0.5]], atol=1e-6)


def test_a_class_that_calibration_made_second_stays_the_class() -> None:
    boxes = np.array([[0, 0, 20, 20]], np.float32)
    one = Detections(boxes, np.array([[0.4, 0.5]], np.float32), ("a", "b"), np.array([0]))
    fused = fuse([one, one])
    assert fused.class_ids.tolist() == [0]
    np.testing.assert_allclose(fused.scores, [0.4], atol=1e-6)


@pytest.mark.parametrize(
    "answers",
    [[found()], [found(), found()], [found((5, 5, 5, 5, 0.0))]],
    ids=["one without", "two without", "no area, no score"],
)
def test_nothing_and_next_to_nothing(answers: list[Detections]) -> None:
    fused = fuse(answers)
    assert len(fused) == len(answers[0])
    np.testing.assert_allclose(fused.boxes_xyxy, answers[0].boxes_xyxy)
    assert np.isfinite(fused.probabilities).all()


def test_best_first() -> None:
    fused = fuse([found((0, 0, 9, 9, 0.2), (50, 0, 59, 9, 0.3)), found((0, 0, 9, 9, 0.8))])
    np.testing.assert_allclose(fused.scores, [0.5, 0.15], atol=1e-6)


def test_union_of_classes_keeps_the_order() -> None:
    assert union_of_classes([("b", "a"), ("c", "a")]) == ("b", "a", "c")

import numpy as np
import pytest

from lucency.detection.detections import Detections, above


def test_best_class_and_score() -> None:
    found = Detections(
        np.array([[0, 0, 2, 2], [1, 1, 3, 3]], np.float32),
        np.array([[0.2, 0.7], [0.6, 0.1]], np.float32),
        ("a", "b"),
    )
    assert found.class_ids.tolist() == [1, 0]
    np.testing.assert_allclose(found.scores, [0.7, 0.6])
    assert found.to_predictions("x.png").scores.dtype == np.float64


def test_none_found() -> None:
    found = Detections(np.zeros((0, 4), np.float32), np.zeros((0, 2), np.float32), ("a", "b"))
    assert len(found) == 0
    assert found.scores.shape == found.class_ids.shape == (0,)


@pytest.mark.parametrize(
    ("boxes", "probabilities"),
    [((1, 3), (1, 2)), ((1, 4), (2, 2)), ((1, 4), (1, 3))],
    ids=["three corners", "rows differ", "classes differ"],
)
def test_shapes_must_agree(boxes: tuple[int, int], probabilities: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Detections(np.zeros(boxes, np.float32), np.zeros(probabilities, np.float32), ("a", "b"))


def calibrated_apart() -> Detections:
    """The first box was found as a; calibration has raised b above it."""
    return Detections(
        np.array([[0, 0, 2, 2], [1, 1, 3, 3], [2, 2, 4, 4]], np.float32),
        np.array([[0.2, 0.7], [0.6, 0.1], [0.2, 0.9]], np.float32),
        ("a", "b"),
        np.array([0, 0, 1]),
    )


def test_a_box_keeps_the_class_it_was_found_as() -> None:
    found = calibrated_apart()
    assert found.class_ids.tolist() == [0, 0, 1]
    np.testing.assert_allclose(found.scores, [0.2, 0.6, 0.9])
    assert found.rows(np.array([2, 0])).class_ids.tolist() == [1, 0]
    with pytest.raises(ValueError, match="found_as must be"):
        Detections(found.boxes_xyxy, found.probabilities, found.class_names, np.array([0]))


def test_above_is_strict_and_best_first() -> None:
    found = calibrated_apart()
    np.testing.assert_allclose(above(found, conf=0.1, most=9).scores, [0.9, 0.6, 0.2])
    np.testing.assert_allclose(above(found, conf=float(found.scores[1]), most=9).scores, [0.9])
    assert len(above(found, conf=0.1, most=2)) == 2
    assert len(above(found, conf=1.0, most=9)) == 0

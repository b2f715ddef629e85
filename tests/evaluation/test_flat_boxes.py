"""Joining the boxes of a set, and the pairs that may match."""

import numpy as np
import pytest

from lucency.evaluation import flat_boxes as module
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.flat_boxes import flat_boxes, matching_pairs
from lucency.evaluation.match_rules import CENTRE, IOU_10, IOU_50
from lucency.evaluation.matching import iou_matrix

NAMES = ("fracture", "lesion")


def truth(image, boxes=(), ids=None, patient="", size_wh=(200, 100)):
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    class_ids = np.array([0] * len(boxes) if ids is None else ids, np.int64)
    return ImageTruth(image, size_wh, corners, class_ids, patient)


def found(image, boxes=(), ids=None):
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    class_ids = np.array([0] * len(boxes) if ids is None else ids, np.int64)
    return ImagePredictions(image, corners, np.linspace(0.9, 0.1, len(boxes)), class_ids)


def test_rows_stand_image_after_image():
    flat = flat_boxes(
        [truth("a"), truth("b", [[0, 0, 100, 50], [0, 0, 200, 100]], [1, 0]), truth("c")],
        [found("c", [[1, 1, 2, 2]], [1]), found("b", [[3, 3, 4, 4]])],
        class_names=NAMES,
    )
    assert flat.images == ("a", "b", "c")
    assert flat.truth_image.tolist() == [1, 1]
    assert flat.truth_class.tolist() == [1, 0]
    assert flat.prediction_image.tolist() == [1, 2]
    assert flat.prediction_xyxy[:, 0].tolist() == [3, 1]
    # A quarter of the image, and all of it.
    assert flat.truth_size.tolist() == [0.5, 1.0]
    assert flat.of_one_class().truth_class.tolist() == [0, 0]


def test_patients_are_numbered_in_order_and_an_image_without_one_is_its_own():
    flat = flat_boxes(
        [truth("a", patient="x"), truth("x"), truth("b", patient="x"), truth("c"), truth("d")],
        [],
        class_names=NAMES,
    )
    # The image called "x" is not of the patient "x".
    assert flat.image_patient.tolist() == [0, 1, 0, 2, 3]


def test_nothing_at_all():
    flat = flat_boxes([], [], class_names=NAMES)
    assert flat.images == ()
    assert flat.prediction_xyxy.shape == flat.truth_xyxy.shape == (0, 4)
    assert len(matching_pairs(flat, IOU_50).iou) == 0


@pytest.mark.parametrize("rule", [IOU_50, IOU_10, CENTRE], ids=lambda rule: rule.name)
@pytest.mark.parametrize("at_once", [1, 7, 500_000])
def test_pairs_are_those_of_each_image_and_class(made_up_set, monkeypatch, rule, at_once):
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", at_once)
    truths, predictions = made_up_set(3, most_truths=8)
    flat = flat_boxes(truths, predictions, class_names=NAMES)
    pairs = matching_pairs(flat, rule)
    overlap = iou_matrix(flat.prediction_xyxy, flat.truth_xyxy)
    able = (flat.prediction_image[:, None] == flat.truth_image) & (
        flat.prediction_class[:, None] == flat.truth_class
    )
    if rule.iou is not None:
        able &= overlap >= rule.iou
    else:
        centre = (flat.prediction_xyxy[:, None, :2] + flat.prediction_xyxy[:, None, 2:]) / 2
        able &= ((centre >= flat.truth_xyxy[:, :2]) & (centre <= flat.truth_xyxy[:, 2:])).all(2)
    rows, columns = np.nonzero(able)
    assert len(rows) > 20
    ours = sorted(zip(pairs.prediction.tolist(), pairs.truth.tolist(), strict=True))
    assert ours == list(zip(rows.tolist(), columns.tolist(), strict=True))
    np.testing.assert_array_equal(pairs.iou, overlap[pairs.prediction, pairs.truth])


@pytest.mark.parametrize(
    ("truths", "predictions", "message"),
    [
        pytest.param([truth("a"), truth("a")], [], "stands twice", id="truth twice"),
        pytest.param([truth("a")], [found("b")], "no truth for b", id="unknown image"),
        pytest.param(
            [truth("a"), truth("b", [[0, 0, 1, 1]], [2])],
            [],
            "b: class ids must be from 0 to 1, got 2",
            id="class of a truth",
        ),
        pytest.param(
            [truth("a")],
            [found("a", [[0, 0, 1, 1]], [-1])],
            "a: class ids must be from 0 to 1, got -1",
            id="class of a prediction",
        ),
    ],
)
def test_contradictions_are_refused(truths, predictions, message):
    with pytest.raises(ValueError, match=message):
        flat_boxes(truths, predictions, class_names=NAMES)

"""Average precision against pycocotools run by hand, and worked examples."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lucency.evaluation.average_precision import average_precision
from lucency.evaluation.boxes import ImagePredictions, ImageTruth

NAMES = ("fracture", "lesion", "metal")


def truth(image, boxes, class_ids=None):
    ids = np.zeros(len(boxes), np.int64) if class_ids is None else np.array(class_ids, np.int64)
    return ImageTruth(image, (200, 200), np.array(boxes, np.float64).reshape(-1, 4), ids)


def found(image, boxes, scores, class_ids=None):
    ids = np.zeros(len(boxes), np.int64) if class_ids is None else np.array(class_ids, np.int64)
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    return ImagePredictions(image, corners, np.array(scores, np.float64), ids)


def random_set(seed, *, images=25, most_truths=5, most_false=8):
    """Truths with jittered finds, tied scores, negatives and false alarms of all classes."""
    rng = np.random.default_rng(seed)
    truths, predictions = [], []
    for number in range(images):
        corner = rng.uniform(0, 150, (rng.integers(0, most_truths + 1), 2))
        boxes = np.hstack([corner, corner + rng.uniform(10, 50, corner.shape)])
        ids = rng.integers(0, len(NAMES), len(boxes))
        kept = rng.random(len(boxes)) < 0.8
        near = boxes[kept] + rng.normal(0, 3, (int(kept.sum()), 4))
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        corner = rng.uniform(0, 150, (rng.integers(0, most_false + 1), 2))
        false = np.hstack([corner, corner + rng.uniform(10, 50, corner.shape)])
        every = np.vstack([near, false])
        every_id = np.concatenate([ids[kept], rng.integers(0, len(NAMES), len(false))])
        scores = rng.random(len(every)).round(2)
        truths.append(truth(f"{number}.png", boxes, ids))
        predictions.append(found(f"{number}.png", every, scores, every_id))
    return truths, predictions


def by_hand(truths, predictions, names=NAMES):
    """pycocotools as its own demo uses it: a COCO object, loadRes, summarize."""
    images = [{"id": i} for i in range(len(truths))]
    categories = [{"id": i, "name": name} for i, name in enumerate(names)]
    annotations, results = [], []
    for i, one in enumerate(truths):
        for (x1, y1, x2, y2), class_id in zip(one.boxes_xyxy.tolist(), one.class_ids, strict=True):
            w, h = x2 - x1, y2 - y1
            record = {"image_id": i, "category_id": int(class_id), "bbox": [x1, y1, w, h]}
            number = len(annotations) + 1
            annotations.append({**record, "area": w * h, "iscrowd": 0, "id": number})
    for i, one in enumerate(predictions):
        rows = zip(one.boxes_xyxy.tolist(), one.class_ids, one.scores, strict=True)
        for (x1, y1, x2, y2), class_id, score in rows:
            record = {"image_id": i, "category_id": int(class_id), "score": float(score)}
            results.append({**record, "bbox": [x1, y1, x2 - x1, y2 - y1]})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"images": images, "categories": categories, "annotations": annotations}
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("seed", range(5))
def test_equals_pycocotools_by_hand(seed):
    truths, predictions = random_set(seed)
    ours = average_precision(truths, predictions, class_names=NAMES)
    reference = by_hand(truths, predictions)
    assert 0.05 < ours.map50_95 < ours.map50 < 0.95
    assert ours.map50_95 == pytest.approx(reference.stats[0], abs=1e-9)
    assert ours.map50 == pytest.approx(reference.stats[1], abs=1e-9)
    precision = reference.eval["precision"]
    for index, name in enumerate(NAMES):
        one = ours.per_class[name]
        assert one.ap50 == pytest.approx(precision[0, :, index, 0, 2].mean(), abs=1e-9)
        assert one.ap50_95 == pytest.approx(precision[:, :, index, 0, 2].mean(), abs=1e-9)
        np.testing.assert_allclose(
            ours.curves[name].precision, precision[0, :, index, 0, 2], atol=1e-9
        )


def test_equals_pycocotools_beyond_100_predictions_an_image():
    truths, predictions = random_set(7, images=3, most_truths=9, most_false=900)
    assert max(len(one.scores) for one in predictions) > 400
    ours = average_precision(truths, predictions, class_names=NAMES)
    assert ours.map50 == pytest.approx(by_hand(truths, predictions).stats[1], abs=1e-9)


def test_perfect_predictions_of_a_class_of_two():
    boxes = [[10, 10, 50, 50], [60, 60, 90, 90]]
    result = average_precision(
        [truth("a", boxes)], [found("a", boxes, [0.9, 0.8])], class_names=("fracture", "lesion")
    )
    assert result.map50 == pytest.approx(1.0)
    assert result.map50_95 == pytest.approx(1.0)
    assert (result.per_class["fracture"].truths, result.per_class["fracture"].predictions) == (2, 2)
    # A class without truth is neither 0 nor 1, and does not enter the mean.
    assert result.per_class["lesion"].ap50 is None
    assert result.per_class["lesion"].ap50_95 is None
    assert list(result.curves) == ["fracture"]


def test_worked_example():
    """Two truths; the best prediction is false, the second right: precision 1/2 up to recall 1/2.

    COCO samples recall at 0, 0.01, … 1.00, of which 51 do not exceed 1/2.
    """
    truths = [truth("a", [[0, 0, 10, 10], [100, 100, 120, 120]])]
    predictions = [found("a", [[50, 50, 60, 60], [0, 0, 10, 10]], [0.9, 0.6])]
    result = average_precision(truths, predictions, class_names=("fracture",))
    assert result.map50 == pytest.approx(51 / 101 / 2, abs=1e-9)
    curve = result.curves["fracture"]
    assert curve.recall.shape == curve.precision.shape == (101,)
    assert curve.precision[50] == pytest.approx(0.5)
    assert curve.precision[51] == 0.0


def test_false_alarms_in_negatives_count():
    truths = [truth("a", [[0, 0, 10, 10]]), truth("negative", [])]
    right = found("a", [[0, 0, 10, 10]], [0.5])
    alone = average_precision(truths, [right], class_names=("fracture",))
    beside = average_precision(
        truths, [right, found("negative", [[0, 0, 10, 10]], [0.9])], class_names=("fracture",)
    )
    assert alone.map50 == pytest.approx(1.0)
    assert beside.map50 == pytest.approx(0.5)


def test_order_of_the_predictions_does_not_matter():
    truths, predictions = random_set(3)
    forwards = average_precision(truths, predictions, class_names=NAMES)
    backwards = average_precision(truths, predictions[::-1], class_names=NAMES)
    assert forwards.map50 == backwards.map50


@pytest.mark.parametrize(
    ("truths", "predictions", "expected"),
    [
        pytest.param([], [], None, id="no images"),
        pytest.param([truth("a", [])], [], None, id="no truths, no predictions"),
        pytest.param([truth("a", [])], [found("a", [[0, 0, 5, 5]], [0.5])], None, id="no truths"),
        pytest.param([truth("a", [[0, 0, 5, 5]])], [], 0.0, id="image left out of predictions"),
        pytest.param(
            [truth("a", [[0, 0, 5, 5]])], [found("a", [], [])], 0.0, id="zero predictions"
        ),
    ],
)
def test_nothing_there(truths, predictions, expected, capsys):
    result = average_precision(truths, predictions, class_names=("fracture",))
    assert result.map50 == expected
    assert result.map50_95 == expected
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("truths", "predictions", "message"),
    [
        pytest.param([truth("a", []), truth("a", [])], [], "stands twice", id="truth twice"),
        pytest.param(
            [truth("a", [])],
            [found("a", [], []), found("a", [], [])],
            "stands twice",
            id="predictions twice",
        ),
        pytest.param([truth("a", [])], [found("b", [], [])], "no truth for b", id="unknown image"),
        pytest.param(
            [truth("a", [[0, 0, 5, 5]], [3])], [], "class ids must be from 0 to 2", id="class id"
        ),
    ],
)
def test_contradictions_are_refused(truths, predictions, message):
    with pytest.raises(ValueError, match=message):
        average_precision(truths, predictions, class_names=NAMES)

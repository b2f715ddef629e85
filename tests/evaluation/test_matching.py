"""Matching: worked examples, and agreement with pycocotools' own matches."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.match_rules import CENTRE, IOU_10, IOU_30, IOU_50, MatchRule
from lucency.evaluation.matching import iou_matrix, match_all, match_image


def truth(boxes, class_ids=None, image="a"):
    ids = np.zeros(len(boxes), np.int64) if class_ids is None else np.array(class_ids, np.int64)
    return ImageTruth(image, (200, 200), np.array(boxes, np.float64).reshape(-1, 4), ids)


def found(boxes, scores, class_ids=None, image="a"):
    ids = np.zeros(len(boxes), np.int64) if class_ids is None else np.array(class_ids, np.int64)
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    return ImagePredictions(image, corners, np.array(scores, np.float64), ids)


def random_boxes(rng, count):
    corner = rng.uniform(0, 60, (count, 2))
    return np.hstack([corner, corner + rng.uniform(15, 40, corner.shape)])


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param([0, 0, 10, 10], 1.0, id="same"),
        pytest.param([5, 0, 15, 10], 1 / 3, id="half over"),
        pytest.param([10, 0, 20, 10], 0.0, id="touching"),
        pytest.param([50, 50, 60, 60], 0.0, id="apart"),
        pytest.param([2, 2, 4, 4], 0.04, id="inside"),
        pytest.param([3, 3, 3, 8], 0.0, id="without width"),
    ],
)
def test_iou(other, expected):
    a = np.array([[0, 0, 10, 10]], np.float64)
    assert iou_matrix(a, np.array([other], np.float64))[0, 0] == pytest.approx(expected)


def test_iou_of_boxes_without_area_and_of_none():
    point = np.array([[3.0, 3, 3, 3]])
    assert iou_matrix(point, point)[0, 0] == 0.0
    assert iou_matrix(point, np.zeros((0, 4))).shape == (1, 0)
    assert iou_matrix(np.zeros((0, 4)), point).shape == (0, 1)


def test_iou_equals_pycocotools():
    rng = np.random.default_rng(0)
    a, b = random_boxes(rng, 40), random_boxes(rng, 30)
    to_xywh = lambda boxes: np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])  # noqa: E731
    reference = mask.iou(to_xywh(a), to_xywh(b), [0] * len(b))
    # To the last bit, or a box at the limit would be found by one and not by the other.
    np.testing.assert_array_equal(iou_matrix(a, b), reference)


def test_one_truth_is_found_once_and_by_the_surest():
    matches = match_image(
        truth([[0, 0, 10, 10]]), found([[0, 0, 10, 9], [0, 0, 10, 10]], [0.9, 0.8])
    )
    assert matches.prediction_truth.tolist() == [0, -1]
    assert matches.prediction_iou.tolist() == [pytest.approx(0.9), 0.0]
    assert matches.truth_matched.tolist() == [True]


def test_each_takes_the_free_truth_it_overlaps_most():
    truths = truth([[0, 0, 10, 10], [0, 2, 10, 12]])
    matches = match_image(truths, found([[0, 1, 10, 11.5], [0, 0, 10, 11]], [0.5, 0.9]))
    # The second is surer and takes the first truth; the first is left with the other.
    assert matches.prediction_truth.tolist() == [1, 0]


def test_classes_do_not_mix():
    matches = match_image(truth([[0, 0, 10, 10]], [1]), found([[0, 0, 10, 10]], [0.9], [0]))
    assert matches.prediction_truth.tolist() == [-1]
    assert not matches.truth_matched.any()


@pytest.mark.parametrize(
    ("rule", "height", "hit"),
    [
        pytest.param(IOU_50, 5.0, True, id="at 0.5"),
        pytest.param(IOU_50, 4.99, False, id="below 0.5"),
        pytest.param(IOU_30, 3.0, True, id="at 0.3"),
        pytest.param(IOU_30, 2.99, False, id="below 0.3"),
        pytest.param(IOU_10, 1.0, True, id="at 0.1"),
        pytest.param(IOU_10, 0.99, False, id="below 0.1"),
    ],
)
def test_the_limit_counts_as_overlap(rule, height, hit):
    matches = match_image(truth([[0, 0, 10, 10]]), found([[0, 0, 10, height]], [0.9]), rule=rule)
    assert bool(matches.truth_matched[0]) is hit


@pytest.mark.parametrize(
    ("box", "hit"),
    [
        pytest.param([4, 4, 6, 6], True, id="small, inside"),
        pytest.param([-90, -90, 100, 100], True, id="large, centre inside"),
        pytest.param([5, 5, 15, 15], True, id="centre on the corner"),
        pytest.param([5.1, 0, 15.1, 10], False, id="centre just outside"),
        pytest.param([0, 5.1, 10, 15.1], False, id="centre just below"),
    ],
)
def test_the_centre_decides(box, hit):
    matches = match_image(truth([[0, 0, 10, 10]]), found([box], [0.9]), rule=CENTRE)
    assert bool(matches.truth_matched[0]) is hit


def test_the_centre_takes_the_free_finding_of_the_nearest_centre():
    """Both centres lie in both findings, of centres (10, 10) and (20, 10)."""
    marked = truth([[0, 0, 20, 20], [4, 0, 36, 20]])
    both = found([[13, 9, 15, 11], [11, 9, 13, 11]], [0.9, 0.8])
    # (14, 10) is sure and nearer to the first, (12, 10) too but must take the other.
    matches = match_image(marked, both, rule=CENTRE)
    assert matches.prediction_truth.tolist() == [0, 1]
    assert matches.prediction_iou.tolist() == pytest.approx([4 / 400, 4 / 640])
    alone = match_image(marked, found([[17, 9, 19, 11]], [0.9]), rule=CENTRE)
    assert alone.prediction_truth.tolist() == [1]


def test_the_centre_respects_classes():
    matches = match_image(
        truth([[0, 0, 10, 10]], [1]), found([[0, 0, 10, 10]], [0.9], [0]), rule=CENTRE
    )
    assert not matches.truth_matched.any()


@pytest.mark.parametrize(
    ("truths", "predictions"),
    [
        pytest.param(truth([]), found([], []), id="nothing"),
        pytest.param(truth([]), found([[0, 0, 5, 5]], [0.5]), id="no truth"),
        pytest.param(truth([[0, 0, 5, 5]]), found([], []), id="no prediction"),
    ],
)
def test_nothing_to_match(truths, predictions):
    matches = match_image(truths, predictions)
    assert matches.prediction_truth.tolist() == [-1] * len(predictions.scores)
    assert matches.truth_matched.tolist() == [False] * len(truths.class_ids)


@pytest.mark.parametrize("iou", [0.3, 0.5, 0.75])
def test_equals_pycocotools_matches(iou):
    rng = np.random.default_rng(5)
    for _ in range(20):
        boxes = random_boxes(rng, rng.integers(1, 12))
        near = boxes[rng.integers(0, len(boxes), 15)] + rng.normal(0, 3, (15, 4))
        near = np.clip(near, 0, None)
        scores = rng.random(15).round(1)
        ours = match_image(truth(boxes), found(near, scores), rule=MatchRule("any", iou, ""))
        expected = coco_matches(boxes, near, scores, iou)
        assert ours.prediction_truth.tolist() == expected


def coco_matches(boxes, predicted, scores, iou):
    """The truth's row or -1 for each prediction, from COCOeval."""

    def annotation(number, box):
        x1, y1, x2, y2 = box.tolist()
        size = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": 0}
        return {"id": number, "image_id": 1, "category_id": 1, **size}

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": 1}],
            "categories": [{"id": 1}],
            "annotations": [annotation(i, box) for i, box in enumerate(boxes, 1)],
        }
        coco.createIndex()
        results = [
            {**annotation(i, box), "score": float(score)}
            for i, (box, score) in enumerate(zip(predicted, scores, strict=True), 1)
        ]
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.params.iouThrs = np.array([iou])
        evaluation.evaluate()
    result = evaluation.evalImgs[0]
    pairs = zip(result["dtIds"], result["dtMatches"][0], strict=True)
    return [int(match) - 1 for _, match in sorted(pairs)]


def test_match_all_sorts_by_score_and_counts_by_class():
    matches = match_all(
        [truth([[0, 0, 10, 10]], image="a"), truth([[0, 0, 9, 9], [50, 50, 60, 60]], [0, 1], "b")],
        [
            found([[0, 0, 10, 10], [70, 70, 80, 80]], [0.4, 0.7], image="a"),
            found([[0, 0, 9, 9]], [0.6], image="b"),
        ],
        class_names=("fracture", "lesion", "metal"),
    )
    assert matches["fracture"].scores.tolist() == [0.7, 0.6, 0.4]
    assert matches["fracture"].correct.tolist() == [False, True, True]
    assert [matches[name].truths for name in matches] == [2, 1, 0]
    assert {matches[name].images for name in matches} == {2}
    assert len(matches["metal"].scores) == 0


def test_match_all_by_another_rule():
    truths = [truth([[0, 0, 10, 10]])]
    predictions = [found([[4, 4, 6, 6]], [0.9])]
    strict = match_all(truths, predictions, class_names=("fracture",))
    centre = match_all(truths, predictions, class_names=("fracture",), rule=CENTRE)
    assert strict["fracture"].correct.tolist() == [False]
    assert centre["fracture"].correct.tolist() == [True]


def test_match_all_without_images():
    matches = match_all([], [], class_names=("fracture",))
    assert matches["fracture"].images == 0
    assert len(matches["fracture"].scores) == 0

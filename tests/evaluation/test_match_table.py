"""The flat table of matches against the matching of each image."""

import numpy as np
import pytest

from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.match_rules import MATCH_RULES
from lucency.evaluation.match_table import limits_of, match_table
from lucency.evaluation.matching import match_image

NAMES = ("fracture", "lesion")


@pytest.mark.parametrize("rule", MATCH_RULES.values(), ids=MATCH_RULES)
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_matching_of_each_image(made_up_set, rule, seed):
    truths, predictions = made_up_set(seed, most_truths=7, decimals=1)
    table = match_table(truths, predictions[::-1], class_names=NAMES, rule=rule)
    assert (table.prediction_truth >= 0).sum() > 20
    for number, (truth, found) in enumerate(zip(truths, predictions, strict=True)):
        one = match_image(truth, found, rule=rule)
        mine = table.prediction_image == number
        first = int(np.searchsorted(table.truth_image, number))
        rows = table.prediction_truth[mine]
        np.testing.assert_array_equal(np.where(rows >= 0, rows - first, -1), one.prediction_truth)
        np.testing.assert_array_equal(table.prediction_iou[mine], one.prediction_iou)
        np.testing.assert_array_equal(
            table.truth_found[table.truth_image == number], one.truth_matched
        )
    assert table.image_positive.tolist() == [len(one.class_ids) > 0 for one in truths]


@pytest.mark.parametrize("rule", MATCH_RULES.values(), ids=MATCH_RULES)
def test_a_threshold_on_the_score_equals_matching_above_it(made_up_set, rule):
    truths, predictions = made_up_set(11, most_truths=7, decimals=1)
    table = match_table(truths, predictions, class_names=NAMES, rule=rule)
    for threshold in (0.2, 0.5, 0.8):
        kept = [one.scores >= threshold for one in predictions]
        above = [
            ImagePredictions(one.image, one.boxes_xyxy[k], one.scores[k], one.class_ids[k])
            for one, k in zip(predictions, kept, strict=True)
        ]
        alone = match_table(truths, above, class_names=NAMES, rule=rule)
        np.testing.assert_array_equal(table.truth_score >= threshold, alone.truth_found)
        np.testing.assert_array_equal(
            table.prediction_truth[table.prediction_score >= threshold], alone.prediction_truth
        )


def test_zero_truths_and_zero_predictions():
    box, ids = np.array([[0.0, 0, 3, 3]]), np.zeros(1, np.int64)
    negative = ImageTruth("a", (9, 9), box[:0], ids[:0])
    marked = ImageTruth("b", (9, 9), box, ids)
    alarm = ImagePredictions("a", box, np.array([0.5]), ids)
    table = match_table([negative, marked], [alarm], class_names=NAMES)
    assert table.prediction_truth.tolist() == [-1]
    assert table.truth_score.tolist() == [-np.inf]
    assert table.image_positive.tolist() == [False, True]
    empty = match_table([], [], class_names=NAMES)
    assert len(empty.prediction_score) == len(empty.truth_score) == len(empty.image_positive) == 0


def test_limits_stand_in_the_order_of_the_classes():
    limits = limits_of({"balanced": {"lesion": 0.2, "fracture": 0.7, "metal": 0.1}}, NAMES)
    assert limits["balanced"].tolist() == [0.7, 0.2]
    with pytest.raises(ValueError, match="'screening' has none for 'lesion'"):
        limits_of({"screening": {"fracture": 0.5}}, NAMES)

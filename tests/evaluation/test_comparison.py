"""The paired bootstrap of two models."""

from dataclasses import replace

import numpy as np
import pytest

from lucency.evaluation.comparison import compare_detections
from lucency.evaluation.detection_measures import ALL_CLASSES
from lucency.evaluation.measuring import measure_detections

NAMES = ("fracture", "lesion")
POINTS = {"balanced": dict.fromkeys(NAMES, 0.4), "specific": dict.fromkeys(NAMES, 0.7)}
EXPECTED = [
    "map50",
    "map50_95",
    "agnostic_ap50",
    "froc_mean",
    "image_auc",
    "precision_balanced",
    "recall_balanced",
    "f1_balanced",
    "precision_specific",
    "recall_specific",
    "f1_specific",
]


def compared(truths, first, second, *, points_second=POINTS, **options):
    found = compare_detections(
        truths,
        first,
        second,
        class_names=NAMES,
        thresholds_first=POINTS,
        thresholds_second=points_second,
        **{"samples": 300, **options},
    )
    return {one.name: one for one in found}


def sharper(truths, predictions):
    """A model that also says 0.95 where the finding is."""
    return [
        replace(
            one,
            boxes_xyxy=np.vstack([truth.boxes_xyxy, one.boxes_xyxy]),
            scores=np.concatenate([np.full(len(truth.class_ids), 0.95), one.scores * 0.9]),
            class_ids=np.concatenate([truth.class_ids, one.class_ids]),
        )
        for truth, one in zip(truths, predictions, strict=True)
    ]


def test_a_better_model_is_ahead_with_a_small_p(made_up_set):
    truths, predictions = made_up_set(0, images=60)
    found = compared(truths, predictions, sharper(truths, predictions))
    assert list(found) == EXPECTED
    for name in ("map50", "froc_mean", "recall_balanced", "f1_balanced"):
        one = found[name]
        assert one.difference.value == pytest.approx(one.second.value - one.first.value)
        assert 0.0 < one.difference.low < one.difference.value < one.difference.high
        # 300 samples cannot show less than 2/301.
        assert one.p_value == pytest.approx(2 / 301)


def test_the_other_way_round_the_sign_turns(made_up_set):
    truths, predictions = made_up_set(1, images=40)
    better = sharper(truths, predictions)
    there = compared(truths, predictions, better)["map50"]
    back = compared(truths, better, predictions)["map50"]
    assert back.difference.value == -there.difference.value
    assert back.difference.low == pytest.approx(-there.difference.high)
    assert back.p_value == there.p_value


def test_a_model_does_not_differ_from_itself(made_up_set):
    truths, predictions = made_up_set(2, images=40)
    for one in compared(truths, predictions, predictions).values():
        assert one.difference.to_json() == {"value": 0.0, "low": 0.0, "high": 0.0}
        assert one.p_value == 1.0


def test_no_difference_between_models_of_one_kind(made_up_set):
    """Scores shuffled anew: two models that know nothing of each other, equally bad."""
    truths, predictions = made_up_set(4, images=80)
    rng = np.random.default_rng(0)
    other = [replace(one, scores=rng.permutation(one.scores)) for one in predictions]
    found = compared(truths, predictions, other)["map50"]
    assert found.difference.low < 0.0 < found.difference.high
    assert 0.05 < found.p_value <= 1.0


def test_pairing_makes_the_interval_narrower(made_up_set):
    truths, predictions = made_up_set(3, images=60)
    slightly = [replace(one, scores=one.scores**1.1 * 0.99) for one in predictions]
    found = compared(truths, predictions, slightly)["image_auc"]
    assert found.difference.high - found.difference.low < 0.2 * (found.first.high - found.first.low)


def test_figures_are_those_of_each_model_measured_alone(made_up_set):
    truths, predictions = made_up_set(5, images=40)
    better = sharper(truths, predictions)
    found = compared(truths, predictions, better, seed=7)
    for one, side in ((predictions, "first"), (better, "second")):
        alone = measure_detections(
            truths, one, class_names=NAMES, thresholds=POINTS, samples=300, seed=7
        )
        expected = {
            "map50": alone.map50,
            "map50_95": alone.map50_95,
            "agnostic_ap50": alone.agnostic_ap50,
            "froc_mean": alone.froc[ALL_CLASSES].mean,
            "image_auc": alone.image_auc,
            "f1_balanced": alone.points["balanced"][ALL_CLASSES].f1,
            "recall_specific": alone.points["specific"][ALL_CLASSES].recall,
        }
        for name, estimate in expected.items():
            ours = getattr(found[name], side).to_json()
            assert ours == pytest.approx(estimate.to_json(), abs=1e-9), name


def test_only_shared_points_are_compared_each_at_its_own_threshold(made_up_set):
    truths, predictions = made_up_set(5, images=40)
    own = {"balanced": dict.fromkeys(NAMES, 0.9), "screening": dict.fromkeys(NAMES, 0.1)}
    found = compared(truths, predictions, predictions, points_second=own)
    assert [name for name in found if name.startswith("recall")] == ["recall_balanced"]
    assert found["recall_balanced"].difference.value < 0.0


@pytest.mark.parametrize("samples", [0, 20])
def test_without_images_or_samples_nothing_is_claimed(made_up_set, samples):
    empty = compared([], [], [], samples=samples)
    assert all(one.difference.value is None and one.p_value is None for one in empty.values())
    truths, predictions = made_up_set(0)
    bare = compared(truths, predictions, predictions, samples=0)["map50"]
    assert bare.difference.to_json() == {"value": 0.0, "low": None, "high": None}
    assert bare.p_value is None


def test_a_side_without_value_has_no_difference(made_up_set):
    truths, predictions = made_up_set(0)
    found = compared(truths, predictions, [])
    # Nothing predicted: no precision to compare, but a recall of 0.
    assert found["precision_balanced"].second.value is None
    assert found["precision_balanced"].difference.value is None
    assert found["precision_balanced"].p_value is None
    assert found["recall_balanced"].second.value == 0.0
    assert found["recall_balanced"].p_value < 0.05

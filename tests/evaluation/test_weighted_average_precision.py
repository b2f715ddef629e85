"""Weighted average precision against pycocotools, on the set itself and on really drawn ones."""

from dataclasses import replace

import numpy as np
import pytest

from lucency.evaluation.average_precision import average_precision
from lucency.evaluation.bootstrap import patient_weights
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.flat_boxes import flat_boxes
from lucency.evaluation.weighted_average_precision import mean_ap50_meter, precision_meter

NAMES = ("fracture", "lesion", "metal")


def weighted(truths, predictions, weights, names=NAMES):
    """Every figure (S,) by name."""
    return precision_meter(flat_boxes(truths, predictions, class_names=names))(weights)


def reference(truths, predictions, names=NAMES):
    """pycocotools' figures by the same names, NaN for None."""
    found = average_precision(truths, predictions, class_names=names)
    figures = {("map50",): found.map50, ("map50_95",): found.map50_95}
    for name, one in found.per_class.items():
        figures["ap50", name], figures["ap50_95", name] = one.ap50, one.ap50_95
    return {key: np.nan if value is None else value for key, value in figures.items()}


def assert_equal(ours, theirs, column=0):
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        np.testing.assert_allclose(ours[key][column], value, atol=1e-9, err_msg=str(key))


def distinct(predictions):
    """The same with different scores, in the order that equal ones have in the whole set."""
    every = np.concatenate([one.scores for one in predictions])
    rank = np.empty(len(every))
    rank[np.argsort(-every, kind="stable")] = np.arange(len(every))
    ends = np.cumsum([len(one.scores) for one in predictions])[:-1]
    scores = np.split(1.0 - rank / len(every), ends)
    return [replace(one, scores=new) for one, new in zip(predictions, scores, strict=True)]


def untied_within_images(predictions, seed):
    """Scores of a few steps, different within an image and often equal between images."""
    rng = np.random.default_rng(seed)
    return [
        replace(one, scores=rng.choice(40, len(one.scores), replace=False) / 40)
        for one in predictions
    ]


@pytest.mark.parametrize("decimals", [1, 2, 9], ids=["many ties", "some ties", "no ties"])
@pytest.mark.parametrize("seed", range(12))
def test_equals_pycocotools_at_weights_of_one(made_up_set, seed, decimals):
    size = {"images": 1 + 3 * seed, "classes": 1 + seed % 3, "most_truths": seed}
    truths, predictions = made_up_set(seed, decimals=decimals, **size)
    ours = weighted(truths, predictions, np.ones((len(truths), 1)))
    assert_equal(ours, reference(truths, predictions))


def test_equals_pycocotools_beyond_100_predictions_an_image(made_up_set):
    truths, predictions = made_up_set(7, images=4, classes=3, most_truths=9, most_false=900)
    assert max(len(one.scores) for one in predictions) > 400
    ours = weighted(truths, predictions, np.ones((4, 1)))
    assert_equal(ours, reference(truths, predictions))
    flat = flat_boxes(truths, predictions, class_names=NAMES).of_one_class()
    as_one = [replace(t, class_ids=t.class_ids * 0) for t in truths]
    found = [replace(p, class_ids=p.class_ids * 0) for p in predictions]
    agnostic = mean_ap50_meter(flat, ("any",))(np.ones((4, 1)))
    expected = average_precision(as_one, found, class_names=("any",)).map50
    assert agnostic["any",][0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_equals_pycocotools_on_drawn_sets(made_up_set, repeated_set, seed):
    truths, predictions = made_up_set(seed, images=20, classes=2)
    predictions = untied_within_images(predictions, seed)
    drawn = patient_weights([one.patient_id for one in truths], samples=6, seed=seed)
    ours = weighted(truths, predictions, drawn.T.astype(float))
    for column, weights in enumerate(drawn):
        assert_equal(ours, reference(*repeated_set(truths, predictions, weights)), column)


@pytest.mark.parametrize("seed", range(4))
def test_ties_keep_the_order_of_the_whole_set(made_up_set, repeated_set, seed):
    truths, predictions = made_up_set(seed, images=20, classes=2, decimals=1)
    drawn = patient_weights([one.patient_id for one in truths], samples=4, seed=seed)
    ours = weighted(truths, predictions, drawn.T.astype(float))
    for column, weights in enumerate(drawn):
        apart = repeated_set(truths, distinct(predictions), weights)
        assert_equal(ours, reference(*apart), column)


def test_a_set_without_a_class_has_the_mean_of_the_others(made_up_set, repeated_set):
    truths, predictions = made_up_set(1, images=16, classes=2)
    weights = np.array([float(not (one.class_ids == 0).any()) for one in truths])
    ours = weighted(truths, predictions, weights[:, None])
    assert np.isnan(ours["ap50", "fracture"][0])
    assert 0.0 < ours["map50",][0] == ours["ap50", "lesion"][0]
    assert_equal(ours, reference(*repeated_set(truths, predictions, weights)))


def test_over_the_positives_alone(made_up_set):
    truths, predictions = made_up_set(2, images=30, classes=2)
    positive = np.array([len(one.class_ids) > 0 for one in truths])
    flat = flat_boxes(truths, predictions, class_names=NAMES)
    found = mean_ap50_meter(flat, ("positives",), images=positive)(np.ones((30, 1)))
    some = [one for one, kept in zip(truths, positive, strict=True) if kept]
    theirs = [one for one, kept in zip(predictions, positive, strict=True) if kept]
    expected = average_precision(some, theirs, class_names=NAMES).map50
    assert found["positives",][0] == pytest.approx(expected, abs=1e-9)
    assert expected > average_precision(truths, predictions, class_names=NAMES).map50


BOX = np.array([[0.0, 0, 10, 10]])
NOUGHT = np.zeros(1, np.int64)
MARKED, NEGATIVE = (ImageTruth("a", (20, 20), BOX[:n], NOUGHT[:n]) for n in (1, 0))
FOUND, SILENT = (ImagePredictions("a", BOX[:n], np.array([0.5])[:n], NOUGHT[:n]) for n in (1, 0))


@pytest.mark.parametrize(
    ("truths", "predictions", "expected"),
    [
        pytest.param([], [], np.nan, id="no images"),
        pytest.param([NEGATIVE], [], np.nan, id="no truths, no predictions"),
        pytest.param([NEGATIVE], [FOUND], np.nan, id="no truths"),
        pytest.param([MARKED], [], 0.0, id="image left out of predictions"),
        pytest.param([MARKED], [SILENT], 0.0, id="no predictions"),
        pytest.param([MARKED], [FOUND], 1.0, id="found"),
    ],
)
def test_nothing_there(truths, predictions, expected):
    ours = weighted(truths, predictions, np.ones((len(truths), 2)), names=("fracture",))
    for values in ours.values():
        np.testing.assert_allclose(values, [expected, expected], atol=1e-9)

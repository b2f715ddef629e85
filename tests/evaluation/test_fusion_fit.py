"""Fusion weights, recovered from simulated boxes and worked through by hand."""

import math

import numpy as np
import pytest

from lucency.configs.errors import ConfigError
from lucency.configs.fusion import FusionSpec, FusionWeights
from lucency.configs.schema import parse_config
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.fusion_fit import (
    BoxOutcomes,
    box_outcomes,
    cross_fitted,
    fit_fusion,
    fused,
    fused_predictions,
    patient_folds,
)

HERE, AWAY = [0.0, 0, 10, 10], [50.0, 50, 60, 60]
IDENTITY = FusionWeights(box_weight=1.0, image_weight=0.0, intercept=0.0)


def sigmoid(odds):
    return 1 / (1 + np.exp(-np.asarray(odds)))


def simulated(weights, *, boxes=20_000, seed=0):
    rng = np.random.default_rng(seed)
    scores, images = sigmoid(rng.normal(-1, 1.5, boxes)), sigmoid(rng.normal(0, 2, boxes))
    right = weights[0] * np.log(scores / (1 - scores)) + weights[1] * np.log(images / (1 - images))
    return BoxOutcomes(scores, images, rng.random(boxes) < sigmoid(right + weights[2]))


def image(number, marked, boxes, scores, *, patient=""):
    name, nothing = f"{number}.png", np.zeros
    corners = np.array(marked, dtype=np.float64).reshape(-1, 4)
    found = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    return (
        ImageTruth(name, (99, 99), corners, nothing(len(corners), np.int64), patient),
        ImagePredictions(name, found, np.array(scores, np.float64), nothing(len(found), np.int64)),
    )


@pytest.mark.parametrize("weights", [(1.0, 0.5, 0.0), (0.7, 1.2, -1.5), (2.0, 0.1, 3.0)], ids=str)
def test_known_weights_are_recovered(weights):
    found = fit_fusion(simulated(weights))
    assert (found.box_weight, found.image_weight, found.intercept) == pytest.approx(
        weights, abs=0.12
    )


def test_the_fit_agrees_with_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    outcomes = simulated((0.8, 0.6, -2.0), boxes=3_000)
    columns = np.stack([np.log(p / (1 - p)) for p in (outcomes.scores, outcomes.images)], axis=1)
    theirs = linear_model.LogisticRegression(C=1e6, tol=1e-10, max_iter=1000).fit(
        columns, outcomes.correct
    )
    ours = fit_fusion(outcomes)
    assert (ours.box_weight, ours.image_weight) == pytest.approx(theirs.coef_[0], abs=2e-3)
    assert ours.intercept == pytest.approx(theirs.intercept_[0], abs=2e-3)


def test_an_image_probability_that_speaks_against_the_boxes_is_left_out():
    found = fit_fusion(simulated((1.0, -0.8, 0.0)))
    assert found.image_weight == 0.0
    assert found.box_weight > 0.5


@pytest.mark.parametrize("image_weight", [0.9, -0.9], ids=["image helps", "image misleads"])
def test_box_scores_that_mislead_keep_their_order(image_weight):
    found = fit_fusion(simulated((-1.0, image_weight, 0.0)))
    assert found.box_weight == 1.0
    assert (found.image_weight > 0.1) is (image_weight > 0)


@pytest.mark.parametrize("right", [True, False], ids=["all right", "all wrong"])
def test_nothing_to_learn_from_changes_nothing(right):
    outcomes = BoxOutcomes(np.array([0.2, 0.9]), np.array([0.1, 0.6]), np.array([right, right]))
    assert fit_fusion(outcomes) == IDENTITY
    assert fit_fusion(BoxOutcomes(*(np.zeros(0),) * 2, np.zeros(0, np.bool_))) == IDENTITY


def test_separable_boxes_give_finite_weights():
    scores = np.array([0.0, 0.1, 0.9, 1.0])
    found = fit_fusion(BoxOutcomes(scores, np.full(4, 0.5), scores > 0.5))
    assert 0 < found.box_weight < 50
    assert found.image_weight == pytest.approx(0)
    assert np.isfinite(found.intercept)


def test_a_score_worked_through_by_hand():
    """logit(0.8) = ln 4, logit(0.9) = ln 9: odds 4 · 9^0.5 · e^-ln 3 = 4."""
    weights = FusionWeights(box_weight=1, image_weight=0.5, intercept=-math.log(3))
    assert fused(np.array([0.8]), 0.9, weights) == pytest.approx([0.8])
    # With the image at 0.1 the odds are 4 / 3 / 3.
    assert fused(np.array([0.8]), 0.1, weights) == pytest.approx([4 / 13])


def test_order_within_an_image_stays_and_extremes_are_finite():
    weights = FusionWeights(box_weight=0.3, image_weight=2.0, intercept=-1.0)
    scores = np.array([0.0, 1e-6, 0.2, 0.20001, 0.999, 1.0], dtype=np.float32)
    for image_probability in (0.0, 0.3, 1.0):
        rescaled = fused(scores, image_probability, weights)
        assert (np.diff(rescaled) >= 0).all()
        assert ((rescaled >= 0) & (rescaled <= 1)).all()
    assert (np.diff(fused(scores, 0.3, weights)) > 0).all()


def test_only_scores_change():
    _, found = image(0, [], [HERE, AWAY], [0.9, 0.2])
    weights = FusionWeights(box_weight=1, image_weight=1, intercept=0)
    (changed,) = fused_predictions([found], {"0.png": 0.5}, weights)
    assert changed.scores == pytest.approx(found.scores)
    assert (changed.boxes_xyxy == found.boxes_xyxy).all()
    (changed,) = fused_predictions([found], {"0.png": 0.9}, weights)
    assert (changed.scores > found.scores).all()


def test_outcomes_know_each_boxs_image():
    pairs = [image(0, [HERE], [AWAY, HERE], [0.9, 0.8]), image(1, [], [], [])]
    known = box_outcomes([t for t, _ in pairs], [f for _, f in pairs], {"0.png": 0.7, "1.png": 0})
    assert known.correct.tolist() == [False, True]
    assert known.images.tolist() == [0.7, 0.7]


def test_folds_keep_patients_whole_and_spread_the_positive_ones():
    truths = [
        image(n, [HERE] if n < 30 else [], [], [], patient=f"p{n // 3}")[0] for n in range(90)
    ]
    folds = patient_folds(truths, folds=5)
    for patient in {t.patient_id for t in truths}:
        assert len({f for f, t in zip(folds, truths, strict=True) if t.patient_id == patient}) == 1
    assert np.bincount(folds[:30]).tolist() == [6] * 5
    assert np.bincount(folds).tolist() == [18] * 5
    assert (patient_folds(truths, folds=5) == folds).all()
    assert (patient_folds(truths, folds=5, seed=1) != folds).any()


def test_images_without_patient_are_patients_of_their_own():
    folds = patient_folds([image(n, [], [], [])[0] for n in range(10)], folds=5)
    assert np.bincount(folds).tolist() == [2] * 5


def test_how_much_an_image_counts_is_fitted_without_its_patient():
    """From the odds before and after follow the weights that each fold got."""
    rng = np.random.default_rng(0)
    pairs, probabilities = [], {}
    for number in range(60):
        right = number % 2 == 0
        scores = rng.uniform(0.1, 0.9, 2)
        pairs.append(image(number, [HERE] if right else [], [HERE, AWAY], scores))
        probabilities[f"{number}.png"] = float(sigmoid(rng.normal(1 if right else -1)))
    truths, predictions = [t for t, _ in pairs], [f for _, f in pairs]
    results = cross_fitted(truths, predictions, probabilities, folds=5)
    assert [found.image for found in results] == [t.image for t in truths]
    folds = patient_folds(truths, folds=5)
    for fold in range(5):
        others, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        fit = fit_fusion(
            box_outcomes([truths[n] for n in others], [predictions[n] for n in others],
                         probabilities)
        )  # fmt: skip
        rows = [
            (before, probabilities[results[n].image], after)
            for n in held
            for before, after in zip(predictions[n].scores, results[n].scores, strict=True)
        ]
        columns = np.log(np.array(rows) / (1 - np.array(rows)))
        design = np.column_stack([columns[:, :2], np.ones(len(rows))])
        (box, of_image, _), *_ = np.linalg.lstsq(design, columns[:, 2], rcond=None)
        assert of_image / box == pytest.approx(fit.image_weight / fit.box_weight, rel=1e-6)


def test_folds_share_one_scale():
    """An image probability that is the same everywhere must not shuffle boxes between folds."""
    rng = np.random.default_rng(1)
    scores = np.sort(rng.uniform(0.05, 0.95, 40))
    pairs = [
        image(n, [HERE] if rng.random() < score else [], [HERE], [score])
        for n, score in enumerate(scores)
    ]
    truths, predictions = [t for t, _ in pairs], [f for _, f in pairs]
    results = cross_fitted(truths, predictions, {t.image: 0.3 for t in truths})
    assert (np.diff([found.scores[0] for found in results]) > 0).all()


def test_no_images():
    assert cross_fitted([], [], {}) == []


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"box_weight": 0}, "box_weight"),
        ({"image_weight": -1}, "image_weight"),
        ({"image_low": 0.9}, "image_low must not be above image_high"),
        ({"classifier_sha256": "abc"}, "classifier_sha256"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_manifest_holds_no_nonsense(change, part):
    values = {
        "classifier": "c",
        "classifier_sha256": "0" * 64,
        "label": "tb",
        "box_weight": 1,
        "image_weight": 1,
        "intercept": 0,
        "image_high": 0.8,
        "image_low": 0.2,
    }
    assert parse_config(FusionSpec, values, where="x").label == "tb"
    with pytest.raises(ConfigError, match=part):
        parse_config(FusionSpec, {**values, **change}, where="x")

"""Fitting how the probability of a whole image rescales the scores of its boxes.

Logistic regression of "this box is right" on the logits of its score and of the image's
probability: late fusion of two experts' log-odds (Platt 1999 for one of them). Its honest effect
is that on patients it was not fitted on, hence the folds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lucency.configs.fusion import FusionWeights
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.matching import match_image, pair_images

FOLDS = 5
# Probabilities of exactly 0 or 1 have no logit; single precision tells no more than this.
_LEAST = 1e-7
# A weak normal prior on the weights of standardised logits: finite where boxes are separable.
_PRIOR = 0.1
_MOST_STEPS = 100


@dataclass(frozen=True)
class BoxOutcomes:
    """All N boxes of a set.

    ``scores`` (N,), the probabilities of their images ``images`` (N,), and ``correct`` (N,) bool,
    whether each found a truth of its class.
    """

    scores: NDArray[np.float64]
    images: NDArray[np.float64]
    correct: NDArray[np.bool_]


def fused(
    scores: NDArray[np.floating], image_probability: ArrayLike, weights: FusionWeights
) -> NDArray[np.float64]:
    """Scores of any shape, rescaled by the probability of their image (broadcast to them)."""
    odds = weights.box_weight * _logit(scores) + weights.image_weight * _logit(image_probability)
    return _sigmoid(odds + weights.intercept)


def fused_predictions(
    predictions: Sequence[ImagePredictions],
    image_probabilities: Mapping[str, float],
    weights: FusionWeights,
) -> list[ImagePredictions]:
    """The same boxes with the scores that fusion gives them; probabilities by image."""
    return [
        ImagePredictions(
            found.image,
            found.boxes_xyxy,
            fused(found.scores, image_probabilities[found.image], weights),
            found.class_ids,
        )
        for found in predictions
    ]


def fit_fusion(outcomes: BoxOutcomes) -> FusionWeights:
    """The weights of highest likelihood with ``box_weight`` above and ``image_weight`` from 0.

    An image probability that speaks against the boxes is left out (``image_weight`` 0). Where the
    boxes' own scores do, or all boxes are right or all wrong, ``box_weight`` stays 1, and in the
    latter case nothing else changes either.
    """
    box, image = _logit(outcomes.scores), _logit(outcomes.images)
    target = outcomes.correct.astype(np.float64)
    if not 0 < target.sum() < target.size:
        return FusionWeights(box_weight=1.0, image_weight=0.0, intercept=0.0)
    nothing = np.zeros_like(box)
    (of_box, of_image), intercept = _regression([box, image], target, offset=nothing)
    if of_image < 0:
        (of_box,), intercept = _regression([box], target, offset=nothing)
        of_image = 0.0
    if of_box <= 0:
        of_box = 1.0
        (of_image,), intercept = _regression([image], target, offset=box)
        if of_image < 0:
            _, intercept = _regression([], target, offset=box)
            of_image = 0.0
    return FusionWeights(box_weight=of_box, image_weight=of_image, intercept=intercept)


def box_outcomes(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    image_probabilities: Mapping[str, float],
) -> BoxOutcomes:
    """Which boxes are right at an IoU of 0.5; raises `ValueError` as `pair_images` does."""
    scores, images, correct = [np.zeros(0)], [np.zeros(0)], [np.zeros(0, dtype=np.bool_)]
    for truth, found in pair_images(truths, predictions):
        scores.append(found.scores)
        images.append(np.full(len(found.scores), image_probabilities.get(found.image, 0.0)))
        correct.append(match_image(truth, found).prediction_truth >= 0)
    return BoxOutcomes(np.concatenate(scores), np.concatenate(images), np.concatenate(correct))


def cross_fitted(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    image_probabilities: Mapping[str, float],
    *,
    folds: int = FOLDS,
    seed: int = 0,
) -> list[ImagePredictions]:
    """Fused predictions, how much the image counts fitted without the patient at hand.

    Of each fold's fit only ``image_weight / box_weight`` is used, for that alone decides how boxes
    of different images are ordered. All else is one map for all folds, that of the fit to all
    patients, which no figure without a threshold depends on: intercepts of their own would shuffle
    the folds and make a harmless fusion look harmful.

    Raises
    ------
    ValueError
        An image stands twice, or has predictions but no truth.

    """
    pairs = list(pair_images(truths, predictions))
    fold_of = patient_folds(truths, folds=folds, seed=seed)
    whole = fit_fusion(box_outcomes(truths, predictions, image_probabilities))
    centre = float(np.mean(_logit(list(image_probabilities.values()) or [0.5])))
    result: dict[str, ImagePredictions] = {}
    for fold in np.unique(fold_of):
        others = [pair for pair, at in zip(pairs, fold_of, strict=True) if at != fold]
        held = [found for (_, found), at in zip(pairs, fold_of, strict=True) if at == fold]
        known = box_outcomes([t for t, _ in others], [f for _, f in others], image_probabilities)
        fit = fit_fusion(known)
        image_weight = whole.box_weight * fit.image_weight / fit.box_weight
        weights = FusionWeights(
            box_weight=whole.box_weight,
            image_weight=image_weight,
            intercept=whole.intercept + (whole.image_weight - image_weight) * centre,
        )
        for found in fused_predictions(held, image_probabilities, weights):
            result[found.image] = found
    return [result[truth.image] for truth in truths]


def patient_folds(
    truths: Sequence[ImageTruth], *, folds: int = FOLDS, seed: int = 0
) -> NDArray[np.int64]:
    """The fold (I,) of each image: patients stay whole, those with findings are spread evenly."""
    patients = [truth.patient_id or f"image {truth.image}" for truth in truths]
    positive = {p for p, truth in zip(patients, truths, strict=True) if len(truth.class_ids)}
    names = sorted(set(patients))
    np.random.default_rng(seed).shuffle(names)
    names.sort(key=lambda name: name not in positive)  # stable: the draw decides within each kind
    fold = {name: number % folds for number, name in enumerate(names)}
    return np.array([fold[patient] for patient in patients], dtype=np.int64)


def _logit(probabilities: ArrayLike) -> NDArray[np.float64]:
    clipped = np.clip(np.asarray(probabilities, dtype=np.float64), _LEAST, 1.0 - _LEAST)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def _sigmoid(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-np.logaddexp(0.0, -odds)))  # exact near 0, where most boxes are


def _regression(
    columns: Sequence[NDArray[np.float64]],
    target: NDArray[np.float64],
    *,
    offset: NDArray[np.float64],
) -> tuple[list[float], float]:
    """Weights of K columns (N,) and the intercept, by Newton's method with halved steps."""
    means = np.array([column.mean() for column in columns])
    spreads = np.array([column.std() or 1.0 for column in columns])
    scaled = [(c - m) / s for c, m, s in zip(columns, means, spreads, strict=True)]
    design = np.stack([np.ones_like(target), *scaled], axis=1)
    prior = np.full(design.shape[1], _PRIOR)
    prior[0] = 0.0

    def loss(weights: NDArray[np.float64]) -> float:
        odds = design @ weights + offset
        return float(np.sum(np.logaddexp(0.0, odds) - target * odds) + prior @ weights**2 / 2)

    weights = np.zeros(design.shape[1])
    for _ in range(_MOST_STEPS):
        expected = _sigmoid(design @ weights + offset)
        slope = design.T @ (expected - target) + prior * weights
        curvature = (design.T * np.maximum(expected * (1 - expected), 1e-12)) @ design
        step = np.linalg.solve(curvature + np.diag(prior), slope)
        size = 1.0
        while size > 1e-6 and loss(weights - size * step) > loss(weights):
            size /= 2
        weights = weights - size * step
        if np.abs(size * step).max() < 1e-9:
            break
    of_columns = weights[1:] / spreads
    return [float(value) for value in of_columns], float(weights[0] - of_columns @ means)

"""Which prediction found which truth: greedy one-to-one matching, as COCO does it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.boxes import ImagePredictions, ImageTruth

DEFAULT_IOU = 0.5


@dataclass(frozen=True)
class Matches:
    """The matching of one image with N predictions and M truths.

    ``prediction_truth`` (N,) int64, the row of the truth that a prediction found, or -1 for a
    false alarm; ``prediction_iou`` (N,) float64, the overlap with it, 0 for a false alarm;
    ``truth_matched`` (M,) bool, False for a miss.
    """

    prediction_truth: NDArray[np.int64]
    prediction_iou: NDArray[np.float64]
    truth_matched: NDArray[np.bool_]


@dataclass(frozen=True)
class ScoredMatches:
    """All predictions of one class over a set of images, best first.

    ``scores`` (N,) float64, falling; ``correct`` (N,) bool, whether each found a truth;
    ``truths`` and ``images`` are the counts they are measured against.
    """

    scores: NDArray[np.float64]
    correct: NDArray[np.bool_]
    truths: int
    images: int


def iou_matrix(a_xyxy: NDArray[np.float64], b_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of every box of ``a`` (N, 4) with every box of ``b`` (M, 4).

    Returns (N, M) in [0, 1]; two boxes without area overlap by 0.
    """
    upper_left = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    lower_right = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    shared = np.prod(np.clip(lower_right - upper_left, 0.0, None), axis=2)
    area_a = np.prod(a_xyxy[:, 2:] - a_xyxy[:, :2], axis=1)
    area_b = np.prod(b_xyxy[:, 2:] - b_xyxy[:, :2], axis=1)
    union = area_a[:, None] + area_b[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def match_image(
    truth: ImageTruth, predictions: ImagePredictions, *, iou: float = DEFAULT_IOU
) -> Matches:
    """Match the predictions of one image to its truths, class by class.

    The best-scored prediction chooses first, and takes the free truth that it overlaps most, if
    by at least ``iou``: COCO's rule, so counts here agree with the average precision. What lies
    below a score threshold never changes the matches above it.
    """
    found = np.full(len(predictions.scores), -1, dtype=np.int64)
    overlaps = np.zeros(len(predictions.scores), dtype=np.float64)
    taken = np.zeros(len(truth.class_ids), dtype=np.bool_)
    ious = iou_matrix(predictions.boxes_xyxy, truth.boxes_xyxy)
    ious[predictions.class_ids[:, None] != truth.class_ids[None, :]] = -1.0
    if len(taken) == 0:
        return Matches(found, overlaps, taken)
    for row in np.argsort(-predictions.scores, kind="stable"):
        free = np.where(taken, -1.0, ious[row])
        # Of equal overlaps COCO takes the last.
        best = len(free) - 1 - int(np.argmax(free[::-1]))
        if free[best] >= iou:
            found[row], overlaps[row], taken[best] = best, free[best], True
    return Matches(found, overlaps, taken)


def pair_images(
    truths: Sequence[ImageTruth], predictions: Sequence[ImagePredictions]
) -> Iterator[tuple[ImageTruth, ImagePredictions]]:
    """Each truth with the predictions of the same image, in the order of ``truths``.

    An image without predictions may be left out of them, as in COCO's results files.

    Raises
    ------
    ValueError
        An image stands twice, or has predictions but no truth.

    """
    by_image = {prediction.image: prediction for prediction in predictions}
    if len(by_image) != len(predictions):
        raise ValueError("predictions: an image stands twice")
    images = {truth.image for truth in truths}
    if len(images) != len(truths):
        raise ValueError("truths: an image stands twice")
    unknown = by_image.keys() - images
    if unknown:
        raise ValueError(f"predictions: no truth for {sorted(unknown)[0]}")
    nothing = np.zeros(0)
    for truth in truths:
        none = ImagePredictions(truth.image, np.zeros((0, 4)), nothing, nothing.astype(np.int64))
        yield truth, by_image.get(truth.image, none)


def match_all(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    *,
    class_names: Sequence[str],
    iou: float = DEFAULT_IOU,
) -> dict[str, ScoredMatches]:
    """The matching of a whole set, by class name; raises `ValueError` as `pair_images` does."""
    classes: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    scores: list[NDArray[np.float64]] = [np.zeros(0)]
    correct: list[NDArray[np.bool_]] = [np.zeros(0, dtype=np.bool_)]
    marked: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    for truth, found in pair_images(truths, predictions):
        classes.append(found.class_ids)
        scores.append(found.scores)
        correct.append(match_image(truth, found, iou=iou).prediction_truth >= 0)
        marked.append(truth.class_ids)
    of_class, all_scores, all_correct, all_marked = (
        np.concatenate(classes),
        np.concatenate(scores),
        np.concatenate(correct),
        np.concatenate(marked),
    )
    result: dict[str, ScoredMatches] = {}
    for class_id, name in enumerate(class_names):
        rows = np.flatnonzero(of_class == class_id)
        rows = rows[np.argsort(-all_scores[rows], kind="stable")]
        count = int(np.count_nonzero(all_marked == class_id))
        result[name] = ScoredMatches(all_scores[rows], all_correct[rows], count, len(truths))
    return result

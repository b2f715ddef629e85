"""Which prediction found which truth: greedy one-to-one matching by a `MatchRule`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.match_rules import IOU_50, MatchRule


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


def box_iou(a_xyxy: NDArray[np.float64], b_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of boxes (…, 4) with boxes (…, 4), shapes broadcast; in [0, 1].

    The arithmetic is that of pycocotools, from corner, width and height, so that the two agree to
    the last bit; boxes without area overlap by 0.
    """
    a_size, b_size = a_xyxy[..., 2:] - a_xyxy[..., :2], b_xyxy[..., 2:] - b_xyxy[..., :2]
    far = np.minimum(a_size + a_xyxy[..., :2], b_size + b_xyxy[..., :2])
    shared_size = np.maximum(far - np.maximum(a_xyxy[..., :2], b_xyxy[..., :2]), 0.0)
    shared = shared_size[..., 0] * shared_size[..., 1]
    union = a_size[..., 0] * a_size[..., 1] + b_size[..., 0] * b_size[..., 1] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0))


def iou_matrix(a_xyxy: NDArray[np.float64], b_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    """`box_iou` of every box of ``a`` (N, 4) with every box of ``b`` (M, 4): (N, M)."""
    return box_iou(a_xyxy[:, None, :], b_xyxy[None, :, :])


def preference(
    predicted_xyxy: NDArray[np.float64], marked_xyxy: NDArray[np.float64], rule: MatchRule
) -> NDArray[np.float64]:
    """How gladly predictions (K, 4) take the truths (K, 4) beside them; -inf if they may not.

    The overlap, or where the centre decides, the nearness of the two centres.
    """
    if rule.iou is not None:
        overlap = box_iou(predicted_xyxy, marked_xyxy)
        return np.where(overlap >= rule.iou, overlap, -np.inf)
    centre = (predicted_xyxy[:, :2] + predicted_xyxy[:, 2:]) / 2
    inside = (centre >= marked_xyxy[:, :2]) & (centre <= marked_xyxy[:, 2:])
    apart = centre - (marked_xyxy[:, :2] + marked_xyxy[:, 2:]) / 2
    return np.where(inside.all(axis=1), -(apart**2).sum(axis=1), -np.inf)


def take_best_free(
    prediction: NDArray[np.int64],
    truth: NDArray[np.int64],
    liking: NDArray[np.float64],
    *,
    rank: NDArray[np.int64],
    truths: int,
) -> NDArray[np.int64]:
    """Greedy matching along pairs (K,) of a prediction's row with a truth's row.

    The prediction of the lowest ``rank`` (N,) chooses first and takes the free truth of the
    highest ``liking`` (K,); pairs of -inf are none. Returns (N,), the truth's row or -1.
    """
    able = np.flatnonzero(liking > -np.inf)
    # Of equal likings COCO takes the last truth.
    order = able[np.lexsort((-truth[able], -liking[able], rank[prediction[able]]))]
    found = [-1] * len(rank)
    taken = [False] * truths
    for row, target in zip(prediction[order].tolist(), truth[order].tolist(), strict=True):
        if found[row] < 0 and not taken[target]:
            found[row], taken[target] = target, True
    return np.array(found, dtype=np.int64)


def best_first(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """The rank (N,) of each score, 0 for the highest; of equal ones the earlier is first."""
    rank = np.empty(len(scores), dtype=np.int64)
    rank[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    return rank


def match_image(
    truth: ImageTruth, predictions: ImagePredictions, *, rule: MatchRule = IOU_50
) -> Matches:
    """Match the predictions of one image to its truths, class by class.

    The best-scored prediction chooses first, and takes of the free truths that ``rule`` allows it
    the one that it overlaps most (or whose centre is nearest): COCO's rule, so counts at IoU 0.5
    agree with the average precision. What lies below a score threshold never changes the matches
    above it.
    """
    rows, columns = np.nonzero(predictions.class_ids[:, None] == truth.class_ids[None, :])
    predicted, marked = predictions.boxes_xyxy[rows], truth.boxes_xyxy[columns]
    found = take_best_free(
        rows,
        columns,
        preference(predicted, marked, rule),
        rank=best_first(predictions.scores),
        truths=len(truth.class_ids),
    )
    hits = np.flatnonzero(found >= 0)
    overlaps = np.zeros(len(found), dtype=np.float64)
    overlaps[hits] = box_iou(predictions.boxes_xyxy[hits], truth.boxes_xyxy[found[hits]])
    matched = np.zeros(len(truth.class_ids), dtype=np.bool_)
    matched[found[hits]] = True
    return Matches(found, overlaps, matched)


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
    rule: MatchRule = IOU_50,
) -> dict[str, ScoredMatches]:
    """The matching of a whole set, by class name; raises `ValueError` as `pair_images` does."""
    classes: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    scores: list[NDArray[np.float64]] = [np.zeros(0)]
    correct: list[NDArray[np.bool_]] = [np.zeros(0, dtype=np.bool_)]
    marked: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    for truth, found in pair_images(truths, predictions):
        classes.append(found.class_ids)
        scores.append(found.scores)
        correct.append(match_image(truth, found, rule=rule).prediction_truth >= 0)
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

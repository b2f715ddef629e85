"""COCO's average precision of many weighted sets of images at once.

With weights of one it equals pycocotools; with whole numbers it equals pycocotools on the set in
which each image stands as often as its weight says. Predictions of equal score keep the order
that they have in the whole set, the copies of one beside each other. (pycocotools, given the
copies as images of their own, would order equal scores *within one image and class* copy by copy
instead; between images the two orders are the same.)

Only the predictions that find a truth at some IoU matter: precision interpolated to the right is
never set by a false alarm, so the weights of the others are summed from one find to the next.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.average_precision import DEFAULT_MAX_DETECTIONS
from lucency.evaluation.bootstrap import Key, Meter, class_mean
from lucency.evaluation.flat_boxes import BoxPairs, FlatBoxes, matching_pairs
from lucency.evaluation.match_rules import IOU_50
from lucency.evaluation.matching import best_first, take_best_free

# As pycocotools computes them: its comparisons are of these very floats.
COCO_IOUS = np.linspace(0.5, 0.95, 10)
COCO_RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class _ClassFinds:
    """The predictions of one class that find a truth at some IoU, best first: K of them.

    ``added`` (K, I) sparse counts the predictions of each image from below the one find to the
    next, itself included; ``image`` (K,) is its row; ``found`` has, for each IoU, the finds that
    hold there; ``truths`` (I,) counts each image's.
    """

    added: Any
    image: NDArray[np.int64]
    found: tuple[NDArray[np.int64], ...]
    truths: NDArray[np.float64]


def precision_meter(flat: FlatBoxes) -> Meter:
    """Measures ("ap50", name) and ("ap50_95", name) of each class, ("map50",), ("map50_95",)."""
    classes = _finds(flat, COCO_IOUS)

    def measured(weights: NDArray[np.float64]) -> dict[Key, NDArray[np.float64]]:
        # (C, 10, S)
        by_iou = np.stack([_average_precision(one, weights) for one in classes])
        ap50, ap50_95 = by_iou[:, 0], by_iou.mean(axis=1)
        figures: dict[Key, NDArray[np.float64]] = {
            ("map50",): class_mean(ap50),
            ("map50_95",): class_mean(ap50_95),
        }
        for row, name in enumerate(flat.class_names):
            figures["ap50", name], figures["ap50_95", name] = ap50[row], ap50_95[row]
        return figures

    return measured


def mean_ap50_meter(flat: FlatBoxes, key: Key, *, images: NDArray[np.bool_] | None = None) -> Meter:
    """Measures the class mean of AP50 under ``key``, over the ``images`` (I,) alone if given."""
    classes = _finds(flat, COCO_IOUS[:1])

    def measured(weights: NDArray[np.float64]) -> dict[Key, NDArray[np.float64]]:
        counted = weights if images is None else weights * images[:, None]
        found = np.stack([_average_precision(one, counted)[0] for one in classes])
        return {key: class_mean(found)}

    return measured


def _finds(flat: FlatBoxes, ious: NDArray[np.float64]) -> list[_ClassFinds]:
    # Loaded here, since the service imports this folder and needs no scipy.
    from scipy.sparse import csr_array

    kept = _within_limit(flat)
    hits = _hits(matching_pairs(flat, IOU_50), flat, ious, kept)
    images = len(flat.images)
    result = []
    for class_id in range(len(flat.class_names)):
        rows = np.flatnonzero(kept & (flat.prediction_class == class_id))
        rows = rows[np.argsort(-flat.prediction_score[rows], kind="stable")]
        correct = hits[:, rows]
        steps = np.flatnonzero(correct.any(axis=0))
        # The find at which each prediction enters; those below the last find matter to none.
        enters = np.searchsorted(steps, np.arange(len(rows)))
        above = enters < len(steps)
        entry = (enters[above], flat.prediction_image[rows[above]])
        marked = flat.truth_image[flat.truth_class == class_id]
        result.append(
            _ClassFinds(
                added=csr_array((np.ones(len(entry[0])), entry), shape=(len(steps), images)),
                image=flat.prediction_image[rows[steps]],
                found=tuple(np.flatnonzero(at_iou[steps]) for at_iou in correct),
                truths=np.bincount(marked, minlength=images).astype(np.float64),
            )
        )
    return result


def _within_limit(flat: FlatBoxes) -> NDArray[np.bool_]:
    """Which predictions are among the 100 best of their image and class (N,)."""
    group = flat.prediction_image * len(flat.class_names) + flat.prediction_class
    order = np.lexsort((-flat.prediction_score, group))
    ordered = group[order]
    place = np.arange(len(order)) - np.searchsorted(ordered, ordered, side="left")
    kept = np.zeros(len(order), dtype=np.bool_)
    kept[order] = place < DEFAULT_MAX_DETECTIONS
    return kept


def _hits(
    pairs: BoxPairs, flat: FlatBoxes, ious: NDArray[np.float64], kept: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which predictions find a truth at each IoU: (T, N)."""
    rank = best_first(flat.prediction_score)
    able = kept[pairs.prediction]
    found = [
        take_best_free(
            pairs.prediction,
            pairs.truth,
            np.where(able & (pairs.iou >= iou), pairs.iou, -np.inf),
            rank=rank,
            truths=len(flat.truth_class),
        )
        for iou in ious
    ]
    return np.stack(found) >= 0


def _average_precision(finds: _ClassFinds, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average precision (T, S) at each IoU; NaN in the sets without truth of the class."""
    result = np.full((len(finds.found), weights.shape[1]), np.nan)
    truths = finds.truths @ weights
    measured = np.flatnonzero(truths > 0)
    if not measured.size:
        return result
    drawn = np.ascontiguousarray(weights[:, measured])
    # The addend is pycocotools' own: a perfect precision is the same float there and here.
    predicted = np.cumsum(finds.added @ drawn, axis=0) + np.spacing(1)
    for row, found in enumerate(finds.found):
        hits = np.cumsum(drawn[finds.image[found]], axis=0)
        precision = hits / predicted[found]
        best = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        # Recalls that are not reached have a precision of 0.
        best = np.vstack([best, np.zeros(measured.size)])
        recall = np.ascontiguousarray((hits / truths[measured]).T)
        for column, reached in enumerate(recall):
            at = np.searchsorted(reached, COCO_RECALLS, side="left")
            result[row, measured[column]] = best[at, column].mean()
    return result

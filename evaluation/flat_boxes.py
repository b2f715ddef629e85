"""The boxes of a whole set of images as flat arrays, and the pairs of them that may match."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.match_rules import MatchRule
from lucency.evaluation.matching import box_iou, pair_images, preference

# Pairs looked at in one go: some 100 MB.
PAIRS_AT_ONCE = 500_000


@dataclass(frozen=True)
class FlatBoxes:
    """All predictions (N,) and truths (M,) of I images, image after image in their own order.

    ``images`` names and ``image_patient`` (I,) int64 numbers the patient of each image, in order
    of appearance; an image without patient id is a patient of its own. ``…_image`` rows of
    ``images``, ``…_class`` rows of ``class_names``, boxes (…, 4) in pixels; ``truth_size`` (M,)
    is the square root of the share of the image that the box covers.
    """

    class_names: tuple[str, ...]
    images: tuple[str, ...]
    image_patient: NDArray[np.int64]
    prediction_image: NDArray[np.int64]
    prediction_class: NDArray[np.int64]
    prediction_score: NDArray[np.float64]
    prediction_xyxy: NDArray[np.float64]
    truth_image: NDArray[np.int64]
    truth_class: NDArray[np.int64]
    truth_xyxy: NDArray[np.float64]
    truth_size: NDArray[np.float64]

    def of_one_class(self) -> "FlatBoxes":
        """The same boxes, all of one class: for category-agnostic figures."""
        return replace(
            self,
            class_names=("any",),
            prediction_class=np.zeros_like(self.prediction_class),
            truth_class=np.zeros_like(self.truth_class),
        )


@dataclass(frozen=True)
class BoxPairs:
    """Pairs (K,) of a prediction's and a truth's row that a rule lets match.

    ``iou`` (K,) is their overlap, ``liking`` (K,) the `preference` for each other.
    """

    prediction: NDArray[np.int64]
    truth: NDArray[np.int64]
    iou: NDArray[np.float64]
    liking: NDArray[np.float64]


def flat_boxes(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    *,
    class_names: Sequence[str],
) -> FlatBoxes:
    """Join the arrays of all images.

    Raises
    ------
    ValueError
        An image stands twice or has predictions but no truth, or a class id has no name.

    """
    pairs = list(pair_images(truths, predictions))
    marked, found = [truth for truth, _ in pairs], [one for _, one in pairs]
    flat = FlatBoxes(
        class_names=tuple(class_names),
        images=tuple(one.image for one in marked),
        image_patient=np.array(_patients(truths), dtype=np.int64),
        prediction_image=_rows([len(one.scores) for one in found]),
        prediction_class=_ids([one.class_ids for one in found]),
        prediction_score=_numbers([one.scores for one in found]),
        prediction_xyxy=_numbers([one.boxes_xyxy for one in found]).reshape(-1, 4),
        truth_image=_rows([len(one.class_ids) for one in marked]),
        truth_class=_ids([one.class_ids for one in marked]),
        truth_xyxy=_numbers([one.boxes_xyxy for one in marked]).reshape(-1, 4),
        truth_size=_numbers([_relative_size(one) for one in marked]),
    )
    for rows, ids in (
        (flat.prediction_image, flat.prediction_class),
        (flat.truth_image, flat.truth_class),
    ):
        wrong = np.flatnonzero((ids < 0) | (ids >= len(class_names)))
        if wrong.size:
            raise ValueError(
                f"{flat.images[rows[wrong[0]]]}: class ids must be from 0 to "
                f"{len(class_names) - 1}, got {ids[wrong[0]]}"
            )
    return flat


def matching_pairs(flat: FlatBoxes, rule: MatchRule) -> BoxPairs:
    """All pairs of one image and class that ``rule`` lets match."""
    classes = len(flat.class_names)
    truth_group = flat.truth_image * classes + flat.truth_class
    group = flat.prediction_image * classes + flat.prediction_class
    by_group = np.argsort(truth_group, kind="stable")
    first = np.searchsorted(truth_group[by_group], group, side="left")
    count = np.searchsorted(truth_group[by_group], group, side="right") - first
    before = np.concatenate([[0], np.cumsum(count)])
    pieces = [BoxPairs(*(np.zeros(0, np.int64),) * 2, *(np.zeros(0),) * 2)]
    start = 0
    while start < len(group):
        # At least one prediction, however many truths stand beside it.
        stop = int(np.searchsorted(before, before[start] + PAIRS_AT_ONCE, side="right")) - 1
        stop = max(stop, start + 1)
        rows = np.repeat(np.arange(start, stop), count[start:stop])
        within = np.arange(len(rows)) - (before[rows] - before[start])
        pieces.append(_allowed(flat, rows, by_group[first[rows] + within], rule))
        start = stop
    return BoxPairs(
        np.concatenate([piece.prediction for piece in pieces]),
        np.concatenate([piece.truth for piece in pieces]),
        np.concatenate([piece.iou for piece in pieces]),
        np.concatenate([piece.liking for piece in pieces]),
    )


def _allowed(
    flat: FlatBoxes, rows: NDArray[np.int64], targets: NDArray[np.int64], rule: MatchRule
) -> BoxPairs:
    liking = preference(flat.prediction_xyxy[rows], flat.truth_xyxy[targets], rule)
    kept = np.flatnonzero(liking > -np.inf)
    rows, targets = rows[kept], targets[kept]
    overlap = box_iou(flat.prediction_xyxy[rows], flat.truth_xyxy[targets])
    return BoxPairs(rows, targets, overlap, liking[kept])


def _patients(truths: Sequence[ImageTruth]) -> list[int]:
    numbers: dict[tuple[str, str], int] = {}
    return [
        numbers.setdefault(
            ("patient", one.patient_id) if one.patient_id else ("image", one.image), len(numbers)
        )
        for one in truths
    ]


def _rows(counts: Sequence[int]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(counts)), np.array(counts, dtype=np.int64))


def _ids(arrays: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, dtype=np.int64), *arrays])


def _numbers(arrays: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate([np.zeros(0), *(array.ravel() for array in arrays)])


def _relative_size(truth: ImageTruth) -> NDArray[np.float64]:
    area = np.prod(truth.boxes_xyxy[:, 2:] - truth.boxes_xyxy[:, :2], axis=1)
    return np.asarray(
        np.sqrt(np.clip(area / max(1, truth.size_wh[0] * truth.size_wh[1]), 0.0, 1.0))
    )

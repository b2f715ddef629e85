"""`MatchTable`: what was found in a whole set of images, at every threshold at once.

Matching is greedy, best score first, so what lies below a threshold never changes the matches
above it: a finding is found at threshold t if the score of the prediction that found it is at
least t. Every measure at any threshold is thus a count over these arrays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.flat_boxes import FlatBoxes, flat_boxes, matching_pairs
from lucency.evaluation.match_rules import IOU_50, MatchRule
from lucency.evaluation.matching import best_first, take_best_free


@dataclass(frozen=True)
class MatchTable:
    """The matching of I images with N predictions and M truths in all.

    ``images`` names and ``image_patient`` (I,) int64 numbers the patient of each image; an image
    without patient id is a patient of its own. Rows of predictions and truths stand image after
    image, within one in the order of its own arrays.

    - ``prediction_image``, ``prediction_class``, ``prediction_truth`` (N,) int64: rows of
      ``images``, ``class_names`` and the truths; -1 for a false alarm.
    - ``prediction_score``, ``prediction_iou`` (N,) float64; the overlap is 0 for a false alarm.
    - ``truth_image``, ``truth_class`` (M,) int64.
    - ``truth_size`` (M,) float64: the square root of the share of the image that the box covers.
    - ``truth_score`` (M,) float64: the score of the prediction that found it, -inf if none did.
    """

    rule: MatchRule
    class_names: tuple[str, ...]
    images: tuple[str, ...]
    image_patient: NDArray[np.int64]
    prediction_image: NDArray[np.int64]
    prediction_class: NDArray[np.int64]
    prediction_score: NDArray[np.float64]
    prediction_truth: NDArray[np.int64]
    prediction_iou: NDArray[np.float64]
    truth_image: NDArray[np.int64]
    truth_class: NDArray[np.int64]
    truth_size: NDArray[np.float64]
    truth_score: NDArray[np.float64]

    @property
    def truth_found(self) -> NDArray[np.bool_]:
        """Whether any prediction found each truth (M,)."""
        return self.truth_score > -np.inf

    @property
    def image_positive(self) -> NDArray[np.bool_]:
        """Whether each image (I,) has any finding."""
        return np.bincount(self.truth_image, minlength=len(self.images)) > 0


def match_table(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    *,
    class_names: Sequence[str],
    rule: MatchRule = IOU_50,
) -> MatchTable:
    """Match a whole set by ``rule``, as `matching.match_image` does each image.

    Raises
    ------
    ValueError
        An image stands twice or has predictions but no truth, or a class id has no name.

    """
    return table_of(flat_boxes(truths, predictions, class_names=class_names), rule)


def table_of(flat: FlatBoxes, rule: MatchRule) -> MatchTable:
    """The matching of boxes already joined."""
    pairs = matching_pairs(flat, rule)
    truth_count = len(flat.truth_class)
    found = take_best_free(
        pairs.prediction,
        pairs.truth,
        pairs.liking,
        rank=best_first(flat.prediction_score),
        truths=truth_count,
    )
    overlap = np.zeros(len(found))
    chosen = found[pairs.prediction] == pairs.truth
    overlap[pairs.prediction[chosen]] = pairs.iou[chosen]
    hits = np.flatnonzero(found >= 0)
    truth_score = np.full(truth_count, -np.inf)
    truth_score[found[hits]] = flat.prediction_score[hits]
    return MatchTable(
        rule=rule,
        class_names=flat.class_names,
        images=flat.images,
        image_patient=flat.image_patient,
        prediction_image=flat.prediction_image,
        prediction_class=flat.prediction_class,
        prediction_score=flat.prediction_score,
        prediction_truth=found,
        prediction_iou=overlap,
        truth_image=flat.truth_image,
        truth_class=flat.truth_class,
        truth_size=flat.truth_size,
        truth_score=truth_score,
    )


def limits_of(
    thresholds: Mapping[str, Mapping[str, float]], class_names: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """The thresholds (C,) of each operating point in the order of the classes.

    Raises
    ------
    ValueError
        A point names no threshold for a class.

    """
    for point, by_class in thresholds.items():
        missing = [name for name in class_names if name not in by_class]
        if missing:
            raise ValueError(
                f"thresholds: the operating point '{point}' has none for '{missing[0]}', only for "
                f"{sorted(by_class)}; give one for each class"
            )
    return {
        point: np.array([by_class[name] for name in class_names], dtype=np.float64)
        for point, by_class in thresholds.items()
    }

"""Operating points: named thresholds per class, chosen on validation data.

``screening`` misses little, ``specific`` raises few false alarms, ``balanced`` lies between.
They are always in order, screening ≤ balanced ≤ specific: where a very good model meets the
condition of an outer point on the wrong side of balanced, that point moves to balanced.
Figures measured on the data that chose the thresholds are too good; report them on test data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.matching import DEFAULT_IOU, match_all

DETECTION_SENSITIVITY = 0.90
DETECTION_FALSE_POSITIVES_PER_IMAGE = 0.1
CLASSIFICATION_SENSITIVITY = 0.95
CLASSIFICATION_SPECIFICITY = 0.95
# A threshold is a probability strictly between 0 and 1, or it could not be exceeded or missed.
LEAST, MOST = 1e-6, 1.0 - 1e-6


@dataclass(frozen=True)
class OperatingPoints:
    """Thresholds by class name; a prediction counts if its score is at least the threshold.

    Raises
    ------
    ValueError
        The points name different classes, or a threshold is not between 0 and 1.

    """

    screening: Mapping[str, float]
    balanced: Mapping[str, float]
    specific: Mapping[str, float]

    def __post_init__(self) -> None:
        for name, thresholds in self.to_manifest().items():
            if thresholds.keys() != self.balanced.keys():
                raise ValueError(f"{name}: must name the classes {sorted(self.balanced)}")
            if not all(0.0 < value < 1.0 for value in thresholds.values()):
                raise ValueError(f"{name}: thresholds must be between 0 and 1, got {thresholds}")

    def to_manifest(self) -> dict[str, dict[str, float]]:
        """Point name → class name → threshold, as a bundle's manifest holds them."""
        return {field.name: dict(getattr(self, field.name)) for field in fields(self)}


@dataclass(frozen=True)
class _Cuts:
    """What each possible threshold leaves; row k keeps the k best of the different scores.

    ``thresholds`` (K + 1,) falling; ``tp`` and ``fp`` (K + 1,) counts that it keeps.
    """

    thresholds: NDArray[np.float64]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]


@dataclass(frozen=True)
class _Triple:
    """Thresholds of one class, put in order."""

    screening: float
    balanced: float
    specific: float


# For a class that validation data say nothing about: no truth, or none of it found.
UNMEASURED = _Triple(screening=0.25, balanced=0.5, specific=0.75)


def choose_detection_points(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    *,
    class_names: Sequence[str],
) -> OperatingPoints:
    """Choose thresholds for boxes, each class on its own, hits counted at IoU 0.5.

    - ``balanced``: the highest F1.
    - ``screening``: the highest threshold that finds 90% of the findings, or as many as can be
      found.
    - ``specific``: the lowest threshold with at most 0.1 false alarms an image; where that
      leaves no hit, the threshold of highest precision.

    Thresholds lie midway between neighbouring scores. A class without truth, or without a single
    hit, gets 0.25, 0.5 and 0.75.

    Raises
    ------
    ValueError
        An image stands twice or has predictions but no truth.

    """
    matches = match_all(truths, predictions, class_names=class_names, iou=DEFAULT_IOU)
    chosen: dict[str, _Triple] = {}
    for name, found in matches.items():
        if not found.correct.any():
            chosen[name] = UNMEASURED
            continue
        cuts = _cuts(found.scores, found.correct)
        f1 = 2 * cuts.tp / (cuts.tp + cuts.fp + found.truths)
        sensitivity = cuts.tp / found.truths
        wanted = min(DETECTION_SENSITIVITY, sensitivity[-1])
        few = cuts.fp / found.images <= DETECTION_FALSE_POSITIVES_PER_IMAGE
        chosen[name] = _in_order(
            screening=cuts.thresholds[_first(sensitivity >= wanted)],
            balanced=cuts.thresholds[np.argmax(f1)],
            specific=cuts.thresholds[_last_useful(few, cuts)],
        )
    return _by_point(chosen)


def choose_classification_points(
    truth: NDArray[np.bool_], probabilities: NDArray[np.float64], *, class_names: Sequence[str]
) -> OperatingPoints:
    """Choose thresholds for images, each class on its own.

    - ``balanced``: the highest sensitivity + specificity - 1 (Youden's J, Cancer 1950).
    - ``screening``: the highest threshold with a sensitivity of at least 95%.
    - ``specific``: the lowest threshold with a specificity of at least 95%; where that leaves no
      hit, the threshold of highest precision.

    ``truth`` (N, C) and ``probabilities`` (N, C). Thresholds lie midway between neighbouring
    probabilities. A class of which all images are positive, or none is, gets 0.25, 0.5 and 0.75.

    Raises
    ------
    ValueError
        The arrays are not both (N, C) for the C class names, or a probability is not finite.

    """
    if truth.shape != probabilities.shape or truth.shape[1:] != (len(class_names),):
        raise ValueError(
            f"truth and probabilities must both be (N, {len(class_names)}), "
            f"got {truth.shape} and {probabilities.shape}"
        )
    if not np.isfinite(probabilities).all():
        raise ValueError("probabilities must be finite")
    chosen: dict[str, _Triple] = {}
    for column, name in enumerate(class_names):
        positive = np.asarray(truth[:, column], dtype=np.bool_)
        positives, negatives = int(positive.sum()), int((~positive).sum())
        if positives == 0 or negatives == 0:
            chosen[name] = UNMEASURED
            continue
        order = np.argsort(-probabilities[:, column], kind="stable")
        cuts = _cuts(probabilities[order, column].astype(np.float64), positive[order])
        # Quotients, since 19/20 is exactly 0.95 in floating point and 1 - 1/20 need not be.
        sensitivity = cuts.tp / positives
        specificity = (negatives - cuts.fp) / negatives
        few = specificity >= CLASSIFICATION_SPECIFICITY
        youden = sensitivity + specificity
        chosen[name] = _in_order(
            screening=cuts.thresholds[_first(sensitivity >= CLASSIFICATION_SENSITIVITY)],
            # Row 0 calls nothing positive: no use, even where a model does no better.
            balanced=cuts.thresholds[1 + int(np.argmax(youden[1:]))],
            specific=cuts.thresholds[_last_useful(few, cuts)],
        )
    return _by_point(chosen)


def _cuts(scores: NDArray[np.float64], correct: NDArray[np.bool_]) -> _Cuts:
    """All thresholds that differ in effect; ``scores`` (N,) fall, N is at least 1."""
    last_of_score = np.append(np.flatnonzero(np.diff(scores) != 0), len(scores) - 1)
    kept = np.concatenate([[0], last_of_score + 1])
    tp = np.concatenate([[0], np.cumsum(correct, dtype=np.int64)])[kept]
    distinct = scores[last_of_score]
    above, below = np.append(1.0, distinct), np.append(distinct, 0.0)
    middle = (above + below) / 2
    # Two neighbouring floats have nothing between them.
    middle = np.where(middle <= below, above, middle)
    return _Cuts(np.clip(middle, LEAST, MOST), tp, kept - tp)


def _first(fulfilled: NDArray[np.bool_]) -> int:
    """The highest threshold that fulfils a condition; one does."""
    return int(np.argmax(fulfilled))


def _last_useful(few_false: NDArray[np.bool_], cuts: _Cuts) -> int:
    """The lowest threshold with few false alarms and a hit, else that of highest precision."""
    useful = np.flatnonzero(few_false & (cuts.tp > 0))
    if useful.size:
        return int(useful[-1])
    return int(np.argmax(cuts.tp / np.maximum(cuts.tp + cuts.fp, 1)))


def _in_order(*, screening: float, balanced: float, specific: float) -> _Triple:
    return _Triple(
        screening=float(min(screening, balanced)),
        balanced=float(balanced),
        specific=float(max(specific, balanced)),
    )


def _by_point(chosen: Mapping[str, _Triple]) -> OperatingPoints:
    return OperatingPoints(
        screening={name: triple.screening for name, triple in chosen.items()},
        balanced={name: triple.balanced for name, triple in chosen.items()},
        specific={name: triple.specific for name, triple in chosen.items()},
    )

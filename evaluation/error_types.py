"""What kind of error each false alarm and each missed finding is (TIDE: Bolya et al. 2020).

A box is in the right place from IoU 0.5 on and at least touches a finding from IoU 0.1 on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.detection_measures import ALL_CLASSES
from lucency.evaluation.match_rules import IOU_50
from lucency.evaluation.matching import iou_matrix, match_image, pair_images

FOREGROUND_IOU, BACKGROUND_IOU = 0.5, 0.1
ErrorKind = Literal[
    "duplicate", "class", "localisation", "both", "background", "missed", "misjudged"
]
# Kinds of false alarm, in the order in which they are asked: a box is the first that applies.
FALSE_ALARMS: Mapping[ErrorKind, str] = {
    "duplicate": "on a finding that a better box has found already",
    "class": "in the right place, with another class",
    "localisation": "on a finding of its class, but with IoU below 0.5",
    "both": "on a finding of another class, with IoU below 0.5",
    "background": "on no finding",
}
# Kinds of finding that was not found.
MISSES: Mapping[ErrorKind, str] = {
    "missed": "no box of its own",
    "misjudged": "only a box of another class, or one with IoU below 0.5",
}


@dataclass(frozen=True)
class DetectionError:
    """One false alarm or miss.

    ``row`` is the row of the box in the image's predictions, or for a miss of the finding in its
    truths. ``class_name`` and ``score`` are the box's; a miss has the finding's class and no
    score. ``truth`` is the row of the finding that a false alarm is on, None on background and of
    a miss, and ``iou`` the overlap with it; where it is None, the largest overlap there is.
    """

    kind: ErrorKind
    image: str
    row: int
    class_name: str
    score: float | None
    iou: float
    truth: int | None


@dataclass(frozen=True)
class ErrorTypes:
    """Every error at one operating point.

    ``counts`` maps class names, and `ALL_CLASSES`, to the count of each kind: the kinds of
    `FALSE_ALARMS` add up to all false positives, those of `MISSES` to all false negatives.
    ``hits`` counts by class what was found. ``errors`` are in the order of the images, and can be
    sorted by score for a gallery.
    """

    errors: tuple[DetectionError, ...]
    hits: Mapping[str, int]
    counts: Mapping[str, Mapping[ErrorKind, int]]

    def of_kind(self, kind: ErrorKind) -> tuple[DetectionError, ...]:
        """The errors of one kind, the surest first; misses in the order of the images."""
        found = [error for error in self.errors if error.kind == kind]
        return tuple(sorted(found, key=lambda error: -(error.score or 0.0)))


def error_types(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    thresholds: Mapping[str, float],
    *,
    class_names: Sequence[str],
) -> ErrorTypes:
    """Sort the errors of the boxes that reach their class's threshold.

    What is a false alarm or a miss is decided by `IOU_50`.

    Raises
    ------
    ValueError
        An image stands twice or has predictions but no truth.

    """
    limits = np.array([thresholds[name] for name in class_names], dtype=np.float64)
    errors: list[DetectionError] = []
    hits = dict.fromkeys([*class_names, ALL_CLASSES], 0)
    for truth, found in pair_images(truths, predictions):
        high = found.scores >= limits[found.class_ids]
        image_errors, found_classes = _image_errors(
            truth, found.only(high), np.flatnonzero(high), class_names
        )
        errors.extend(image_errors)
        for class_id in found_classes:
            hits[class_names[class_id]] += 1
            hits[ALL_CLASSES] += 1
    kinds: tuple[ErrorKind, ...] = (*FALSE_ALARMS, *MISSES)
    counts = {name: dict.fromkeys(kinds, 0) for name in hits}
    for error in errors:
        counts[error.class_name][error.kind] += 1
        counts[ALL_CLASSES][error.kind] += 1
    return ErrorTypes(tuple(errors), hits, counts)


def _image_errors(
    truth: ImageTruth,
    kept: ImagePredictions,
    rows: NDArray[np.int64],
    class_names: Sequence[str],
) -> tuple[list[DetectionError], list[int]]:
    """The errors of one image, and the classes of what was found; ``rows`` of the kept boxes."""
    matches = match_image(truth, kept, rule=IOU_50)
    ious = iou_matrix(kept.boxes_xyxy, truth.boxes_xyxy)
    same = kept.class_ids[:, None] == truth.class_ids[None, :]
    errors: list[DetectionError] = []
    misjudged = np.zeros(len(truth.class_ids), dtype=np.bool_)
    for number in np.flatnonzero(matches.prediction_truth < 0):
        kind, on = _kind(ious[number], same[number])
        if on is not None and kind in ("class", "localisation"):
            misjudged[on] = True
        errors.append(
            DetectionError(
                kind=kind,
                image=truth.image,
                row=int(rows[number]),
                class_name=class_names[kept.class_ids[number]],
                score=float(kept.scores[number]),
                iou=float(ious[number].max(initial=0.0) if on is None else ious[number, on]),
                truth=on,
            )
        )
    for number in np.flatnonzero(~matches.truth_matched):
        errors.append(
            DetectionError(
                kind="misjudged" if misjudged[number] else "missed",
                image=truth.image,
                row=int(number),
                class_name=class_names[truth.class_ids[number]],
                score=None,
                iou=float(ious[:, number].max(initial=0.0)),
                truth=None,
            )
        )
    return errors, truth.class_ids[matches.truth_matched].tolist()


def _kind(ious: NDArray[np.float64], same: NDArray[np.bool_]) -> tuple[ErrorKind, int | None]:
    """The kind of a false alarm from its overlaps (M,) with the findings, and which it is on.

    ``same`` (M,) tells the findings of its class.
    """
    in_place, touched = ious >= FOREGROUND_IOU, ious >= BACKGROUND_IOU
    asked: tuple[tuple[ErrorKind, NDArray[np.bool_]], ...] = (
        # In place and of its class, it is a false alarm because a better box has the finding.
        ("duplicate", in_place & same),
        ("class", in_place & ~same),
        ("localisation", touched & same),
        ("both", touched & ~same),
    )
    for kind, on in asked:
        if on.any():
            return kind, int(np.argmax(np.where(on, ious, -1.0)))
    return "background", None

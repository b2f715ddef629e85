"""What thresholds reach against what they were chosen for, class by class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lucency.configs.point_targets import DEFAULT_TARGETS, PointTarget, PointTargets
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.match_rules import IOU_50, MatchRule
from lucency.evaluation.matching import ScoredMatches, match_all
from lucency.evaluation.operating_points import OperatingPoints


@dataclass(frozen=True)
class ReachedPoint:
    """One threshold of one class: what it was chosen for, and what it gives.

    ``sensitivity`` and ``f1`` are None without findings, ``precision`` without boxes and
    ``false_positives_per_image`` without images. ``met`` tells whether the target is reached; the
    best F1 is, wherever a finding is found.
    """

    point: str
    class_name: str
    target: PointTarget
    threshold: float
    sensitivity: float | None
    precision: float | None
    f1: float | None
    false_positives_per_image: float | None
    met: bool

    def __str__(self) -> str:
        start = f"{self.point}, {self.class_name}: aimed at {_aim(self.target)}, reached"
        if self.sensitivity is None:
            return f"{start} nothing: there are no findings"
        f1 = f"F1 {self.f1:.2f}, " if self.target.best_f1 else ""
        return (
            f"{start} {f1}sensitivity {self.sensitivity:.2f} with "
            f"{self.false_positives_per_image:.2f} false alarms an image"
        )


def reached_points(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    points: OperatingPoints,
    *,
    class_names: Sequence[str],
    targets: PointTargets = DEFAULT_TARGETS,
    rule: MatchRule = IOU_50,
) -> tuple[ReachedPoint, ...]:
    """Each point of each class, in the order screening, balanced, specific.

    On the data that chose the thresholds it tells which targets were out of reach; on test data,
    what became of them.

    Raises
    ------
    ValueError
        An image stands twice or has predictions but no truth.

    """
    matches = match_all(truths, predictions, class_names=class_names, rule=rule)
    return tuple(
        _reached(point, name, getattr(targets, point), thresholds[name], matches[name])
        for point, thresholds in points.to_manifest().items()
        for name in class_names
    )


def _reached(
    point: str, name: str, target: PointTarget, threshold: float, boxes: ScoredMatches
) -> ReachedPoint:
    kept = boxes.correct[boxes.scores >= threshold]
    tp = int(np.count_nonzero(kept))
    sensitivity = _share(tp, boxes.truths)
    false_alarms = _share(len(kept) - tp, boxes.images)
    if target.sensitivity is not None:
        met = sensitivity is not None and sensitivity >= target.sensitivity
    elif target.false_positives_per_image is not None:
        met = false_alarms is not None and false_alarms <= target.false_positives_per_image
    else:
        met = tp > 0
    return ReachedPoint(
        point=point,
        class_name=name,
        target=target,
        threshold=threshold,
        sensitivity=sensitivity,
        precision=_share(tp, len(kept)),
        f1=_share(2 * tp, len(kept) + boxes.truths) if boxes.truths else None,
        false_positives_per_image=false_alarms,
        met=met,
    )


def _aim(target: PointTarget) -> str:
    if target.sensitivity is not None:
        return f"sensitivity {target.sensitivity:.2f}"
    if target.false_positives_per_image is not None:
        return f"{target.false_positives_per_image:g} false alarms an image"
    return "the best F1"


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None

"""Precision and recall of a detector at chosen thresholds: what a reader would meet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.match_rules import IOU_50, MatchRule
from lucency.evaluation.matching import match_all


@dataclass(frozen=True)
class DetectionRates:
    """Counts of boxes over a set of images, and the rates that follow from them.

    ``tp`` findings found, ``fp`` false alarms, ``fn`` findings missed.
    """

    tp: int
    fp: int
    fn: int
    images: int

    @property
    def precision(self) -> float | None:
        """Share of the predictions that are right; None if there are none."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """Share of the findings that were found (sensitivity); None if there are none."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None without truth and predictions."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def false_positives_per_image(self) -> float | None:
        """False alarms an image; None without images."""
        return _ratio(self.fp, self.images)


@dataclass(frozen=True)
class DetectionMetrics:
    """Rates at one operating point: of each class, and of all boxes pooled (micro average)."""

    overall: DetectionRates
    per_class: Mapping[str, DetectionRates]


def precision_recall_at(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    thresholds: Mapping[str, float],
    *,
    class_names: Sequence[str],
    rule: MatchRule = IOU_50,
) -> DetectionMetrics:
    """Count hits, false alarms and misses among the predictions that reach their threshold.

    A prediction counts if its score is at least ``thresholds[class name]``; a hit has found a
    truth of its class by ``rule``, one prediction for each truth.

    Raises
    ------
    ValueError
        An image stands twice or has predictions but no truth.

    """
    per_class: dict[str, DetectionRates] = {}
    matches = match_all(truths, predictions, class_names=class_names, rule=rule)
    for name, matched in matches.items():
        kept = matched.correct[matched.scores >= thresholds[name]]
        tp = int(kept.sum())
        per_class[name] = DetectionRates(
            tp=tp, fp=len(kept) - tp, fn=matched.truths - tp, images=matched.images
        )
    overall = DetectionRates(
        tp=sum(rates.tp for rates in per_class.values()),
        fp=sum(rates.fp for rates in per_class.values()),
        fn=sum(rates.fn for rates in per_class.values()),
        images=len(truths),
    )
    return DetectionMetrics(overall, per_class)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None

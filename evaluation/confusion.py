"""The confusion matrix of a detector: what each finding was called, and each box was."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.match_rules import IOU_50, MatchRule
from lucency.evaluation.matching import match_image, pair_images


def confusion_matrix(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    thresholds: Mapping[str, float],
    *,
    class_names: Sequence[str],
    rule: MatchRule = IOU_50,
) -> NDArray[np.int64]:
    """Count findings by class (rows) and by the class of the box on them (columns).

    Of C classes (C + 1, C + 1) int64; the last row is background, false alarms on no finding,
    and the last column the findings without a box. Boxes that reach their class's threshold
    first find findings of their own class, as everywhere, so the diagonal counts all true
    positives; those left over are then matched to the findings left over, whatever their class.

    Raises
    ------
    ValueError
        An image stands twice or has predictions but no truth.

    """
    background = len(class_names)
    limits = np.array([thresholds[name] for name in class_names], dtype=np.float64)
    counts = np.zeros((background + 1, background + 1), dtype=np.int64)
    for truth, found in pair_images(truths, predictions):
        kept = found.only(found.scores >= limits[found.class_ids])
        right = match_image(truth, kept, rule=rule)
        np.add.at(counts, (truth.class_ids[right.truth_matched],) * 2, 1)
        missed, left = ~right.truth_matched, right.prediction_truth < 0
        marked, called = truth.class_ids[missed], kept.class_ids[left]
        # As one class, so that any box may take any finding.
        wrong = match_image(
            replace(truth.only(missed), class_ids=np.zeros_like(marked)),
            replace(kept.only(left), class_ids=np.zeros_like(called)),
            rule=rule,
        )
        on = wrong.prediction_truth
        # Row -1 of a false alarm is the last: background.
        np.add.at(counts, (np.append(marked, background)[on], called), 1)
        np.add.at(counts[:, background], marked[~wrong.truth_matched], 1)
    return counts

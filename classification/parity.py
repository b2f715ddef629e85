"""The parity gate: an exported network must say what its torch network says, or is refused.

Compared are the probabilities, not calibrated, of all labels on the whole validation split: each
with each, their ranking (AUC), and the verdicts at the threshold that torch's own would get. What
is allowed depends on the precision of the weights (`LIMITS`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lucency.classification.stored_weights import Precision
from lucency.datasets.labelled import LabelledSplit
from lucency.evaluation.operating_points import choose_classification_points
from lucency.evaluation.roc import auc


@dataclass(frozen=True)
class ParityLimits:
    """What a precision may lose: at most so much of each of the figures of `Parity`.

    ``changed`` is a share of the verdicts; of fewer than ``1 / changed`` one may change.
    """

    probability: float
    mean_probability: float
    auc_drop: float
    changed: float


# In single precision another order of sums moves probabilities by about 1e-6; more is a fault.
LIMITS: Mapping[Precision, ParityLimits] = MappingProxyType(
    {
        "fp32": ParityLimits(1e-4, 1e-5, auc_drop=1e-4, changed=0.001),
        "fp16": ParityLimits(0.01, 1e-3, auc_drop=0.001, changed=0.005),
        "int8": ParityLimits(0.1, 0.01, auc_drop=0.005, changed=0.02),
    }
)


@dataclass(frozen=True)
class Parity:
    """How far an exported network lies from its torch network on N images of C labels.

    ``probability`` is the largest difference of a probability, ``mean_probability`` the mean one.
    ``auc_drop`` is by how much the AUC of the label that loses most falls, None where no label has
    an AUC. ``changed`` is the share of the ``verdicts``, one for each image and label, that differ
    at the balanced operating point.
    """

    images: int
    probability: float
    mean_probability: float
    auc_drop: float | None
    verdicts: int
    changed: float

    def to_manifest(self) -> dict[str, float]:
        """The figures by name; those that cannot be measured are left out."""
        return {name: float(value) for name, value in asdict(self).items() if value is not None}


def measure_parity(
    expected: NDArray[np.float64], found: NDArray[np.float64], split: LabelledSplit
) -> Parity:
    """Compare torch's probabilities ``expected`` (N, C) with those ``found``, of the same images.

    What is not finite counts as wholly different.
    """
    difference = np.abs(found - expected)
    difference = np.where(np.isfinite(difference), difference, 1.0)
    sound = np.where(np.isfinite(found), found, 0.0)
    points = choose_classification_points(split.targets, expected, class_names=split.labels)
    thresholds = np.array([points.balanced[name] for name in split.labels])
    changed = (expected >= thresholds) != (sound >= thresholds)
    drops = []
    for column, label in enumerate(split.labels):
        truth, known = split.truth(label), split.known(label)
        before, after = (auc(truth, one[known, column]) for one in (expected, sound))
        if before is not None and after is not None:
            drops.append(before - after)
    return Parity(
        images=len(expected),
        probability=float(difference.max(initial=0.0)),
        mean_probability=float(difference.mean()) if difference.size else 0.0,
        auc_drop=max(drops) if drops else None,
        verdicts=changed.size,
        changed=float(changed.mean()) if changed.size else 0.0,
    )


def refusal(parity: Parity, precision: Precision) -> str | None:
    """Why the exported network may not be used, with the figures; None if it may."""
    limits = LIMITS[precision]
    most_changed = max(limits.changed, 1 / parity.verdicts if parity.verdicts else 0.0)
    told: list[tuple[str, float | None, float]] = [
        ("a probability off by {:.1e} (at most {:.0e})", parity.probability, limits.probability),
        (
            "probabilities off by {:.1e} on average (at most {:.0e})",
            parity.mean_probability,
            limits.mean_probability,
        ),
        ("AUC lower by {:.4f} (at most {:g})", parity.auc_drop, limits.auc_drop),
        (
            "{:.2%} of the verdicts at balanced changed (at most {:.2%})",
            parity.changed,
            most_changed,
        ),
    ]
    broken = [
        text.format(value, limit)
        for text, value, limit in told
        # Written so that NaN does not pass.
        if value is not None and not value <= limit
    ]
    return ", ".join(broken) or None

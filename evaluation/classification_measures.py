"""What is measured of a classifier on a set of images: the types that reports and cards show."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.estimates import Estimate


@dataclass(frozen=True)
class RocCurve:
    """``false_positive_rate`` and ``true_positive_rate`` (K,), rising; ``thresholds`` falling.

    The first threshold is infinite: nothing is called positive there.
    """

    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """``precision`` and ``recall`` (K,) at ``thresholds`` (K,); recall rises, thresholds fall.

    The first threshold is infinite: nothing is called positive there, and precision is 1 by
    convention. Nothing is interpolated, so average precision is the area of its steps.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True)
class LabelRates:
    """One label at one operating point: an image is called if it reaches ``threshold``.

    ``tp``, ``fp``, ``tn``, ``fn`` count images. ``ppv``, ``npv`` and ``accuracy`` hold for this
    set's prevalence only.
    """

    threshold: float
    tp: int
    fp: int
    tn: int
    fn: int
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    accuracy: Estimate
    f1: Estimate

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(2, 2) counts, truth by row and call by column: ``[[tn, fp], [fn, tp]]``."""
        return np.array([[self.tn, self.fp], [self.fn, self.tp]], dtype=np.int64)


@dataclass(frozen=True)
class LabelMeasures:
    """One label, on the images for which it is known.

    ``auc`` has the interval of the bootstrap over patients, ``auc_delong`` the same value with
    DeLong's, which takes each image for a patient of its own. The curves are None where all images
    have the label or none has. ``points`` maps operating points to rates.
    """

    positives: int
    negatives: int
    auc: Estimate
    auc_delong: Estimate
    average_precision: Estimate
    roc: RocCurve | None
    precision_recall: PrecisionRecallCurve | None
    points: Mapping[str, LabelRates]

    @property
    def prevalence(self) -> float | None:
        """Share of the images that have the label; None without images."""
        images = self.positives + self.negatives
        return self.positives / images if images else None


@dataclass(frozen=True)
class ClassificationMeasures:
    """Everything measured of a classifier on one set of images.

    ``images_without_patient`` counts those of which the set does not say whose they are: each is
    taken for a patient. ``patients_known`` tells whether any image's patient is known. ``mean_auc``
    is over the labels that have an AUC. Of labels that exclude each other, ``accuracy`` is the
    share of images whose most probable label is the true one, and ``confusion`` (C, C) counts
    images, truth by row and most probable label by column; of others both are None.
    """

    images: int
    patients: int
    patients_known: bool
    images_without_patient: int
    samples: int
    labels: Mapping[str, LabelMeasures]
    mean_auc: Estimate
    accuracy: Estimate | None
    confusion: NDArray[np.int64] | None

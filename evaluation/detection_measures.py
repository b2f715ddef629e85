"""What is measured of a detector on a set of images: the types that reports and cards show."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.average_precision import PrecisionRecallCurve
from lucency.evaluation.estimates import Estimate
from lucency.evaluation.match_rules import MatchRule

# In mappings by class: all classes pooled.
ALL_CLASSES = "all classes"
# van Ginneken et al. 2010: seven operating points of the FROC curve.
FROC_FALSE_POSITIVES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class ClassPrecision:
    """Average precision of one class as COCO defines it, with counts of boxes."""

    ap50: Estimate
    ap50_95: Estimate
    truths: int
    predictions: int


@dataclass(frozen=True)
class Froc:
    """Free-response ROC: findings found against false alarms an image, over all thresholds.

    ``false_positives_per_image`` and ``sensitivity`` (K,), both rising, and the ``thresholds``
    (K,) that give them, falling. ``at`` maps each of `FROC_FALSE_POSITIVES` to the sensitivity
    there (of the highest point at or left of it); ``mean`` is their mean.
    """

    false_positives_per_image: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    at: Mapping[float, Estimate]
    mean: Estimate


@dataclass(frozen=True)
class LesionRates:
    """Findings at one operating point: ``tp`` found, ``fn`` missed, ``fp`` false alarms.

    ``threshold`` is None for all classes pooled.
    """

    threshold: float | None
    tp: int
    fp: int
    fn: int
    precision: Estimate
    recall: Estimate
    f1: Estimate
    false_positives_per_image: Estimate


@dataclass(frozen=True)
class CaseRates:
    """Images, or patients, at one operating point: positive if any box reaches its threshold.

    A case is positive in truth if it has any finding, wherever the boxes lie.
    """

    tp: int
    fp: int
    tn: int
    fn: int
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate


@dataclass(frozen=True)
class DetectionMeasures:
    """Everything measured on one set of images by one match rule.

    ``map50`` and ``map50_95`` are class means over all images, ``map50_positives`` that over the
    images with findings alone (published figures of sets without negatives), ``agnostic_ap50``
    that of all classes taken as one. ``froc`` and ``points`` map class names, and `ALL_CLASSES`,
    to curves and rates; ``points``, ``image_level`` and ``patient_level`` map the name of an
    operating point first. ``image_auc`` and ``patient_auc`` take the best box's score as the
    case's. ``recall_by_rule`` gives, for each operating point, the recall of all classes pooled
    under each of `MATCH_RULES`. ``patient_level`` is empty and ``patient_auc`` without value
    where every image is a patient of its own; ``images_without_patient`` counts those of which the
    set does not say whose they are: each is taken for a patient.
    """

    rule: MatchRule
    images: int
    negatives: int
    patients: int
    findings: int
    positive_patients: int
    samples: int
    map50: Estimate
    map50_95: Estimate
    map50_positives: Estimate
    agnostic_ap50: Estimate
    classes: Mapping[str, ClassPrecision]
    curves: Mapping[str, PrecisionRecallCurve]
    froc: Mapping[str, Froc]
    points: Mapping[str, Mapping[str, LesionRates]]
    thresholds: Mapping[str, Mapping[str, float]]
    image_level: Mapping[str, CaseRates]
    patient_level: Mapping[str, CaseRates]
    image_auc: Estimate
    patient_auc: Estimate
    recall_by_rule: Mapping[str, Mapping[str, Estimate]]
    images_without_patient: int = 0

    @property
    def patients_known(self) -> bool:
        """Whether the set says of any image whose it is."""
        return not self.images or self.images_without_patient < self.images

    @property
    def prevalence(self) -> float | None:
        """Share of the images that have findings; None without images."""
        return (self.images - self.negatives) / self.images if self.images else None

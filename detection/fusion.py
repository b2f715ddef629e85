"""Fusion at run time: a classifier's probability of the whole image rescales the boxes' scores.

What it is fitted with stands in `lucency.evaluation.fusion_fit`.
"""

import numpy as np

from lucency.configs.bundle import Bundle, BundleManifest
from lucency.configs.errors import BundleError
from lucency.configs.fusion import FusionWeights
from lucency.detection.detections import Detections
from lucency.detection.detector import LEAST_SCORE
from lucency.evaluation.fusion_fit import fused


def rescaled(found: Detections, *, image_probability: float, weights: FusionWeights) -> Detections:
    """The same boxes in the same order with every class's probability fused."""
    probabilities = fused(found.probabilities, image_probability, weights).astype(np.float32)
    raw = found.probabilities if found.raw is None else found.raw
    return Detections(found.boxes_xyxy, probabilities, found.class_names, found.class_ids, raw)


def fusion_floor(manifest: BundleManifest) -> float:
    """The ``conf`` to detect with before fusion: the same for the fit and ever after.

    A doubtful box may become a likely one, so all that the detector can tell from noise are
    needed. A calibrated detector draws that line itself, at the raw score.
    """
    return 0.0 if manifest.calibration else LEAST_SCORE


def refuse_fused(bundle: Bundle) -> None:
    """Refuse a fused bundle where there is no classifier to run it with.

    Raises
    ------
    BundleError
        The bundle's thresholds hold for fused scores.

    """
    fusion = bundle.manifest.fusion
    if fusion is not None:
        raise BundleError(
            f"{bundle.path}: its thresholds hold only for scores fused with the classifier "
            f"'{fusion.classifier}'; give the bundle that it was made from"
        )

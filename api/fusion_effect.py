"""What fusion changes on one split: both models' predictions, and the paired comparison."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lucency.annotations.records import Dataset
from lucency.classification.classifier import Classifier
from lucency.configs.bundle import BundleManifest
from lucency.configs.fusion import FusionWeights
from lucency.detection.detector import Detector
from lucency.detection.fusion import fusion_floor
from lucency.detection.inference import detect
from lucency.detection.predictions import (
    EVALUATION_DETECTIONS,
    split_records,
    split_truths,
    stored_image,
)
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.comparison import Difference, compare_detections
from lucency.evaluation.fusion_fit import cross_fitted, fused_predictions

# Of validation data only these: thresholds were chosen there, so figures at them would flatter.
THRESHOLD_FREE = ("map50", "map50_95", "froc_mean", "image_auc")
Progress = Callable[[int, int], None]
Thresholds = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Evidence:
    """What both models say of one split: boxes, and the probability of each image by its name."""

    split: str
    truths: Sequence[ImageTruth]
    alone: Sequence[ImagePredictions]
    images: Mapping[str, float]


@dataclass(frozen=True)
class Effect:
    """What fusion changes on one split: figures without it, with it, and their differences.

    ``fused`` are the predictions that were measured; ``positives`` counts images with findings.
    """

    split: str
    cross_fitted: bool
    positives: int
    evidence: Evidence
    fused: Sequence[ImagePredictions]
    differences: tuple[Difference, ...]


def gather(
    detector: Detector,
    classifier: Classifier,
    dataset: Dataset,
    split: str,
    *,
    label: str,
    on_step: Callable[[str], Progress],
) -> Evidence:
    """Run both on every image of the split whose truth is known.

    Raises
    ------
    DatasetError
        There is no such image, or one is not as the set's table says.

    """
    records = split_records(dataset, split)
    column = classifier.manifest.class_names.index(label)
    progress = on_step(f"Detecting and classifying in '{split}'")
    alone: list[ImagePredictions] = []
    images: dict[str, float] = {}
    for number, record in enumerate(records, start=1):
        name, radiograph = str(record.image), stored_image(dataset, record)
        found = detect(
            [detector],
            radiograph,
            conf=fusion_floor(detector.manifest),
            max_detections=EVALUATION_DETECTIONS,
        )
        alone.append(found.to_predictions(name))
        images[name] = float(classifier.classify(radiograph)[column])
        progress(number, len(records))
    return Evidence(split, split_truths(dataset, records), alone, images)


def effect_of(
    evidence: Evidence,
    weights: FusionWeights,
    alone: BundleManifest,
    points: Thresholds,
    *,
    fitted_here: bool,
    samples: int,
    on_step: Callable[[str], Progress],
) -> Effect:
    """Compare the detector ``alone`` with the fused one, at ``points``, by a paired bootstrap.

    Where the weights and the points come from the same images (``fitted_here``), each patient is
    rescaled by weights fitted without it, and only figures without a threshold are given.
    """
    if fitted_here:
        fused = cross_fitted(evidence.truths, evidence.alone, evidence.images)
    else:
        fused = fused_predictions(evidence.alone, evidence.images, weights)
    differences = compare_detections(
        evidence.truths,
        evidence.alone,
        fused,
        class_names=alone.class_names,
        thresholds_first=alone.operating_points,
        thresholds_second=points,
        samples=samples,
        progress=on_step(f"Comparing in '{evidence.split}'"),
    )
    if fitted_here:
        differences = tuple(one for one in differences if one.name in THRESHOLD_FREE)
    positives = sum(len(truth.class_ids) > 0 for truth in evidence.truths)
    return Effect(evidence.split, fitted_here, positives, evidence, fused, differences)

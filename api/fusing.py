"""Fusing a detector with a classifier of whole images: predictions, fit, effect, new bundle.

The effect on validation data is measured on scores that were fitted without the patient at hand;
on test data, if the set has any, with the weights that the bundle gets.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lucency.annotations.findings import Status
from lucency.annotations.records import Dataset
from lucency.api.fusion_effect import Effect, Evidence, Progress, Thresholds, effect_of, gather
from lucency.api.fusion_report import fusion_card
from lucency.classification.classifier import Classifier
from lucency.configs.bundle import MODEL, MODEL_CARD, Bundle, BundleManifest, write_bundle
from lucency.configs.errors import BundleError, ConfigError, DatasetError
from lucency.configs.fusion import FusionSpec
from lucency.datasets.digest import dataset_digest
from lucency.detection.detector import Detector
from lucency.detection.evaluate import manifest_figures
from lucency.detection.fusion import refuse_fused
from lucency.detection.predictions import check_classes
from lucency.evaluation.detection_measures import DetectionMeasures
from lucency.evaluation.fusion_fit import box_outcomes, fit_fusion, fused_predictions
from lucency.evaluation.measuring import measure_detections
from lucency.evaluation.operating_points import (
    choose_classification_points,
    choose_detection_points,
)

VALIDATION, TEST = "val", "test"


@dataclass(frozen=True)
class Fusion:
    """The new bundle, and what it gained: validation data first."""

    bundle: Bundle
    effects: tuple[Effect, ...]


def fuse(
    detector: Bundle,
    classifier: Bundle,
    dataset: Dataset,
    out: Path,
    *,
    label: str,
    samples: int = 1000,
    on_step: Callable[[str], Progress],
) -> Fusion:
    """Fit the fusion on the validation split, measure it, and write the fused bundle to ``out``.

    Raises
    ------
    BundleError
        One of the bundles is for the other's task, or the detector is fused already.
    ConfigError
        The classifier does not know ``label``, or ``out`` exists.
    DatasetError
        The set's classes are not the detector's, or its validation split has no findings, or none
        that the detector finds.

    """
    _check_pair(detector, classifier, label=label)
    check_classes(dataset, detector.manifest.class_names)
    models = Detector(detector), Classifier(classifier)
    known = gather(*models, dataset, VALIDATION, label=label, on_step=on_step)
    spec = _fitted(known, classifier, label=label, where=str(dataset.root))
    points = choose_detection_points(
        known.truths,
        fused_predictions(known.alone, known.images, spec),
        class_names=detector.manifest.class_names,
    ).to_manifest()
    held = [known]
    if any(record.status is not Status.UNKNOWN for record in dataset.in_split(TEST)):
        held.append(gather(*models, dataset, TEST, label=label, on_step=on_step))
    effects = tuple(
        effect_of(
            evidence,
            spec,
            detector.manifest,
            points,
            fitted_here=evidence is known,
            samples=samples,
            on_step=on_step,
        )
        for evidence in held
    )
    measures = measure_detections(
        known.truths,
        effects[0].fused,
        class_names=detector.manifest.class_names,
        thresholds=points,
        samples=samples,
        progress=on_step("Measuring the fused detector"),
    )
    manifest = _manifest(detector.manifest, classifier.manifest, spec, points, measures, dataset)
    return Fusion(_write(detector, manifest, effects, out), effects)


def _check_pair(detector: Bundle, classifier: Bundle, *, label: str) -> None:
    if detector.manifest.task != "detection" or classifier.manifest.task != "classification":
        raise BundleError(
            f"{detector.path}: is a bundle for {detector.manifest.task}, and {classifier.path} for "
            f"{classifier.manifest.task}; name the detector first, then the classifier"
        )
    refuse_fused(detector)
    if label not in classifier.manifest.class_names:
        known = ", ".join(classifier.manifest.class_names)
        raise ConfigError(
            f"--label {label}: the classifier '{classifier.manifest.name}' knows only: {known}"
        )


def _fitted(known: Evidence, classifier: Bundle, *, label: str, where: str) -> FusionSpec:
    positive = np.array([len(truth.class_ids) > 0 for truth in known.truths])
    if not positive.any():
        raise DatasetError(
            f"{where}: no image of '{known.split}' has a finding, so nothing can be fitted; "
            "split the set with `lucency split`, or take another one"
        )
    outcomes = box_outcomes(known.truths, known.alone, known.images)
    if not outcomes.correct.any():
        raise DatasetError(
            f"{where}: not one box that the detector finds in '{known.split}' is right, so "
            "nothing can be fitted; train the detector further"
        )
    weights = fit_fusion(outcomes)
    probabilities = np.array([known.images[truth.image] for truth in known.truths])
    # Sure of a finding at a specificity of 95%, sure of none below a sensitivity of 95%.
    sure = choose_classification_points(
        positive[:, None], probabilities[:, None], class_names=[label]
    )
    return FusionSpec(
        **weights.model_dump(),
        classifier=classifier.manifest.name,
        classifier_sha256=classifier.digest,
        label=label,
        image_high=sure.specific[label],
        image_low=sure.screening[label],
    )


def _manifest(
    alone: BundleManifest,
    classifier: BundleManifest,
    spec: FusionSpec,
    points: Thresholds,
    measures: DetectionMeasures,
    dataset: Dataset,
) -> BundleManifest:
    """The detector's manifest with the fusion, and what is new because of it."""
    metrics, intervals = manifest_figures(measures)
    changed = alone.model_copy(
        update={
            "name": f"{alone.name}-fused",
            "fusion": spec,
            "operating_points": points,
            "default_operating_point": "balanced",
            "metrics": metrics,
            "metric_intervals": intervals,
            "metrics_split": VALIDATION,
            "training_data": {
                **alone.training_data,
                "fused_on": dataset.root.resolve().name,
                "fused_on_sha256": dataset_digest(dataset),
            },
            # The classifier is needed wherever the bundle is used, so its terms hold, too.
            "licence": " and ".join(dict.fromkeys((alone.licence, classifier.licence))),
            "commercial_use": alone.commercial_use and classifier.commercial_use,
        }
    )
    return BundleManifest.model_validate(changed.model_dump())


def _write(
    detector: Bundle, manifest: BundleManifest, effects: Sequence[Effect], out: Path
) -> Bundle:
    """The same files but for the manifest and the card."""
    files = {name: (detector.path / name).read_bytes() for name in manifest.files}
    card = files[MODEL_CARD].decode("utf-8")
    files[MODEL_CARD] = fusion_card(card, manifest, effects).encode("utf-8")
    return write_bundle(out, manifest, {**files, MODEL: detector.model})

"""What one model found, brought into the form of the wire at the thresholds that apply."""

from collections.abc import Iterator

import numpy as np

from lucency.api.schemas import AppliedThresholds, FoundBox, ImageClassification, WireBox
from lucency.classification.classifier import Classifier
from lucency.configs.bundle import BundleManifest
from lucency.configs.errors import ConfigError
from lucency.datasets.radiographs import Radiograph
from lucency.detection.detections import Detections
from lucency.detection.detector import MAX_DETECTIONS, Detector


def applied_thresholds(
    manifest: BundleManifest, *, conf: float | None, operating_point: str | None
) -> AppliedThresholds:
    """The thresholds of one model: ``conf`` for every class of boxes, or an operating point.

    Raises
    ------
    ConfigError
        The model has no such point, even where ``conf`` replaces it, or ``conf`` is outside 0..1.

    """
    point = operating_point or manifest.default_operating_point
    if point not in manifest.operating_points:
        known = ", ".join(manifest.operating_points)
        raise ConfigError(
            f"operating_point: the model '{manifest.name}' has none named '{point:.64}'; "
            f"it has: {known}"
        )
    if conf is None or manifest.task == "classification":
        chosen = dict(manifest.operating_points[point])
        return AppliedThresholds(model=manifest.name, operating_point=point, thresholds=chosen)
    if not 0.0 <= conf <= 1.0:
        raise ConfigError(f"conf: must be a probability from 0 to 1, got {conf}")
    flat = dict.fromkeys(manifest.class_names, conf)
    return AppliedThresholds(model=manifest.name, operating_point=None, thresholds=flat)


def found_boxes(
    detector: Detector, radiograph: Radiograph, applied: AppliedThresholds
) -> Iterator[FoundBox]:
    """The boxes whose best class reaches that class's threshold, best first."""
    # The detector leaves out what is not above its floor; a score that equals the threshold
    # counts, so the floor is the next smaller float.
    lowest = np.float32(min(applied.thresholds.values()))
    floor = float(np.nextafter(lowest, np.float32(-1.0)))
    detections = detector.detect(radiograph, conf=floor, max_detections=MAX_DETECTIONS)
    width, height = radiograph.size_wh
    for row in range(len(detections)):
        found = _found_box(detections, row, size_wh=(width, height), model=applied.model)
        if found.score >= applied.thresholds[found.label]:
            yield found


def _found_box(
    detections: Detections, row: int, *, size_wh: tuple[int, int], model: str
) -> FoundBox:
    x1, y1, x2, y2 = (float(value) for value in detections.boxes_xyxy[row])
    width, height = size_wh
    probabilities = [float(value) for value in detections.probabilities[row]]
    best = int(detections.class_ids[row])
    return FoundBox(
        box=WireBox(x1=x1, y1=y1, x2=x2, y2=y2),
        box_normalised=WireBox(x1=x1 / width, y1=y1 / height, x2=x2 / width, y2=y2 / height),
        label=detections.class_names[best],
        score=probabilities[best],
        probabilities=dict(zip(detections.class_names, probabilities, strict=True)),
        model=model,
    )


def classification(
    classifier: Classifier, radiograph: Radiograph, applied: AppliedThresholds
) -> ImageClassification:
    """What the classifier says of the whole image, with its verdicts."""
    values = [float(value) for value in classifier.classify(radiograph)]
    probabilities = dict(zip(classifier.manifest.class_names, values, strict=True))
    return ImageClassification(
        model=applied.model,
        probabilities=probabilities,
        thresholds=applied.thresholds,
        verdicts={
            label: probability >= applied.thresholds[label]
            for label, probability in probabilities.items()
        },
    )

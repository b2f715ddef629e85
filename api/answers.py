"""What one model found, brought into the form of the wire at the thresholds that apply."""

from collections.abc import Iterator, Sequence

from lucency.api.finders import Finder
from lucency.api.schemas import (
    AppliedThresholds,
    Disagreement,
    DisagreementKind,
    FoundBox,
    ImageClassification,
    WireBox,
)
from lucency.classification.classifier import Classifier
from lucency.configs.bundle import BundleManifest
from lucency.configs.errors import ConfigError
from lucency.datasets.radiographs import Radiograph
from lucency.detection.detections import Detections


def applied_thresholds(
    manifests: Sequence[BundleManifest],
    *,
    model: str,
    conf: float | None,
    operating_point: str | None,
) -> AppliedThresholds:
    """The thresholds of one model: ``conf`` for every class of boxes, or an operating point.

    Several ``manifests`` of the same classes are an ensemble: its thresholds are their means.

    Raises
    ------
    ConfigError
        A bundle has no such point, even where ``conf`` replaces it, or ``conf`` is outside 0..1.

    """
    first = manifests[0]
    point = operating_point or first.default_operating_point
    for manifest in manifests:
        if point not in manifest.operating_points:
            known = ", ".join(manifest.operating_points)
            raise ConfigError(
                f"operating_point: the model '{manifest.name}' has none named '{point:.64}'; "
                f"it has: {known}"
            )
    if conf is None or first.task == "classification":
        points = [manifest.operating_points[point] for manifest in manifests]
        means = {name: sum(p[name] for p in points) / len(points) for name in first.class_names}
        return AppliedThresholds(model=model, operating_point=point, thresholds=means)
    if not 0.0 <= conf <= 1.0:
        raise ConfigError(f"conf: must be a probability from 0 to 1, got {conf}")
    flat = dict.fromkeys(first.class_names, conf)
    return AppliedThresholds(model=model, operating_point=None, thresholds=flat)


def found_boxes(
    detections: Detections, applied: AppliedThresholds, *, size_wh: tuple[int, int]
) -> Iterator[FoundBox]:
    """The boxes that reach the threshold of their class, best first."""
    for row in range(len(detections)):
        found = _found_box(detections, row, size_wh=size_wh, model=applied.model)
        if found.score >= applied.thresholds[found.label]:
            yield found


def _found_box(
    detections: Detections, row: int, *, size_wh: tuple[int, int], model: str
) -> FoundBox:
    x1, y1, x2, y2 = (float(value) for value in detections.boxes_xyxy[row])
    width, height = size_wh
    probabilities = [float(value) for value in detections.probabilities[row]]
    found_as = int(detections.class_ids[row])
    return FoundBox(
        box=WireBox(x1=x1, y1=y1, x2=x2, y2=y2),
        box_normalised=WireBox(x1=x1 / width, y1=y1 / height, x2=x2 / width, y2=y2 / height),
        label=detections.class_names[found_as],
        score=probabilities[found_as],
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


def disagreements(
    finder: Finder,
    detections: Detections,
    boxes: Sequence[FoundBox],
    answer: ImageClassification,
) -> Iterator[Disagreement]:
    """Where a fused detector and its classifier, who gave ``answer``, contradict each other.

    ``boxes`` are those of the ``detections`` that reach their thresholds.
    """
    fusion = finder.fusion
    if fusion is None:
        return
    probability = answer.probabilities[fusion.label]
    if probability >= fusion.image_high and not boxes:
        kind: DisagreementKind = "no-box"
    elif probability < fusion.image_low and boxes:
        kind = "box-without-image-finding"
    else:
        return
    yield Disagreement(
        kind=kind,
        detector=finder.name,
        classifier=answer.model,
        label=fusion.label,
        image_probability=probability,
        best_box_score=float(detections.scores.max()) if len(detections) else None,
    )

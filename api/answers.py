"""What one model found, brought into the form of the wire at the thresholds that apply."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lucency.api.schemas import AppliedThresholds, FoundBox, ImageClassification, WireBox
from lucency.configs.bundle import BundleManifest
from lucency.detection.detections import Detections

Numbers = NDArray[np.floating]


def found_boxes(
    detections: Detections,
    applied: AppliedThresholds,
    *,
    sure: Mapping[str, float],
    size_wh: tuple[int, int],
    ensemble: bool = False,
) -> Iterator[FoundBox]:
    """The boxes that reach the threshold of their class, best first.

    ``sure`` are the scores from which a box of each class is sure; without one none is. Of an
    ``ensemble`` there is no network whose own probabilities could be told.
    """
    width, height = size_wh
    names = detections.class_names
    raw = detections.probabilities if detections.raw is None else detections.raw
    for row, found_as in enumerate(detections.class_ids.tolist()):
        label = names[found_as]
        score = float(detections.probabilities[row, found_as])
        threshold = applied.thresholds[label]
        if score < threshold:
            continue
        x1, y1, x2, y2 = detections.boxes_xyxy[row].tolist()
        yield FoundBox(
            box=WireBox(x1=x1, y1=y1, x2=x2, y2=y2),
            box_normalised=WireBox(x1=x1 / width, y1=y1 / height, x2=x2 / width, y2=y2 / height),
            label=label,
            score=score,
            probabilities=_by_name(names, detections.probabilities[row]),
            raw_probabilities=None if ensemble else _by_name(names, raw[row]),
            threshold=threshold,
            tier="sure" if label in sure and score >= sure[label] else "doubtful",
            model=applied.model,
        )


def classification(
    manifest: BundleManifest, calibrated: Numbers, raw: Numbers, applied: AppliedThresholds
) -> ImageClassification:
    """What a classifier's probabilities (C,) of the whole image say, with its verdicts."""
    probabilities = _by_name(manifest.class_names, calibrated)
    likeliest = manifest.class_names[int(np.argmax(calibrated))]
    return ImageClassification(
        model=applied.model,
        probabilities=probabilities,
        raw_probabilities=_by_name(manifest.class_names, raw),
        thresholds=applied.thresholds,
        verdicts={
            label: probability >= applied.thresholds[label]
            and (label == likeliest or not manifest.exclusive)
            for label, probability in probabilities.items()
        },
    )


def _by_name(names: Sequence[str], values: Numbers) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))

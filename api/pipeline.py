"""From the bytes of one image to a `Report`: the loaded models and what they are asked.

`serve` and `predict` both come through here, so they answer alike. The same bytes, bundles and
parameters give the same findings, bit for bit, and the same `Report.id`.
"""

import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from lucency.api.schemas import (
    AppliedThresholds,
    FoundBox,
    ImageClassification,
    ImageFacts,
    ModelFacts,
    ModelUsed,
    Report,
    Timings,
    WireBox,
    model_facts,
)
from lucency.classification.classifier import Classifier
from lucency.configs.bundle import Bundle, BundleManifest
from lucency.configs.errors import BundleError, ConfigError
from lucency.datasets.radiographs import Radiograph, decode_radiograph
from lucency.detection.detections import Detections
from lucency.detection.detector import MAX_DETECTIONS, Detector

DEFAULT_MAX_FINDINGS = 100


@dataclass(frozen=True)
class Analysis:
    """A decoded image and the answer for it."""

    radiograph: Radiograph
    report: Report


class Pipeline:
    """The loaded models; `analyze` may be called from several threads.

    Each model has one owner at a time: ONNX Runtime uses all cores for one image, so two images
    in one session would only slow each other down.

    Raises
    ------
    BundleError
        There is no bundle, two have one name, or ONNX Runtime refuses a model.

    """

    def __init__(self, bundles: Sequence[Bundle], *, threads: int = 0) -> None:
        _check_names(bundles)
        self._bundles = tuple(bundles)
        self._detectors: list[Detector] = []
        self._classifiers: list[Classifier] = []
        for bundle in bundles:
            if bundle.manifest.task == "detection":
                self._detectors.append(Detector(bundle, threads=threads))
            else:
                self._classifiers.append(Classifier(bundle, threads=threads))
        self._locks = {bundle.manifest.name: threading.Lock() for bundle in bundles}

    def model_facts(self) -> tuple[ModelFacts, ...]:
        """What the manifests of the loaded bundles say."""
        return tuple(model_facts(bundle) for bundle in self._bundles)

    def analyze(
        self,
        data: bytes,
        *,
        name: str,
        conf: float | None = None,
        operating_point: str | None = None,
        max_detections: int = DEFAULT_MAX_FINDINGS,
    ) -> Analysis:
        """Decode one image and run every model on it.

        ``name`` leads error messages. ``operating_point`` None means each bundle's default.
        ``conf`` replaces the thresholds of boxes for every class; verdicts on the whole image
        keep their operating point. ``max_detections`` is the largest number of findings of all
        detectors together, the best first.

        Raises
        ------
        ImageError
            The image cannot be decoded.
        ConfigError
            A model has no such operating point, or ``conf`` is not a probability.

        """
        start = time.perf_counter()
        took: dict[str, float] = {}
        applied = {
            bundle.manifest.name: _thresholds(bundle.manifest, conf, operating_point)
            for bundle in self._bundles
        }
        radiograph = decode_radiograph(data, name=name)
        decode_ms = _milliseconds_since(start)
        findings: list[FoundBox] = []
        for detector in self._detectors:
            model = detector.manifest.name
            with self._locks[model], _measured(took, model):
                findings += _find(detector, radiograph, applied[model])
        classifications: list[ImageClassification] = []
        for classifier in self._classifiers:
            model = classifier.manifest.name
            with self._locks[model], _measured(took, model):
                classifications.append(_classify(classifier, radiograph, applied[model]))
        findings.sort(key=lambda finding: -finding.score)  # stable: ties keep the models' order
        report = self._report(
            image=_image_facts(data, radiograph),
            findings=tuple(findings[:max_detections]),
            classifications=tuple(classifications),
            thresholds=tuple(applied.values()),
            max_detections=max_detections,
            timings_ms=Timings(decode=decode_ms, models=took, total=_milliseconds_since(start)),
        )
        return Analysis(radiograph, report)

    def _report(
        self,
        *,
        image: ImageFacts,
        findings: tuple[FoundBox, ...],
        classifications: tuple[ImageClassification, ...],
        thresholds: tuple[AppliedThresholds, ...],
        max_detections: int,
        timings_ms: Timings,
    ) -> Report:
        points = {applied.operating_point for applied in thresholds}
        digests = [bundle.digest for bundle in self._bundles]
        asked = [image.sha256, *digests, *(each.model_dump_json() for each in thresholds)]
        identity = hashlib.sha256("\n".join([*asked, str(max_detections)]).encode())
        return Report(
            id=identity.hexdigest()[:32],
            image=image,
            findings=findings,
            classifications=classifications,
            operating_point=points.pop() if len(points) == 1 else None,
            thresholds=thresholds,
            models=tuple(_model_used(bundle) for bundle in self._bundles),
            lucency_version=version("lucency"),
            timings_ms=timings_ms,
        )


def _check_names(bundles: Sequence[Bundle]) -> None:
    if not bundles:
        raise BundleError("at least one bundle is needed")
    seen: dict[str, Path] = {}
    for bundle in bundles:
        name = bundle.manifest.name
        if name in seen:
            raise BundleError(
                f"{bundle.path}: is named '{name}' as {seen[name]} is; "
                "findings could not be told apart, so load one of them"
            )
        seen[name] = bundle.path


def _thresholds(
    manifest: BundleManifest, conf: float | None, operating_point: str | None
) -> AppliedThresholds:
    """The thresholds of one model; a wrong operating point is refused even where unused."""
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


def _find(
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


def _classify(
    classifier: Classifier, radiograph: Radiograph, applied: AppliedThresholds
) -> ImageClassification:
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


def _image_facts(data: bytes, radiograph: Radiograph) -> ImageFacts:
    width, height = radiograph.size_wh
    digest = hashlib.sha256(data).hexdigest()
    return ImageFacts(width=width, height=height, sha256=digest, kind=radiograph.kind)


def _model_used(bundle: Bundle) -> ModelUsed:
    manifest = bundle.manifest
    return ModelUsed(
        name=manifest.name, task=manifest.task, digest=bundle.digest, created=manifest.created
    )


@contextmanager
def _measured(took: dict[str, float], step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    took[step] = _milliseconds_since(start)


def _milliseconds_since(start: float) -> float:
    return round((time.perf_counter() - start) * 1000, 2)

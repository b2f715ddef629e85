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
from importlib import resources
from importlib.metadata import version
from pathlib import Path

from lucency.api.answers import applied_thresholds, classification, found_boxes
from lucency.api.schemas import (
    AppliedThresholds,
    FoundBox,
    ImageClassification,
    ImageFacts,
    ModelFacts,
    ModelUsed,
    Report,
    Timings,
    model_facts,
)
from lucency.classification.classifier import Classifier
from lucency.configs.bundle import MANIFEST, Bundle, find_bundle, load_bundle
from lucency.configs.errors import BundleError
from lucency.datasets.radiographs import Radiograph, decode_radiograph
from lucency.datasets.sandbox import Sandbox
from lucency.detection.detector import Detector

MODEL_PACKAGES = ("lucency.detection", "lucency.classification")
DEFAULT_MAX_FINDINGS = 100


@dataclass(frozen=True)
class Analysis:
    """A decoded image and the answer for it."""

    radiograph: Radiograph
    report: Report


class Pipeline:
    """The loaded models; `analyze` may be called from several threads.

    Each model has one owner at a time: ONNX Runtime uses all cores for one image, so two images
    in one session would only slow each other down. With a ``sandbox``, which belongs to the caller,
    images are decoded in it; without one in this process, which is for one's own files.

    Raises
    ------
    BundleError
        There is no bundle, two have one name, or ONNX Runtime refuses a model.

    """

    def __init__(
        self, bundles: Sequence[Bundle], *, threads: int = 0, sandbox: Sandbox | None = None
    ) -> None:
        _check_names(bundles)
        self._decode = decode_radiograph if sandbox is None else sandbox.decode
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
        frame: int | None = None,
        conf: float | None = None,
        operating_point: str | None = None,
        max_detections: int = DEFAULT_MAX_FINDINGS,
    ) -> Analysis:
        """Decode one image and run every model on it.

        ``name`` leads error messages. ``frame`` counts from 1 and is needed where the image has
        several. ``operating_point`` None means each bundle's default.
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
            bundle.manifest.name: applied_thresholds(
                bundle.manifest, conf=conf, operating_point=operating_point
            )
            for bundle in self._bundles
        }
        radiograph = self._decode(data, name=name, frame=frame)
        decode_ms = _milliseconds_since(start)
        findings: list[FoundBox] = []
        for detector in self._detectors:
            model = detector.manifest.name
            with self._locks[model], _measured(took, model):
                findings += found_boxes(detector, radiograph, applied[model])
        classifications: list[ImageClassification] = []
        for classifier in self._classifiers:
            model = classifier.manifest.name
            with self._locks[model], _measured(took, model):
                classifications.append(classification(classifier, radiograph, applied[model]))
        findings.sort(key=lambda finding: -finding.score)  # stable: ties keep the models' order
        report = self._report(
            image=_image_facts(data, radiograph),
            findings=tuple(findings[:max_detections]),
            classifications=tuple(classifications),
            thresholds=tuple(applied.values()),
            max_detections=max_detections,
            frame=frame or 1,
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
        frame: int,
        timings_ms: Timings,
    ) -> Report:
        points = {applied.operating_point for applied in thresholds}
        digests = [bundle.digest for bundle in self._bundles]
        asked = [image.sha256, *digests, *(each.model_dump_json() for each in thresholds)]
        if frame > 1:  # naming the first frame changes nothing
            asked.append(f"frame {frame}")
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


def load_bundles(names: Sequence[str]) -> tuple[Bundle, ...]:
    """Find and verify bundles by folder or shipped name; all that are shipped if none is named.

    Raises
    ------
    BundleError
        A bundle is missing or altered, or there is none at all.

    """
    paths = [_find_bundle(name) for name in names] if names else shipped_bundles()
    if not paths:
        raise BundleError(
            "no bundle is shipped with this version; give one with --bundle FOLDER "
            "(`lucency export` makes them)"
        )
    return tuple(load_bundle(path) for path in paths)


def shipped_bundles() -> list[Path]:
    """The folders of the bundles that came with the package, detectors first."""
    return [
        manifest.parent
        for package in MODEL_PACKAGES
        for manifest in sorted(_shipped_folder(package).glob(f"*/{MANIFEST}"))
    ]


def _shipped_folder(package: str) -> Path:
    return Path(str(resources.files(package))) / "bundles"


def _find_bundle(name: str) -> Path:
    for package in MODEL_PACKAGES:
        try:
            return find_bundle(name, package=package)
        except BundleError:
            continue
    shipped = ", ".join(path.name for path in shipped_bundles())
    known = f"one of: {shipped}" if shipped else "none is shipped with this version"
    raise BundleError(f"{name}: no such bundle; give a bundle's folder or a name ({known})")


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

"""From the bytes of one image to a `Report`: the loaded models and what they are asked.

`serve` and `predict` both come through here, so they answer alike. The same bytes, bundles and
parameters give the same findings, bit for bit, and the same `Report.id`.
"""

import hashlib
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

from lucency.annotations.choices import KindAsked
from lucency.api.answers import applied_thresholds, classification, disagreements, found_boxes
from lucency.api.finders import make_finders
from lucency.api.loading import check_together
from lucency.api.routing import Chosen, choose, take_route
from lucency.api.schemas import (
    AppliedThresholds,
    Disagreement,
    FoundBox,
    ImageClassification,
    ImageFacts,
    ModelFacts,
    Report,
    RouteTaken,
    Timings,
    model_facts,
    model_used,
)
from lucency.classification.classifier import Classifier
from lucency.classification.router import route
from lucency.configs.bundle import Bundle
from lucency.configs.inference import InferenceOptions
from lucency.datasets.radiographs import Radiograph, decode_radiograph
from lucency.datasets.sandbox import Sandbox
from lucency.detection.detector import Detector

DEFAULT_MAX_FINDINGS = 100
# What of a manifest decides the answer, apart from thresholds and options.
_BEHAVIOUR = {
    *("class_names", "input_size", "display_digest", "calibration", "fusion"),
    *("exclusive", "role", "kinds"),
}


@dataclass(frozen=True)
class Analysis:
    """A decoded image and the answer for it."""

    radiograph: Radiograph
    report: Report


@dataclass(frozen=True)
class _Found:
    """What all detectors found, and where they contradict the classifiers."""

    boxes: tuple[FoundBox, ...]
    disagreements: tuple[Disagreement, ...]


class Pipeline:
    """The loaded models; `analyze` may be called from several threads.

    Each model has one owner at a time: ONNX Runtime uses all cores for one image, so two images
    in one session would only slow each other down. With a ``sandbox``, which belongs to the caller,
    images are decoded in it; without one in this process, which is for one's own files.
    ``options`` replace those that stand in the detectors' bundles; with ``ensemble`` all detectors
    answer as one. If one of the bundles is a router, models see those images alone that they are
    for.

    Raises
    ------
    BundleError
        There is no bundle, two have one name, a fused detector's classifier or the members of an
        ensemble are missing, or ONNX Runtime refuses a model.

    """

    def __init__(
        self,
        bundles: Sequence[Bundle],
        *,
        threads: int = 0,
        sandbox: Sandbox | None = None,
        options: InferenceOptions | None = None,
        ensemble: bool = False,
    ) -> None:
        check_together(bundles)
        self._decode = decode_radiograph if sandbox is None else sandbox.decode
        self._bundles = tuple(bundles)
        self._options = options
        self._ensemble = ensemble
        detectors: list[Detector] = []
        self._classifiers: list[Classifier] = []
        self._router: Classifier | None = None
        for bundle in bundles:
            if bundle.manifest.task == "detection":
                detectors.append(Detector(bundle, threads=threads))
            elif bundle.manifest.role == "router":
                self._router = Classifier(bundle, threads=threads)
            else:
                self._classifiers.append(Classifier(bundle, threads=threads))
        self._finders = make_finders(detectors, options=options, ensemble=ensemble)
        names = [one.name for one in self._finders]
        names += [bundle.manifest.name for bundle in bundles]
        self._locks = {name: threading.Lock() for name in names}

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
        kind: KindAsked = KindAsked.AUTO,
    ) -> Analysis:
        """Decode one image and run every model on it that is for its kind.

        ``name`` leads error messages. ``frame`` counts from 1 and is needed where the image has
        several. ``operating_point`` None means each bundle's default.
        ``conf`` replaces the thresholds of boxes for every class; verdicts on the whole image
        keep their operating point. ``max_detections`` is the largest number of findings of all
        detectors together, the best first. ``kind`` says what the image shows; ``auto`` asks the
        router, if there is one, and ``any`` runs all models.

        Raises
        ------
        ImageError
            The image cannot be decoded, the router takes it for neither chest nor bone, or no
            model is for its kind.
        ConfigError
            A model has no such operating point, or ``conf`` is not a probability.

        """
        start = time.perf_counter()
        took: dict[str, float] = {}
        applied = self._thresholds(conf=conf, operating_point=operating_point)
        radiograph = self._decode(data, name=name, frame=frame)
        decode_ms = _milliseconds_since(start)
        chosen = self._choose(radiograph, kind=kind, name=name, took=took)
        applied = {model: applied[model] for model in chosen.names}
        classifications = self._classify(radiograph, chosen, applied, took)
        found = self._find(radiograph, chosen, applied, classifications, took)
        image = _image_facts(data, radiograph)
        report = Report(
            id=self._identity(
                image,
                applied.values(),
                chosen.route,
                max_detections=max_detections,
                frame=frame or 1,
            ),
            image=image,
            route=chosen.route,
            findings=found.boxes[:max_detections],
            classifications=tuple(classifications.values()),
            disagreements=found.disagreements,
            operating_point=_common_point(applied.values()),
            thresholds=tuple(applied.values()),
            models=tuple(
                model_used(bundle, options=self._options, ensemble=self._ensemble)
                for bundle in chosen.used(self._bundles)
            ),
            left_out=chosen.left_out,
            lucency_version=version("lucency"),
            timings_ms=Timings(decode=decode_ms, models=took, total=_milliseconds_since(start)),
        )
        return Analysis(radiograph, report)

    def _thresholds(
        self, *, conf: float | None, operating_point: str | None
    ) -> dict[str, AppliedThresholds]:
        """The thresholds of each detector, or of their ensemble, and of each classifier."""
        manifests = {one.name: one.manifests for one in self._finders}
        manifests |= {one.manifest.name: (one.manifest,) for one in self._classifiers}
        return {
            model: applied_thresholds(
                of_model, model=model, conf=conf, operating_point=operating_point
            )
            for model, of_model in manifests.items()
        }

    def _choose(
        self, radiograph: Radiograph, *, kind: KindAsked, name: str, took: dict[str, float]
    ) -> Chosen:
        """The models that are for the image; raises `ImageError` if it is for none."""
        found, router = None, self._router
        if router is not None and kind is KindAsked.AUTO:
            model = router.manifest.name
            with self._locks[model], _measured(took, model):
                found = route(radiograph, router)
        taken = take_route(kind, found, name=name)
        return choose(self._finders, self._classifiers, taken, name=name)

    def _classify(
        self,
        radiograph: Radiograph,
        chosen: Chosen,
        applied: Mapping[str, AppliedThresholds],
        took: dict[str, float],
    ) -> dict[str, ImageClassification]:
        """What each classifier says, by its name."""
        answers: dict[str, ImageClassification] = {}
        for classifier in chosen.classifiers:
            model = classifier.manifest.name
            with self._locks[model], _measured(took, model):
                answers[model] = classification(classifier, radiograph, applied[model])
        return answers

    def _find(
        self,
        radiograph: Radiograph,
        chosen: Chosen,
        applied: Mapping[str, AppliedThresholds],
        classifications: Mapping[str, ImageClassification],
        took: dict[str, float],
    ) -> _Found:
        boxes: list[FoundBox] = []
        contradicted: list[Disagreement] = []
        partners = {
            one.bundle.digest: classifications[one.manifest.name] for one in chosen.classifiers
        }
        images = {digest: answer.probabilities for digest, answer in partners.items()}
        for finder in chosen.finders:
            thresholds = applied[finder.name]
            with self._locks[finder.name], _measured(took, finder.name):
                least = min(thresholds.thresholds.values())
                detections = finder.find(radiograph, least=least, images=images)
            found = list(found_boxes(detections, thresholds, size_wh=radiograph.size_wh))
            boxes += found
            if finder.fusion is not None:
                answer = partners[finder.fusion.classifier_sha256]
                contradicted += disagreements(finder, detections, found, answer)
        boxes.sort(key=lambda box: -box.score)  # stable: ties keep the models' order
        return _Found(tuple(boxes), tuple(contradicted))

    def _identity(
        self,
        image: ImageFacts,
        applied: Iterable[AppliedThresholds],
        route: RouteTaken | None,
        *,
        max_detections: int,
        frame: int,
    ) -> str:
        """A digest of all that decides the answer."""
        asked = [image.sha256]
        for bundle in self._bundles:
            manifest = bundle.manifest
            options = manifest.inference
            if manifest.task == "detection":  # naming a bundle's own changes nothing
                options = self._options or options
            asked += [
                bundle.digest,
                options.model_dump_json(),
                manifest.model_dump_json(include=_BEHAVIOUR),
            ]
        asked += [each.model_dump_json() for each in applied]
        if route is not None:
            asked.append(route.model_dump_json(include={"kind", "basis"}))
        if frame > 1:  # naming the first frame changes nothing
            asked.append(f"frame {frame}")
        return hashlib.sha256("\n".join([*asked, str(max_detections)]).encode()).hexdigest()[:32]


def _common_point(applied: Iterable[AppliedThresholds]) -> str | None:
    points = {each.operating_point for each in applied}
    return points.pop() if len(points) == 1 else None


def _image_facts(data: bytes, radiograph: Radiograph) -> ImageFacts:
    width, height = radiograph.size_wh
    digest = hashlib.sha256(data).hexdigest()
    return ImageFacts(width=width, height=height, sha256=digest, kind=radiograph.kind)


@contextmanager
def _measured(took: dict[str, float], step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    took[step] = _milliseconds_since(start)


def _milliseconds_since(start: float) -> float:
    return round((time.perf_counter() - start) * 1000, 2)

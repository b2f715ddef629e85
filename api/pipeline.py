"""From the bytes of one image to a `Report`: the loaded models and what they are asked.

`serve` and `predict` both come through here, so they answer alike. The same bytes, bundles and
parameters give the same findings, bit for bit, and the same `Report.id`, whatever else is going on.
"""

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

from lucency.api.asking import Asked
from lucency.api.examination import Examined, Models, examine
from lucency.api.finders import make_finders
from lucency.api.identity import models_identity, report_identity
from lucency.api.loading import check_together
from lucency.api.model_runs import ModelRuns, too_late
from lucency.api.model_schemas import ModelDetail, ModelFacts, model_facts, model_used
from lucency.api.model_sessions import ModelSessions
from lucency.api.routing import named
from lucency.api.schemas import AppliedThresholds, ImageFacts, Report, Timings
from lucency.api.stopwatch import Stopwatch
from lucency.api.thresholds import applied_thresholds, check_classes
from lucency.api.views import Views
from lucency.classification.classifier import Classifier
from lucency.classification.typical_images import read_typical
from lucency.configs.bundle import MODEL_CARD, Bundle
from lucency.configs.errors import BundleError, ConfigError
from lucency.configs.inference import InferenceOptions
from lucency.datasets.radiographs import Radiograph, decode_radiograph
from lucency.datasets.sandbox import Sandbox
from lucency.detection.detector import Detector

AS_THE_BUNDLES_SAY = Asked()


@dataclass(frozen=True)
class Analysis:
    """A decoded image and the answer for it."""

    radiograph: Radiograph
    report: Report


class Pipeline:
    """The loaded models; `analyze` may be called from several threads.

    With a ``sandbox``, which belongs to the caller, images are decoded in it; without one in this
    process, which is for one's own files. ``options`` replace those that stand in the detectors'
    bundles; with ``ensemble`` all detectors answer as one. If one of the bundles is a router,
    models see those images alone that they are for. ``cores``, ``batch_size`` and
    ``batch_window_ms`` are those of `ModelSessions`, which it owns; leave it by `close`.

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
        cores: int = 0,
        batch_size: int = 4,
        batch_window_ms: float = 0.0,
        sandbox: Sandbox | None = None,
        options: InferenceOptions | None = None,
        ensemble: bool = False,
    ) -> None:
        check_together(bundles)
        self.bundles = tuple(bundles)
        self._sandbox = sandbox
        self._options = options
        self._cards = {bundle.manifest.name: _card(bundle) for bundle in bundles}
        self._identity = models_identity(bundles, options)
        self._used = {
            bundle.manifest.name: model_used(bundle, options=options, ensemble=ensemble)
            for bundle in bundles
        }
        self._version = version("lucency")
        self._sessions = ModelSessions(
            bundles, cores=cores, batch_size=batch_size, batch_window_ms=batch_window_ms
        )
        try:
            self._models = self._open(ensemble)
        except BaseException:
            self._sessions.close()
            raise

    def model_facts(self) -> tuple[ModelFacts, ...]:
        """What the manifests of the loaded bundles say."""
        return tuple(model_facts(bundle) for bundle in self.bundles)

    def model_detail(self, name: str) -> ModelDetail:
        """All about one model; raises `ConfigError` if none is loaded by that name."""
        for bundle in self.bundles:
            if bundle.manifest.name == name:
                return ModelDetail(
                    facts=model_facts(bundle), manifest=bundle.manifest, card=self._cards[name]
                )
        known = ", ".join(bundle.manifest.name for bundle in self.bundles)
        raise ConfigError(f"model: there is none named {name!r:.60}; there are: {known}")

    def close(self) -> None:
        """Finish what is being analysed and close the sessions; then nothing can be any more."""
        self._sessions.close()

    def analyze(
        self,
        data: bytes,
        *,
        name: str,
        asked: Asked = AS_THE_BUNDLES_SAY,
        deadline: float | None = None,
    ) -> Analysis:
        """Decode one image and run every model on it that is asked and for its kind.

        ``name`` leads error messages. ``deadline`` is a value of `time.monotonic`.

        Raises
        ------
        ImageError
            The image cannot be decoded, the router takes it for neither chest nor bone, or no
            model is for its kind.
        ConfigError
            A model has no such operating point, there is no such model or class, or ``conf`` is
            not a probability.
        DeadlineError
            The answer would come too late.

        """
        watch = Stopwatch()
        finders, classifiers = named(self._models.finders, self._models.classifiers, asked.models)
        models = replace(self._models, finders=finders, classifiers=classifiers)
        applied = _thresholds(models, asked)
        radiograph = self._decoded(data, asked, watch, name=name, deadline=deadline)
        runs = ModelRuns(self._sessions, deadline=deadline, name=name)
        examined = examine(Views(radiograph), models, applied, asked=asked, runs=runs, name=name)
        image = _image_facts(data, radiograph, examined, frame=asked.frame or 1)
        return Analysis(radiograph, self._report(image, examined, asked, watch.timings(runs)))

    def _decoded(
        self, data: bytes, asked: Asked, watch: Stopwatch, *, name: str, deadline: float | None
    ) -> Radiograph:
        if deadline is not None and time.monotonic() >= deadline:
            raise too_late(name)
        watch.asked()
        if self._sandbox is None:
            radiograph = decode_radiograph(data, name=name, frame=asked.frame)
        else:
            try:
                radiograph = self._sandbox.decode(
                    data,
                    name=name,
                    frame=asked.frame,
                    deadline=deadline,
                    on_begin=watch.decoding,
                )
            except TimeoutError:
                raise too_late(name) from None
        watch.decoded()
        return radiograph

    def _open(self, ensemble: bool) -> Models:
        detectors: list[Detector] = []
        classifiers: list[Classifier] = []
        router: Classifier | None = None
        for bundle in self.bundles:
            session = self._sessions.session(bundle.manifest.name)
            if bundle.manifest.task == "detection":
                detectors.append(Detector(bundle, session=session))
            elif bundle.manifest.role == "router":
                router = Classifier(bundle, session=session)
            else:
                classifiers.append(Classifier(bundle, session=session))
        finders = make_finders(detectors, options=self._options, ensemble=ensemble)
        typical = {
            one.manifest.name: read_typical(one.bundle, maps=one.maps) for one in classifiers
        }
        return Models(
            finders,
            tuple(classifiers),
            router,
            {model: known for model, known in typical.items() if known is not None},
        )

    def _report(
        self, image: ImageFacts, examined: Examined, asked: Asked, timings: Timings
    ) -> Report:
        return Report(
            id=report_identity(
                image.sha256,
                self._identity,
                asked,
                route=examined.chosen.route,
                applied=examined.applied.values(),
            ),
            image=image,
            route=examined.chosen.route,
            findings=examined.boxes[: asked.max_detections],
            findings_left_out=max(0, len(examined.boxes) - asked.max_detections),
            classifications=examined.classifications,
            flags=examined.flags,
            heatmaps=examined.heatmaps,
            operating_point=_common_point(examined.applied.values()),
            thresholds=tuple(examined.applied.values()),
            models=tuple(
                self._used[bundle.manifest.name] for bundle in examined.chosen.used(self.bundles)
            ),
            left_out=examined.chosen.left_out,
            lucency_version=self._version,
            timings_ms=timings,
        )


def _thresholds(models: Models, asked: Asked) -> dict[str, AppliedThresholds]:
    """The thresholds of each detector, or of their ensemble, and of each classifier."""
    manifests = {one.name: one.manifests for one in models.finders}
    manifests |= {one.manifest.name: (one.manifest,) for one in models.classifiers}
    check_classes(
        asked.conf, [name for of_it in manifests.values() for name in of_it[0].class_names]
    )
    return {
        model: applied_thresholds(of_it, model=model, asked=asked)
        for model, of_it in manifests.items()
    }


def _card(bundle: Bundle) -> str:
    """The model card of now: the file may be another when somebody asks for it."""
    try:
        return (bundle.path / MODEL_CARD).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise BundleError(
            f"{bundle.path / MODEL_CARD}: cannot be read: {error.strerror}; copy or export the "
            "bundle again"
        ) from None


def _common_point(applied: Iterable[AppliedThresholds]) -> str | None:
    points = {each.operating_point for each in applied}
    return points.pop() if len(points) == 1 else None


def _image_facts(
    data: bytes, radiograph: Radiograph, examined: Examined, *, frame: int
) -> ImageFacts:
    width, height = radiograph.size_wh
    route = examined.chosen.route
    return ImageFacts(
        width=width,
        height=height,
        bits=radiograph.bits,
        sha256=hashlib.sha256(data).hexdigest(),
        kind=radiograph.kind,
        frame=frame,
        body_part=None if route is None else route.kind,
    )

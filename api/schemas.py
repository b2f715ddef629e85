"""The wire: what the service answers, apart from the core types; `predict` writes the same."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lucency.configs.bundle import RESEARCH_USE, Bundle, BundleManifest, RadiographKind
from lucency.configs.errors import ImageFault
from lucency.configs.fusion import FusionSpec
from lucency.configs.inference import InferenceOptions

EXAMPLE_MODEL = "fracture-yolo11n"
DisagreementKind = Literal["no-box", "box-without-image-finding"]


class Wire(BaseModel):
    """Base of every answer: frozen, nothing extra, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class WireBox(Wire):
    """Corners of a box: left, top, right, bottom."""

    x1: float
    y1: float
    x2: float
    y2: float


class ImageFacts(Wire):
    """The analysed image; ``width`` and ``height`` in pixels as stored."""

    width: int
    height: int
    sha256: str = Field(description="SHA-256 of the bytes that were sent")
    kind: str = Field(description="file format, such as dicom, png or jpeg")


class FoundBox(Wire):
    """One box that a detector found."""

    box: WireBox = Field(description="pixels of the stored image, origin at the top left")
    box_normalised: WireBox = Field(description="the same as fractions of width and height")
    label: str = Field(description="the class that it was found as")
    score: float = Field(description="the probability of that class")
    probabilities: Mapping[str, float] = Field(
        description="probability of every class; independent, so they need not add up to 1"
    )
    model: str


class ImageClassification(Wire):
    """What a classifier says of the whole image."""

    model: str
    probabilities: Mapping[str, float]
    thresholds: Mapping[str, float]
    verdicts: Mapping[str, bool] = Field(description="probability at or above the threshold")


class Disagreement(Wire):
    """A detector whose scores are fused with a classifier, and that classifier, disagree.

    ``no-box``: the classifier is sure of a finding, and no box reaches its threshold.
    ``box-without-image-finding``: a box does, and the classifier is sure that there is nothing.
    """

    kind: DisagreementKind
    detector: str
    classifier: str
    label: str = Field(description="which of the classifier's labels")
    image_probability: float = Field(description="that of the whole image")
    best_box_score: float | None = Field(
        description="of all boxes, below their threshold too; null where there are none"
    )


class RouteTaken(Wire):
    """What kind of radiograph it was taken for; models for other kinds were left out."""

    kind: RadiographKind
    basis: Literal["tags", "pixels", "colour", "asked"] = Field(
        description="the DICOM attributes, the router's network, or the parameter `kind`"
    )
    probability: float | None = Field(
        description="what the network gives to that kind; null where `kind` was asked for"
    )
    contradicted: bool = Field(
        description="the attributes say this kind, and the network is sure of another"
    )


class LeftOut(Wire):
    """A model that did not see the image, because it is for other kinds of radiograph."""

    model: str
    kinds: tuple[RadiographKind, ...]


class AppliedThresholds(Wire):
    """The thresholds of one model for this image, one for each class."""

    model: str
    operating_point: str | None = Field(description="null where `conf` was given instead")
    thresholds: Mapping[str, float]


class ModelUsed(Wire):
    """Which weights gave the answer; ``digest`` is the SHA-256 of the model file."""

    name: str
    task: str
    digest: str
    created: str
    calibrated: bool = Field(
        description="scores are probabilities, fitted to validation data; else only an order, as "
        "they are of an ensemble and where `inference` is not the bundle's own"
    )
    inference: InferenceOptions | None = Field(
        description="how often a detector looked, and at which scales; null for a classifier"
    )
    licence: str
    commercial_use: bool = Field(description="whether the licence of its data allows it")
    intended_use: str = Field(description="of whom, and for what; it knows nothing of others")


class Timings(Wire):
    """Milliseconds: decoding, each model by name, and all together."""

    decode: float
    models: Mapping[str, float]
    total: float


class Report(Wire):
    """The answer for one image: boxes, class probabilities and the thresholds applied."""

    id: str = Field(description="the same for the same image, models and parameters")
    image: ImageFacts
    route: RouteTaken | None = Field(
        description="null where every model saw the image: no router is loaded, or `kind` is any"
    )
    findings: tuple[FoundBox, ...] = Field(description="best first")
    classifications: tuple[ImageClassification, ...]
    disagreements: tuple[Disagreement, ...] = Field(
        description="of detectors with the classifiers that their scores are fused with"
    )
    operating_point: str | None = Field(
        description="applied by every model; null where they differ, see `thresholds`"
    )
    thresholds: tuple[AppliedThresholds, ...]
    models: tuple[ModelUsed, ...]
    left_out: tuple[LeftOut, ...] = Field(description="models for other kinds of radiograph")
    lucency_version: str
    timings_ms: Timings
    notice: str = RESEARCH_USE


class ModelFacts(Wire):
    """What the manifest of a loaded bundle says."""

    name: str
    task: str
    role: str = Field(description="findings, or router: tells what kind of radiograph it is")
    kinds: tuple[RadiographKind, ...] = Field(
        description="the radiographs that it is for: chest, bone; none: any"
    )
    architecture: str
    digest: str = Field(description="SHA-256 of the model file")
    created: str
    class_names: tuple[str, ...]
    exclusive: bool = Field(description="its classes exclude each other and add up to 1")
    input_size: int = Field(description="side of the square input in pixels")
    precision: str = Field(description="of the weights: fp32, fp16 or int8")
    calibrated: bool = Field(
        description="scores are probabilities, fitted to validation data; else only an order"
    )
    inference: InferenceOptions = Field(
        description="what a detector's thresholds were chosen with; `models` of an answer says "
        "what it was run with"
    )
    fusion: FusionSpec | None = Field(description="with which classifier scores are fused")
    operating_points: Mapping[str, Mapping[str, float]]
    default_operating_point: str
    metrics: Mapping[str, float]
    metric_intervals: Mapping[str, tuple[float, float]] = Field(
        description="95% intervals of those metrics that have one"
    )
    metrics_split: str
    training_data: Mapping[str, str]
    licence: str
    commercial_use: bool = Field(description="whether the licence of its data allows it")
    intended_use: str


class ModelList(Wire):
    """The loaded models."""

    models: tuple[ModelFacts, ...]


class Health(Wire):
    """Whether the process lives, or is ready for images."""

    status: str


class ErrorBody(Wire):
    """A stable code for programs and one sentence for people."""

    code: str
    message: str
    fault: ImageFault | None = Field(
        default=None,
        description="only of an image that is refused: why, in one stable word",
    )


class ErrorAnswer(Wire):
    """What every refused request is answered with."""

    error: ErrorBody


def model_facts(bundle: Bundle) -> ModelFacts:
    """The facts of a bundle that clients may need."""
    shared = ModelFacts.model_fields.keys() - {"digest", "calibrated"}
    facts = {name: getattr(bundle.manifest, name) for name in shared}
    return ModelFacts(digest=bundle.digest, calibrated=is_calibrated(bundle.manifest), **facts)


def model_used(
    bundle: Bundle, *, options: InferenceOptions | None, ensemble: bool = False
) -> ModelUsed:
    """Which weights gave an answer, and how; ``options`` None means the bundle's own.

    Looking otherwise, or averaging with other models, changes scores, so what was fitted to those
    of the bundle alone tells nothing of them.
    """
    manifest = bundle.manifest
    as_fitted = options in (None, manifest.inference) and not ensemble
    return ModelUsed(
        name=manifest.name,
        task=manifest.task,
        digest=bundle.digest,
        created=manifest.created,
        calibrated=is_calibrated(manifest) and (as_fitted or manifest.task != "detection"),
        inference=(options or manifest.inference) if manifest.task == "detection" else None,
        licence=manifest.licence,
        commercial_use=manifest.commercial_use,
        intended_use=manifest.intended_use,
    )


def is_calibrated(manifest: BundleManifest) -> bool:
    """Whether scores were fitted to be probabilities: fusion is such a fit, too."""
    return bool(manifest.calibration) or manifest.fusion is not None


def error_answer(
    code: str, message: str, *, fault: ImageFault | None = None
) -> Mapping[str, Mapping[str, str]]:
    """An `ErrorAnswer` as JSON: the one form that all errors have."""
    body = ErrorBody(code=code, message=" ".join(message.split()), fault=fault)
    return ErrorAnswer(error=body).model_dump(mode="json", exclude_none=True)


def image_error_code(fault: ImageFault) -> str:
    """The stable code of an image that is refused: by the router, or because it is unreadable."""
    routed = fault in (ImageFault.NO_RADIOGRAPH, ImageFault.NO_MODEL)
    return "unsuitable_image" if routed else "unreadable_image"


def example_report() -> Report:
    """An answer as the interface's description shows it."""
    box = WireBox(x1=212.4, y1=388.1, x2=301.9, y2=455.0)
    thresholds = {"fracture": 0.31}
    return Report(
        id="5b1f0c7d9a3e4f62",
        image=ImageFacts(width=1024, height=1280, sha256="9f86d081884c7d65…", kind="dicom"),
        route=RouteTaken(kind="bone", basis="tags", probability=0.998, contradicted=False),
        findings=(
            FoundBox(
                box=box,
                box_normalised=WireBox(x1=0.2074, y1=0.3032, x2=0.2948, y2=0.3555),
                label="fracture",
                score=0.87,
                probabilities={"fracture": 0.87},
                model=EXAMPLE_MODEL,
            ),
        ),
        classifications=(),
        disagreements=(),
        operating_point="balanced",
        thresholds=(
            AppliedThresholds(
                model=EXAMPLE_MODEL, operating_point="balanced", thresholds=thresholds
            ),
        ),
        models=(
            ModelUsed(
                name=EXAMPLE_MODEL,
                task="detection",
                digest="2c26b46b68ffc68f…",
                created="2025-01-31T12:00:00Z",
                calibrated=True,
                inference=InferenceOptions(),
                licence="AGPL-3.0-or-later",
                commercial_use=True,
                intended_use="Research on finding fractures in radiographs of the limbs.",
            ),
        ),
        left_out=(LeftOut(model="chest-lesion", kinds=("chest",)),),
        lucency_version="0.1.0",
        timings_ms=Timings(decode=12.1, models={EXAMPLE_MODEL: 48.0}, total=61.3),
    )

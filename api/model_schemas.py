"""The wire: what the service tells of its loaded models."""

from collections.abc import Mapping

from pydantic import Field

from lucency.api.schemas import ModelUsed, Wire
from lucency.configs.bundle import Bundle, BundleManifest, RadiographKind
from lucency.configs.fusion import FusionSpec
from lucency.configs.inference import InferenceOptions


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


class ModelDetail(Wire):
    """One loaded model: its facts, its whole manifest, and its card."""

    facts: ModelFacts
    manifest: BundleManifest
    card: str = Field(description="MODEL_CARD.md: Markdown")


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

"""The wire: what the service answers for an image; `predict` writes the same.

Core types stay apart: a change within does not change what applications read.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lucency.configs.bundle import RESEARCH_USE, RadiographKind
from lucency.configs.inference import InferenceOptions

Tier = Literal["sure", "doubtful"]
FlagKind = Literal[
    "no-box", "box-without-image-finding", "kind-contradicted", "out-of-distribution"
]


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
    bits: int = Field(description="of a stored value, such as 8, 12 or 16")
    sha256: str = Field(description="SHA-256 of the bytes that were sent")
    kind: str = Field(description="file format: dicom, png, jpeg or tiff")
    frame: int = Field(default=1, description="of a DICOM file, or page of a TIFF, from 1")
    body_part: RadiographKind | None = Field(
        description="as routed, see `route`; null where nobody told"
    )


class FoundBox(Wire):
    """One box that a detector found."""

    box: WireBox = Field(description="pixels of the stored image, origin at the top left")
    box_normalised: WireBox = Field(description="the same as fractions of width and height")
    label: str = Field(description="the class that it was found as")
    score: float = Field(description="the probability of that class")
    probabilities: Mapping[str, float] = Field(
        description="probability of every class, calibrated where the model is (see `models`); "
        "independent, so they need not add up to 1"
    )
    raw_probabilities: Mapping[str, float] | None = Field(
        description="the network's own, before calibration and fusion; null of an ensemble"
    )
    threshold: float = Field(description="that of the class, which the score reaches")
    tier: Tier = Field(
        description="sure: the score reaches the threshold of the class at the model's operating "
        "point 'specific'; else doubtful"
    )
    model: str


class ImageClassification(Wire):
    """What a classifier says of the whole image."""

    model: str
    probabilities: Mapping[str, float] = Field(description="calibrated where the model is")
    raw_probabilities: Mapping[str, float] = Field(description="the network's own")
    thresholds: Mapping[str, float]
    verdicts: Mapping[str, bool] = Field(
        description="probability at or above the threshold; of classes that exclude each other "
        "only the likeliest can be true"
    )


class Flag(Wire):
    """A reason to look twice at the answer.

    ``no-box``: the classifier that a detector is fused with is sure of a finding, and no box
    reaches its threshold. ``box-without-image-finding``: a box does, and the classifier is sure
    that there is nothing. ``kind-contradicted``: the DICOM attributes say one kind of radiograph
    and the router's network is sure of another. ``out-of-distribution``: the image is unlike what
    the model has learnt from, so its figures do not tell how good it is here.
    """

    kind: FlagKind
    message: str = Field(description="one sentence")
    models: tuple[str, ...] = Field(description="whose answers are in doubt")
    label: str | None = None
    figures: Mapping[str, float] = Field(
        default={}, description="what it was told by, such as image_probability and best_box_score"
    )


class HeatMap(Wire):
    """What of the image speaks for a label, by Grad-CAM; no finer than the last feature map.

    It shows what the model reacts to, not whether it is right.
    """

    model: str
    label: str
    png: str = Field(
        description="8-bit grey PNG in base64, 255 the hottest place; lies over the whole stored "
        "image, whatever its own size"
    )
    any_heat: bool = Field(description="false: nothing in the image speaks for the label")


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
    operating_point: str | None = Field(
        description="null where `conf` replaced a threshold of this model"
    )
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
    """Milliseconds: ``own`` is what neither decoding nor a model's network took, nor waiting."""

    wait: float = Field(description="for a free process to decode in, and for the models")
    decode: float
    models: Mapping[str, float] = Field(description="the network of each model")
    own: float = Field(description="display, boxes, thresholds and the answer")
    total: float


class Report(Wire):
    """The answer for one image: boxes, class probabilities and the thresholds applied."""

    id: str = Field(description="the same for the same image, models and parameters")
    image: ImageFacts
    route: RouteTaken | None = Field(
        description="null where every model saw the image: no router is loaded, or `kind` is any"
    )
    findings: tuple[FoundBox, ...] = Field(description="best first")
    findings_left_out: int = Field(
        default=0, description="how many more reach their threshold, above `max_detections`"
    )
    classifications: tuple[ImageClassification, ...]
    flags: tuple[Flag, ...] = Field(description="reasons to look twice")
    heatmaps: tuple[HeatMap, ...] | None = Field(
        description="of each label of each classifier; null where `heatmap` was not asked for"
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

"""What the interface's description shows: whole answers, and the forms that are sent."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from lucency.api.batch_schemas import AnalyzedImage, BatchAnswer, RefusedImage
from lucency.api.error_schemas import ErrorBody
from lucency.api.feedback_schemas import Feedback, FeedbackBox, FeedbackImage
from lucency.api.schemas import (
    AppliedThresholds,
    Flag,
    FoundBox,
    ImageClassification,
    ImageFacts,
    LeftOut,
    ModelUsed,
    Report,
    RouteTaken,
    Timings,
    Wire,
    WireBox,
)
from lucency.configs.errors import ImageFault
from lucency.configs.inference import InferenceOptions

_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_DIGEST = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
_ID = "f118cf762486fa1f578f8c964f563117"
_DETECTOR = "fracture"
_CLASSIFIER = "fracture-net"
_BOX = WireBox(x1=212.4, y1=388.1, x2=301.9, y2=455.0)


def _used(name: str, task: str, *, inference: InferenceOptions | None) -> ModelUsed:
    return ModelUsed(
        name=name,
        task=task,
        digest=_DIGEST,
        created="2025-01-31",
        calibrated=True,
        inference=inference,
        licence="AGPL-3.0-or-later",
        commercial_use=True,
        intended_use="Research on finding fractures in radiographs of the limbs.",
    )


EXAMPLE_REPORT = Report(
    id=_ID,
    image=ImageFacts(
        width=1024, height=1280, bits=12, sha256=_SHA256, kind="dicom", body_part="bone"
    ),
    route=RouteTaken(kind="bone", basis="tags", probability=0.998, contradicted=False),
    findings=(
        FoundBox(
            box=_BOX,
            box_normalised=WireBox(x1=0.2074, y1=0.3032, x2=0.2948, y2=0.3555),
            label="fracture",
            score=0.62,
            probabilities={"fracture": 0.62},
            raw_probabilities={"fracture": 0.48},
            threshold=0.31,
            tier="doubtful",
            model=_DETECTOR,
        ),
    ),
    classifications=(
        ImageClassification(
            model=_CLASSIFIER,
            probabilities={"fracture": 0.12},
            raw_probabilities={"fracture": 0.2},
            thresholds={"fracture": 0.42},
            verdicts={"fracture": False},
        ),
    ),
    flags=(
        Flag(
            kind="out-of-distribution",
            message="The image is unlike those that 'fracture-net' has learnt from, so that its "
            "figures do not tell how good it is here.",
            models=(_CLASSIFIER,),
            figures={"distance": 31.4, "limit": 24.0},
        ),
    ),
    heatmaps=None,
    operating_point="balanced",
    thresholds=(
        AppliedThresholds(
            model=_DETECTOR, operating_point="balanced", thresholds={"fracture": 0.31}
        ),
        AppliedThresholds(
            model=_CLASSIFIER, operating_point="balanced", thresholds={"fracture": 0.42}
        ),
    ),
    models=(
        _used(_DETECTOR, "detection", inference=InferenceOptions()),
        _used(_CLASSIFIER, "classification", inference=None),
    ),
    left_out=(LeftOut(model="tb", kinds=("chest",)),),
    lucency_version="0.1.0",
    timings_ms=Timings(
        wait=0.4, decode=12.1, models={_DETECTOR: 48.0, _CLASSIFIER: 39.5}, own=3.2, total=103.2
    ),
)
EXAMPLE_BATCH = BatchAnswer(
    results=(
        AnalyzedImage(index=0, report=EXAMPLE_REPORT),
        RefusedImage(
            index=1,
            error=ErrorBody(
                code="unreadable_image",
                message="image: is truncated: it ends before its picture does; export or copy it "
                "again",
                fault=ImageFault.TRUNCATED,
            ),
        ),
    )
)
# By operation. FastAPI leaves what is null out of examples, so `openapi` puts these in.
WHOLE_ANSWERS: Mapping[str, Wire] = MappingProxyType(
    {"analyze": EXAMPLE_REPORT, "analyze_batch": EXAMPLE_BATCH}
)
EXAMPLE_FEEDBACK = Feedback(
    report_id=_ID,
    image=FeedbackImage(sha256=_SHA256, width=1024, height=1280, kind="dicom"),
    boxes=(
        FeedbackBox(
            action="accept", label="fracture", box=_BOX, finding=0, model=_DETECTOR, score=0.62
        ),
        FeedbackBox(
            action="add", label="fracture", box=WireBox(x1=520.0, y1=610.5, x2=588.0, y2=660.0)
        ),
    ),
)


def answer_of(
    example: Wire, *, status: int = 200, description: str = "The answer."
) -> dict[int | str, dict[str, Any]]:
    """The success of a route, with an example without nulls."""
    content = {"application/json": {"example": example.model_dump(mode="json")}}
    return {status: {"description": description, "content": content}}


def one_file(description: str) -> dict[str, Any]:
    """The multipart form of a route that takes one file."""
    return form(file={"type": "string", "format": "binary", "description": description})


def several_files(description: str) -> dict[str, Any]:
    """The multipart form of a route that takes several files of one name."""
    each = {"type": "string", "format": "binary"}
    return form(file={"type": "array", "items": each, "minItems": 1, "description": description})


def form(*, optional: tuple[str, ...] = (), **fields: dict[str, Any]) -> dict[str, Any]:
    """A multipart form, which the routes read themselves; see `lucency.api.uploads`."""
    schema = {
        "type": "object",
        "properties": fields,
        "required": [name for name in fields if name not in optional],
        "additionalProperties": False,
    }
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }

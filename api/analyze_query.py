"""The query of `/v1/analyze` and `/v1/analyze/batch`."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from lucency.annotations.choices import KindAsked
from lucency.api.asking import DEFAULT_MAX_FINDINGS, Asked, parse_conf
from lucency.api.refusals import refusal_of
from lucency.configs.errors import ConfigError
from lucency.detection.detector import MAX_DETECTIONS

# NumberOfFrames is an integer string of DICOM: at most 2^31 - 1 (PS3.5 section 6.2).
MAX_FRAME = 2**31 - 1
# So many models or classes are never loaded at once.
MOST_VALUES = 100
Text = Annotated[str, StringConstraints(max_length=2000)]
FRAME = Field(
    default=None,
    ge=1,
    le=MAX_FRAME,
    description="Frame of a DICOM file or page of a TIFF, from 1; needed where there are several.",
    examples=[1],
)


class AnalyzeQuery(BaseModel):
    """Query parameters of an analysis; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")

    operating_point: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Named thresholds of the models: screening, balanced or specific; each model's "
        "own default if missing.",
        examples=["balanced"],
    )
    conf: list[Text] = Field(
        default=[],
        max_length=MOST_VALUES,
        description="Thresholds in place of the operating point's, each 0 to 1: one number, for "
        "boxes of every class, or `class=number` for boxes and verdicts of that class. Several "
        "are separated by commas, or given as several `conf`.",
        examples=[["0.4"], ["fracture=0.4", "tb=0.3"]],
    )
    models: list[Text] = Field(
        default=[],
        max_length=MOST_VALUES,
        description="Names of the models to ask, separated by commas or as several `models`; all "
        "that are for the image if missing. A router is asked in any case.",
        examples=[["fracture"]],
    )
    heatmap: bool = Field(
        default=False,
        description="Whether the answer holds heat maps of the classifiers; they take as long as "
        "their networks.",
        examples=[True],
    )
    max_detections: int = Field(
        default=DEFAULT_MAX_FINDINGS,
        ge=1,
        le=MAX_DETECTIONS,
        description="Largest number of findings of all detectors together, the best first.",
        examples=[20],
    )
    frame: int | None = FRAME
    kind: KindAsked = Field(
        default=KindAsked.AUTO,
        description="What the image shows: chest or bone runs the models for that; any runs all of "
        "them; auto asks the router, if one is loaded, which refuses what is neither.",
        examples=["bone"],
    )


Asking = Annotated[AnalyzeQuery, Query()]


def asked_by(query: AnalyzeQuery) -> Asked:
    """What a query asks for; raises `Refusal` where `conf` cannot be understood."""
    try:
        conf = parse_conf(query.conf)
    except ConfigError as error:
        raise refusal_of(error) from None
    names = tuple(
        name.strip() for value in query.models for name in value.split(",") if name.strip()
    )
    return Asked(
        operating_point=query.operating_point,
        conf=conf,
        models=names or None,
        heatmap=query.heatmap,
        max_detections=query.max_detections,
        frame=query.frame,
        kind=query.kind,
    )

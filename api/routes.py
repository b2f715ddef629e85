"""The HTTP routes: thin, one function each."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Query, Request, UploadFile
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from lucency.annotations.choices import KindAsked
from lucency.api.limits import Refusal
from lucency.api.pipeline import DEFAULT_MAX_FINDINGS, Pipeline
from lucency.api.schemas import (
    ErrorAnswer,
    Health,
    ModelList,
    Report,
    error_answer,
    example_report,
    image_error_code,
)
from lucency.configs.errors import ConfigError, ImageError, ImageFault
from lucency.datasets.radiographs import image_kind
from lucency.detection.detector import MAX_DETECTIONS

# The page is one file with its script and style inside; it talks to this service alone.
PAGE_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# NumberOfFrames is an integer string of DICOM: at most 2^31 - 1 (PS3.5 section 6.2).
MAX_FRAME = 2**31 - 1
router = APIRouter()


@dataclass
class Service:
    """What the routes share: the loaded models, None until they are, and the analysis threads."""

    threads: ThreadPoolExecutor
    pipeline: Pipeline | None = None


class AnalyzeQuery(BaseModel):
    """Query parameters of an analysis; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    conf: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="Threshold of boxes for every class; replaces the operating point.",
    )
    operating_point: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Named thresholds: screening, balanced or specific; "
        "each model's own default if missing.",
        examples=["balanced"],
    )
    frame: int | None = Field(
        default=None,
        ge=1,
        le=MAX_FRAME,
        description="Frame of a DICOM file or page of a TIFF, from 1; "
        "needed where there are several.",
    )
    max_detections: int = Field(
        default=DEFAULT_MAX_FINDINGS,
        ge=1,
        le=MAX_DETECTIONS,
        description="Largest number of findings, the best first.",
    )
    kind: KindAsked = Field(
        default=KindAsked.AUTO,
        description="What the image shows: chest or bone runs the models for that; any runs all of "
        "them; auto asks the router, if one is loaded, which refuses what is neither.",
    )


def _documented(
    description: str, code: str, message: str, fault: ImageFault | None = None
) -> dict[str, Any]:
    example = error_answer(code, message, fault=fault)
    content = {"application/json": {"example": example}}
    return {"model": ErrorAnswer, "description": description, "content": content}


NOT_READY = _documented("The models are still being loaded.", "not_ready", "Try again.")
REFUSALS: dict[int | str, dict[str, Any]] = {
    400: _documented("The file is empty.", "empty_file", "The file has no bytes."),
    413: _documented("The request is too large.", "too_large", "The request is larger than …"),
    415: _documented(
        "The file is no image.",
        "not_an_image",
        "The file is not a PNG, JPEG, TIFF or DICOM image.",
        ImageFault.UNKNOWN_FORMAT,
    ),
    422: _documented(
        "The image cannot be decoded or is no radiograph that a model is for, or a field or "
        "parameter is wrong.",
        "unreadable_image",
        "image: is truncated: it ends before its picture does; export or copy it again",
        ImageFault.TRUNCATED,
    ),
    503: NOT_READY,
}


def _example() -> dict[str, Any]:
    return {"content": {"application/json": {"example": example_report().model_dump()}}}


def service_of(request: Request) -> Service:
    """The state that the application's lifespan made."""
    service = request.app.state.service
    if not isinstance(service, Service):
        raise TypeError("the application's lifespan has not started")
    return service


def loaded_pipeline(service: Annotated[Service, Depends(service_of)]) -> Pipeline:
    """The loaded models; refuses the request until there are any."""
    if service.pipeline is None:
        raise Refusal(
            503,
            code="not_ready",
            message="The models are still being loaded; try again in a few seconds.",
            headers={"Retry-After": "2"},
        )
    return service.pipeline


@router.post(
    "/v1/analyze",
    summary="Find and localise anomalies in one radiograph",
    response_model=Report,
    responses=REFUSALS | {200: _example()},
)
async def analyze(
    request: Request,
    file: Annotated[UploadFile, File(description="The image: PNG, JPEG, TIFF or DICOM.")],
    query: Annotated[AnalyzeQuery, Query()],
    pipeline: Annotated[Pipeline, Depends(loaded_pipeline)],
    service: Annotated[Service, Depends(service_of)],
) -> Report:
    """Answer with boxes, the class probabilities of each, and what classifiers say of the image.

    For research use only; not for diagnosis.
    """
    form = await request.form()
    if len(form.getlist("file")) > 1:
        raise Refusal(422, code="invalid_request", message="file: send one image a request.")
    data = await file.read()
    if not data:
        raise Refusal(400, code="empty_file", message="The file has no bytes.")
    if image_kind(data) is None:
        raise Refusal(
            415,
            code="not_an_image",
            message="The file is not a PNG, JPEG, TIFF or DICOM image.",
            fault=ImageFault.UNKNOWN_FORMAT,
        )
    # The name of the file may be that of a patient: it goes nowhere.
    task = partial(pipeline.analyze, data, name="image", **query.model_dump())
    try:
        analysis = await asyncio.get_running_loop().run_in_executor(service.threads, task)
    except ImageError as error:
        code = image_error_code(error.fault)
        raise Refusal(422, code=code, message=str(error), fault=error.fault) from None
    except ConfigError as error:
        raise Refusal(422, code="unknown_operating_point", message=str(error)) from None
    return analysis.report


@router.get("/v1/models", summary="The loaded models", responses={503: NOT_READY})
async def models(pipeline: Annotated[Pipeline, Depends(loaded_pipeline)]) -> ModelList:
    """Answer with the facts of every loaded bundle's manifest."""
    return ModelList(models=pipeline.model_facts())


@router.get("/healthz", summary="Whether the process lives")
async def healthz() -> Health:
    """Answer as long as the process can."""
    return Health(status="alive")


@router.get("/readyz", summary="Whether images can be sent", responses={503: NOT_READY})
async def readyz(pipeline: Annotated[Pipeline, Depends(loaded_pipeline)]) -> Health:
    """Answer 200 once the models are loaded."""
    return Health(status="ready")


@router.get("/", include_in_schema=False)
async def page() -> HTMLResponse:
    """Answer with a page on which to try an image."""
    text = (resources.files("lucency.api") / "static" / "index.html").read_text(encoding="utf-8")
    return HTMLResponse(text, headers={"Content-Security-Policy": PAGE_POLICY})

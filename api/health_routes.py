"""Whether the process lives and is ready, and its metrics."""

from typing import Literal

from fastapi import APIRouter, Request, Response

from lucency.api.error_examples import documented
from lucency.api.examples import answer_of
from lucency.api.refusals import not_ready
from lucency.api.schemas import Wire
from lucency.api.service import service_of

router = APIRouter(tags=["health"])


class Health(Wire):
    """Whether the process lives, or is ready for images."""

    status: Literal["alive", "ready"]


class Live(Wire):
    """The Open Inference Protocol's word for it."""

    live: Literal[True]


class Ready(Wire):
    """The Open Inference Protocol's word for it."""

    ready: Literal[True]


def check_ready(request: Request) -> None:
    """Refuse while there are no models, or once the process is told to end; raises `Refusal`."""
    service = service_of(request)
    if service.draining or not service.models.ready:
        raise not_ready()


def as_json(answer: Wire) -> Response:
    """An answer with this body."""
    return Response(answer.model_dump_json(), media_type="application/json")


@router.get(
    "/healthz",
    operation_id="healthz",
    summary="Whether the process lives",
    response_model=Health,
    responses=documented(key=False) | answer_of(Health(status="alive")),
)
async def healthz() -> Response:
    """Answer as long as the process can."""
    return as_json(Health(status="alive"))


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Whether images can be sent",
    response_model=Health,
    responses=documented("not_ready", key=False) | answer_of(Health(status="ready")),
)
async def readyz(request: Request) -> Response:
    """Answer 200 once the models are loaded, and 503 again from the moment of SIGTERM."""
    check_ready(request)
    return as_json(Health(status="ready"))


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses=documented()
    | {
        200: {
            "description": "Prometheus' text format 0.0.4.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def metrics(request: Request) -> Response:
    """Answer with counts and durations; nothing in them names an image or a patient."""
    text, media_type = service_of(request).metrics.render()
    return Response(text, headers={"Content-Type": media_type})


@router.get(
    "/v2/health/live",
    operation_id="v2_live",
    summary="Whether the process lives (Open Inference Protocol)",
    response_model=Live,
    responses=documented(key=False) | answer_of(Live(live=True)),
    tags=["open inference protocol"],
)
async def v2_live() -> Response:
    """Answer as long as the process can."""
    return as_json(Live(live=True))


@router.get(
    "/v2/health/ready",
    operation_id="v2_ready",
    summary="Whether images can be sent (Open Inference Protocol)",
    response_model=Ready,
    responses=documented("not_ready", key=False) | answer_of(Ready(ready=True)),
    tags=["open inference protocol"],
)
async def v2_ready(request: Request) -> Response:
    """Answer as `/readyz` does."""
    check_ready(request)
    return as_json(Ready(ready=True))

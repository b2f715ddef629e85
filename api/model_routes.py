"""The loaded models: `/v1/models`, and the Open Inference Protocol's metadata under `/v2`.

`/v2/models/{name}/infer` is not offered: it would take tensors, and a network sees none but those
that the display function has made.
"""

from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from lucency.api.error_examples import documented
from lucency.api.examples import answer_of
from lucency.api.health_routes import as_json, check_ready
from lucency.api.limits import Refusal
from lucency.api.model_schemas import ModelDetail, ModelList
from lucency.api.protocol_schemas import (
    ModelReady,
    ProtocolModel,
    ServerMetadata,
    protocol_model,
)
from lucency.api.refusals import refusal_of
from lucency.api.service import service_of
from lucency.configs.bundle import Bundle
from lucency.configs.errors import ConfigError, LucencyError

PROTOCOL = "open inference protocol"
Name = Annotated[
    str,
    Path(description="Name of a loaded model, as `/v1/models` tells it.", examples=["fracture"]),
]
router = APIRouter(tags=["models"])


@router.get(
    "/v1/models",
    operation_id="models",
    summary="The loaded models",
    response_model=ModelList,
    responses=documented("not_ready"),
)
async def models(request: Request) -> Response:
    """Answer with the facts of every loaded bundle's manifest: classes, figures, licence, digest.

    For research use only. Not a medical device; not for diagnosis.
    """
    try:
        with service_of(request).models.use() as pipeline:
            return as_json(ModelList(models=pipeline.model_facts()))
    except LucencyError as error:
        raise refusal_of(error) from None


@router.get(
    "/v1/models/{name}",
    operation_id="model",
    summary="One model: its whole manifest and its card",
    response_model=ModelDetail,
    responses=documented("no_such_model", "not_ready"),
)
async def model(request: Request, name: Name) -> Response:
    """Answer with manifest and card: what it was trained on, how it was measured, where it fails.

    For research use only. Not a medical device; not for diagnosis.
    """
    try:
        with service_of(request).models.use() as pipeline:
            return as_json(pipeline.model_detail(name))
    except ConfigError as error:
        raise Refusal(404, code="no_such_model", message=str(error)) from None
    except LucencyError as error:
        raise refusal_of(error) from None


@router.get(
    "/v2",
    operation_id="v2_server",
    summary="What the server is (Open Inference Protocol)",
    response_model=ServerMetadata,
    responses=documented()
    | answer_of(ServerMetadata(name="lucency", version="0.1.0", extensions=())),
    tags=[PROTOCOL],
)
async def v2_server() -> Response:
    """Answer with name and version; no extension of the protocol is offered."""
    return as_json(ServerMetadata(name="lucency", version=version("lucency"), extensions=()))


@router.get(
    "/v2/models/{name}",
    operation_id="v2_model",
    summary="What a network takes and gives (Open Inference Protocol)",
    response_model=ProtocolModel,
    responses=documented("no_such_model", "not_ready"),
    tags=[PROTOCOL],
)
async def v2_model(request: Request, name: Name) -> Response:
    """Answer with the tensors of the model file; images go to `/v1/analyze`."""
    return as_json(protocol_model(_loaded(request, name)))


@router.get(
    "/v2/models/{name}/ready",
    operation_id="v2_model_ready",
    summary="Whether a model answers (Open Inference Protocol)",
    response_model=ModelReady,
    responses=documented("no_such_model", "not_ready")
    | answer_of(ModelReady(name="fracture", ready=True)),
    tags=[PROTOCOL],
)
async def v2_model_ready(request: Request, name: Name) -> Response:
    """Answer 200 where `/v2/health/ready` does and the model is loaded."""
    check_ready(request)
    return as_json(ModelReady(name=_loaded(request, name).manifest.name, ready=True))


def _loaded(request: Request, name: str) -> Bundle:
    """The loaded bundle of this name; raises `Refusal`."""
    try:
        with service_of(request).models.use() as pipeline:
            bundles = {bundle.manifest.name: bundle for bundle in pipeline.bundles}
    except LucencyError as error:
        raise refusal_of(error) from None
    if name not in bundles:
        message = f"model: there is none named {name!r:.60}; there are: {', '.join(bundles)}"
        raise Refusal(404, code="no_such_model", message=message)
    return bundles[name]

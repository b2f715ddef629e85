"""The application: its routes, what every request passes on the way to them, error answers."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from lucency.api.admission import Admission
from lucency.api.audit import AuditLog
from lucency.api.error_schemas import error_answer
from lucency.api.feedback import FeedbackStore
from lucency.api.headers import SecurityHeaders
from lucency.api.keys import KeyCheck, read_keys
from lucency.api.lifespan import lifespan
from lucency.api.limits import BodyLimit, Refusal
from lucency.api.logs import RequestLog
from lucency.api.metrics import Metrics
from lucency.api.openapi import describe
from lucency.api.origins import OwnOriginOnly
from lucency.api.reload import LoadedModels
from lucency.api.routes import routers
from lucency.api.service import Service
from lucency.api.settings import Settings
from lucency.configs.bundle import RESEARCH_USE, Bundle

CODES = {400: "invalid_body", 404: "not_found", 405: "method_not_allowed"}
# What the framework says of these is no sentence.
NO_SUCH_PATH = "There is no such path; /docs lists those that there are."
NO_SUCH_METHOD = "The path has no such method; the header Allow names those that it has."
MESSAGES = {404: NO_SUCH_PATH, 405: NO_SUCH_METHOD}


def create_app(
    settings: Settings,
    bundles: Sequence[Bundle],
    *,
    on_failure: Callable[[Exception], None],
) -> FastAPI:
    """Make the application.

    ``bundles`` were verified when they were loaded; ONNX Runtime opens them in the background
    after the start, and `/readyz` answers 503 until then. ``on_failure`` is called if it refuses
    one: such a process must end, since it will never be ready.

    The interactive pages of FastAPI are switched off because they load their scripts from
    somebody else's server.

    Raises
    ------
    ConfigError
        The file of keys, the audit file or the feedback folder cannot be used.

    """
    service = make_service(settings)
    app = FastAPI(
        title="Lucency",
        summary="Finds and localises anomalies in radiographs.",
        description=RESEARCH_USE,
        version=version("lucency"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=partial(lifespan, service=service, bundles=tuple(bundles), on_failure=on_failure),
    )
    for router in routers:
        app.include_router(router)
    app.openapi = partial(describe, app)  # type: ignore[method-assign]
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    _add_middleware(app, service)
    return app


def make_service(settings: Settings) -> Service:
    """What the routes share, before there are models.

    Raises
    ------
    ConfigError
        The audit file or the feedback folder cannot be used.

    """
    return Service(
        settings=settings,
        models=LoadedModels(),
        threads=ThreadPoolExecutor(settings.at_once, thread_name_prefix="analysis"),
        metrics=Metrics(),
        feedback=FeedbackStore(settings.feedback_folder) if settings.feedback_folder else None,
        audit=AuditLog(settings.audit_file) if settings.audit_file else None,
    )


def _add_middleware(app: FastAPI, service: Service) -> None:
    """What a request passes, from the inside out: what is added last sees it first."""
    settings, metrics = service.settings, service.metrics
    app.add_middleware(
        BodyLimit,
        max_bytes=settings.max_upload_bytes,
        stall_s=settings.body_timeout_s,
        deadline_s=settings.deadline_s,
    )
    app.add_middleware(
        Admission, at_once=settings.at_once, queue_size=settings.queue_size, metrics=metrics
    )
    if settings.api_keys_file is not None:
        app.add_middleware(KeyCheck, keys=read_keys(settings.api_keys_file))
    else:
        app.add_middleware(OwnOriginOnly, host=settings.host)
    app.add_middleware(SecurityHeaders)
    paths = {getattr(route, "path", "") for router in routers for route in router.routes}
    app.add_middleware(RequestLog, metrics=metrics, routes=paths)


async def _answer_http(request: Request, error: Exception) -> Response:
    """Answer refusals, unknown paths and methods."""
    if not isinstance(error, HTTPException):
        raise error
    status, said = error.status_code, str(error.detail)
    if isinstance(error, Refusal):
        answer = error_answer(error.code, said, fault=error.fault)
    else:
        answer = error_answer(CODES.get(status, "refused"), MESSAGES.get(status, said))
    return JSONResponse(answer, status_code=status, headers=dict(error.headers or {}))


async def _answer_validation(request: Request, error: Exception) -> Response:
    """Answer wrong parameters and form fields, all in one sentence."""
    if not isinstance(error, RequestValidationError):
        raise error
    problems = "; ".join(_describe(problem) for problem in error.errors())
    answer = error_answer("invalid_request", problems)
    return JSONResponse(answer, status_code=422)


def _describe(problem: dict[str, object]) -> str:
    location = problem["loc"]
    where, *path = location if isinstance(location, tuple) else (location,)
    name = ".".join(str(part) for part in path) or str(where)
    if where == "body":
        # What was sent there may be anything, a patient's data too: it is not repeated.
        return f"{name}: must be an image file in the multipart form field 'file'"
    if problem["type"] == "extra_forbidden":
        return f"{name:.64}: there is no such parameter"
    message = str(problem["msg"]).removeprefix("Input ").removeprefix("Value error, ")
    return f"{name:.64}: {message}, got {problem['input']!r:.60}"

"""The application: routes, error answers, and the models' life from start to end."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from lucency.api.limits import BodyLimit, Refusal
from lucency.api.logs import LOGGER, UnexpectedErrors
from lucency.api.pipeline import Pipeline
from lucency.api.routes import Service, router
from lucency.api.schemas import error_answer
from lucency.api.settings import Settings
from lucency.configs.bundle import RESEARCH_USE, Bundle
from lucency.datasets.sandbox import Sandbox

CODES = {400: "invalid_body", 404: "not_found", 405: "method_not_allowed"}


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
    """
    app = FastAPI(
        title="Lucency",
        summary="Finds and localises anomalies in radiographs.",
        description=RESEARCH_USE,
        version=version("lucency"),
        docs_url=None,
        redoc_url=None,
        lifespan=partial(
            _lifespan, settings=settings, bundles=tuple(bundles), on_failure=on_failure
        ),
    )
    app.include_router(router)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_middleware(BodyLimit, max_bytes=settings.max_upload_bytes)
    app.add_middleware(UnexpectedErrors)
    return app


@asynccontextmanager
async def _lifespan(
    app: FastAPI,
    *,
    settings: Settings,
    bundles: tuple[Bundle, ...],
    on_failure: Callable[[Exception], None],
) -> AsyncIterator[None]:
    threads = ThreadPoolExecutor(settings.analyses_at_once, thread_name_prefix="analysis")
    sandbox = Sandbox(workers=settings.analyses_at_once, timeout_s=settings.decode_timeout_s)
    service = app.state.service = Service(threads)

    async def load() -> None:
        task = partial(
            Pipeline,
            bundles,
            threads=settings.threads,
            sandbox=sandbox,
            options=settings.options,
            ensemble=settings.ensemble,
        )
        try:
            service.pipeline = await asyncio.get_running_loop().run_in_executor(threads, task)
        except Exception as error:  # whatever it is, the process would never be ready
            on_failure(error)
            return
        names = ", ".join(bundle.manifest.name for bundle in bundles)
        logging.getLogger(LOGGER).info("ready with %s", names)

    loading = asyncio.create_task(load())
    try:
        yield
    finally:
        service.pipeline = None
        await loading
        await asyncio.to_thread(threads.shutdown)
        sandbox.close()


async def _answer_http(request: Request, error: Exception) -> Response:
    """Answer refusals, unknown paths and methods."""
    if not isinstance(error, HTTPException):
        raise error
    code = error.code if isinstance(error, Refusal) else CODES.get(error.status_code, "refused")
    fault = error.fault if isinstance(error, Refusal) else None
    answer = error_answer(code, str(error.detail), fault=fault)
    return JSONResponse(answer, status_code=error.status_code, headers=dict(error.headers or {}))


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

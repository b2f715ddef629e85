"""What the service writes to its log: JSON lines, and nothing that a client or an image says.

A line of a request has its route's template and neither path, query, file name nor body; of an
error that nobody foresaw, the type and the places, since its message may quote an image's values.
"""

import asyncio
import logging
import logging.config
import re
import time
import traceback
import uuid
import warnings
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, TextIO

import structlog

from lucency.api.limits import Refusal, refusal_messages

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from lucency.api.metrics import Metrics

LOG = structlog.get_logger()
GIVEN_ID = re.compile(rb"[A-Za-z0-9-]{8,64}")
# As nginx notes it: the client had gone before there was an answer.
CLIENT_GONE = 499
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
MOST_PLACES = 20


class RequestLog:
    """ASGI middleware that names, times and logs every request, and answers where it fails.

    ``scope["state"]`` gets ``request_id``, the client's own if it is a harmless word, and
    ``client``, which is empty until a key is recognised. ``routes`` are the paths that may stand in
    the log of a request that was refused before a route was found for it.
    """

    def __init__(self, app: "ASGIApp", *, metrics: "Metrics", routes: Collection[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._routes = frozenset(routes)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass the request on, answer for it if it fails, and log it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = _request_id(scope)
        state["client"] = ""
        start = time.perf_counter()
        status = 0

        async def watched(message: "Message") -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            if status:
                raise
            await _answer(watched, 503, "stopping", "The service is being stopped; try again.")
        except Exception as error:
            LOG.error("unforeseen error", request_id=state["request_id"], **type_and_places(error))
            if not status:
                await _answer(watched, 500, "internal", "The service failed; its log says where.")
        finally:
            self._note(scope, state, status or CLIENT_GONE, time.perf_counter() - start)

    def _note(self, scope: "Scope", state: dict[str, Any], status: int, seconds: float) -> None:
        route = self._route_of(scope)
        method = scope["method"] if scope["method"] in METHODS else OTHER
        self._metrics.request(route, method, status, seconds)
        LOG.info(
            "request",
            request_id=state["request_id"],
            client=state["client"],
            method=method,
            route=route,
            status=status,
            ms=round(1e3 * seconds, 1),
            bytes=state.get("bytes", 0),
        )

    def _route_of(self, scope: "Scope") -> str:
        """The template of the path, empty if there is no such route."""
        template = getattr(scope.get("route"), "path", None)
        if isinstance(template, str):
            return template
        path = str(scope["path"])
        return path if path in self._routes else ""


def type_and_places(error: BaseException) -> dict[str, Any]:
    """What the log may know of an error: its type and the lines it passed, the last one first."""
    frames = traceback.extract_tb(error.__traceback__)[: -MOST_PLACES - 1 : -1]
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return {"type": type(error).__name__, "places": places}


def configure_logging(stream: TextIO) -> None:
    """Set up the logs of this process: JSON lines, or readable ones if ``stream`` is a terminal.

    Libraries say nothing, since pydicom's warnings quote attributes such as the patient's name;
    uvicorn and asyncio are cut to the first line, which has no message of an error in it.
    """
    shared: list[Any] = [
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.add_log_level,
        _in_order,
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(timestamp_key="time")
        if stream.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stream),
    )
    of_libraries = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [_first_line, *shared],
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": of_libraries},
            "handlers": {
                "lines": {"class": "logging.StreamHandler", "formatter": "line", "stream": stream},
                "nowhere": {"class": "logging.NullHandler"},
            },
            "root": {"handlers": ["nowhere"], "level": "CRITICAL"},
            "loggers": {
                name: {"handlers": ["lines"], "level": level, "propagate": False}
                for name, level in {"uvicorn": "WARNING", "asyncio": "ERROR"}.items()
            },
        }
    )
    for name in ("pydicom", "PIL"):  # they set levels of their own
        logging.getLogger(name).setLevel(logging.CRITICAL)
        logging.getLogger(name).propagate = False
    warnings.simplefilter("ignore")


def _in_order(logger: Any, name: str, event: dict[str, Any]) -> dict[str, Any]:
    """A processor: what every line has comes first."""
    return {key: event.pop(key) for key in ("time", "level", "event")} | event


def _first_line(logger: Any, name: str, event: dict[str, Any]) -> dict[str, Any]:
    """A processor: an error's type and places in place of its message."""
    event["event"] = str(event["event"]).partition("\n")[0]
    raised = event.pop("exc_info", None)
    error = raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        event |= type_and_places(error)
    return event


def _request_id(scope: "Scope") -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and GIVEN_ID.fullmatch(value):
            return str(value.decode())
    return uuid.uuid4().hex


async def _answer(send: "Send", status: int, code: str, message: str) -> None:
    refusal = Refusal(status, code=code, message=message, headers={"Connection": "close"})
    for part in refusal_messages(refusal):
        await send(part)

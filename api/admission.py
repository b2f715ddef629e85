"""Shedding of load: what cannot be answered in time is refused before its body is read.

A request that is refused only after its form was parsed has cost most of what it would have cost
to answer it, so under overload the service would do little but refuse.
"""

import asyncio
from typing import TYPE_CHECKING

from lucency.api.limits import Refusal, refusal_messages

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from lucency.api.metrics import Metrics

# The routes that take images; all others answer at once.
IMAGE_ROUTES = frozenset({"/v1/analyze", "/v1/analyze/batch", "/v1/pixels", "/v1/feedback"})
RETRY_AFTER_S = 1
SILENT_S = 1.0


class Admission:
    """ASGI middleware that lets ``at_once + queue_size`` requests with images in, and no more.

    The body of a refused request is thrown away as it arrives (`connections`): were the connection
    closed instead, its reset could reach the client before the answer does. A request whose body
    is silent for `SILENT_S` does not count until it goes on, so that slow clients keep nobody out.
    """

    def __init__(
        self, app: "ASGIApp", *, at_once: int, queue_size: int, metrics: "Metrics"
    ) -> None:
        self._app = app
        self._at_once = at_once
        self._most = at_once + queue_size
        self._metrics = metrics
        self._inside = 0
        self._overloaded = refusal_messages(_refusal())

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass the request on, or refuse it."""
        if not _brings_images(scope):
            await self._app(scope, receive, send)
            return
        if self._inside >= self._most:
            self._metrics.shed("overloaded")
            for message in self._overloaded:
                await send(dict(message))
            return
        self._count(1)
        counts = arriving = True
        loop = asyncio.get_running_loop()

        def leave() -> None:
            nonlocal counts
            if counts:
                counts = False
                self._count(-1)

        async def watched() -> "Message":
            nonlocal counts, arriving
            if not arriving:
                return await receive()
            silence = loop.call_later(SILENT_S, leave)
            try:
                message = await receive()
            finally:
                silence.cancel()
            arriving = bool(message.get("more_body", False))
            if not counts:
                if self._inside >= self._most:
                    self._metrics.shed("overloaded")
                    raise _refusal()
                counts = True
                self._count(1)
            return message

        try:
            await self._app(scope, watched, send)
        finally:
            leave()

    def _count(self, change: int) -> None:
        self._inside += change
        self._metrics.in_flight.set(self._inside)
        self._metrics.queued.set(max(0, self._inside - self._at_once))


def _brings_images(scope: "Scope") -> bool:
    return scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in IMAGE_ROUTES


def _refusal() -> Refusal:
    return Refusal(
        503,
        code="overloaded",
        message="The service has all the work it can take; try again in a second.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )

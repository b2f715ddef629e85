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
# What silent requests may hold together of bodies that are not whole yet.
MOST_SILENT_BYTES = 64 * 2**20
# A longer answer is memory until the client has taken it.
LONG_ANSWER_BYTES = 2**20


class Admission:
    """ASGI middleware that lets ``at_once + queue_size`` requests with images in, and no more.

    The body of a refused request is thrown away as it arrives (`connections`): were the connection
    closed instead, its reset could reach the client before the answer does. A request whose body
    is silent for `SILENT_S` does not count until it goes on, so that slow clients keep nobody out;
    but it does if silent ones hold `MOST_SILENT_BYTES`. One with a long answer counts until that
    has been taken, so that the memory of all of them has a limit.
    """

    def __init__(
        self, app: "ASGIApp", *, at_once: int, queue_size: int, metrics: "Metrics"
    ) -> None:
        self._app = app
        self._rooms = _Rooms(at_once, at_once + queue_size, metrics)
        self._overloaded = refusal_messages(_refusal())

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass the request on, or refuse it."""
        if not _brings_images(scope):
            await self._app(scope, receive, send)
            return
        place = _Place(self._rooms)
        if not place.take():
            for message in self._overloaded:
                await send(dict(message))
            return
        loop = asyncio.get_running_loop()
        arriving = True

        async def watched() -> "Message":
            nonlocal arriving
            if not arriving:
                return await receive()
            silence = loop.call_later(SILENT_S, place.lend)
            try:
                message = await receive()
            finally:
                silence.cancel()
            place.bytes += len(message.get("body", b""))
            arriving = bool(message.get("more_body", False))
            if not place.take():
                raise _refusal()
            return message

        async def taken(message: "Message") -> None:
            more = message.get("more_body", False)
            if len(message.get("body", b"")) <= LONG_ANSWER_BYTES or more:
                await send(message)
                return
            await send({**message, "more_body": True})
            # The server does not take this before most of the rest has left.
            await send({"type": "http.response.body", "body": b""})

        try:
            await self._app(scope, watched, taken)
        finally:
            place.leave()


class _Rooms:
    """How many requests are inside, and how many bytes those hold that lent their place."""

    def __init__(self, at_once: int, most: int, metrics: "Metrics") -> None:
        self.most = most
        self.inside = 0
        self.silent_bytes = 0
        self.metrics = metrics
        self._at_once = at_once

    def count(self, change: int) -> None:
        self.inside += change
        self.metrics.in_flight.set(self.inside)
        self.metrics.queued.set(max(0, self.inside - self._at_once))


class _Place:
    """One request's place; ``bytes`` of its body have arrived."""

    def __init__(self, rooms: _Rooms) -> None:
        self._rooms = rooms
        self._has = False
        self._lent = 0  # bytes that count as silent
        self.bytes = 0

    def take(self) -> bool:
        """Take a place, or keep it; False where there is none, which counts as shed."""
        self._call_back()
        if not self._has:
            if self._rooms.inside >= self._rooms.most:
                self._rooms.metrics.shed("overloaded")
                return False
            self._has = True
            self._rooms.count(1)
        return True

    def lend(self) -> None:
        """Give the place to others as long as the body is silent."""
        if self._rooms.silent_bytes + self.bytes <= MOST_SILENT_BYTES:
            self._lent = self.bytes
            self._rooms.silent_bytes += self._lent
            self._give_up()

    def leave(self) -> None:
        """The request is answered, or gone."""
        self._call_back()
        self._give_up()

    def _call_back(self) -> None:
        self._rooms.silent_bytes -= self._lent
        self._lent = 0

    def _give_up(self) -> None:
        if self._has:
            self._has = False
            self._rooms.count(-1)


def _brings_images(scope: "Scope") -> bool:
    return scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in IMAGE_ROUTES


def _refusal() -> Refusal:
    return Refusal(
        503,
        code="overloaded",
        message="The service has all the work it can take; try again in a second.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )

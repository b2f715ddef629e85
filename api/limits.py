"""What a request may not do, and how it is told so."""

import asyncio
import json
import time
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from lucency.api.error_schemas import error_answer
from lucency.configs.errors import ImageFault

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Refusal(HTTPException):
    """A request that is answered with an error: its status, a stable code and one sentence.

    ``fault`` says of an image why it cannot be read.
    """

    def __init__(
        self,
        status: int,
        *,
        code: str,
        message: str,
        fault: ImageFault | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status_code=status, detail=message, headers=headers)
        self.code = code
        self.fault = fault


def refusal_messages(refusal: Refusal) -> tuple["Message", "Message"]:
    """The answer to a request that no route is to see, as ASGI messages."""
    body = json.dumps(error_answer(refusal.code, refusal.detail, fault=refusal.fault)).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    headers |= {name.lower(): value for name, value in (refusal.headers or {}).items()}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    return (
        {"type": "http.response.start", "status": refusal.status_code, "headers": encoded},
        {"type": "http.response.body", "body": body},
    )


class BodyLimit:
    """ASGI middleware that stops waiting for a request body that is too large or too slow.

    A form parser spools an upload to the disk before anyone can look at its length, so the limit
    of ``max_bytes`` has to act while the body streams. A ``Content-Length`` above it is refused
    before the first byte is read; a body without one is counted, into ``scope["state"]["bytes"]``.
    A client may be silent for ``stall_s``, and the request has ``deadline_s`` from its head to its
    answer: ``scope["state"]["deadline"]`` is when they end, on the clock of `time.monotonic`. Only
    routes that read their body are refused.
    """

    def __init__(
        self, app: "ASGIApp", *, max_bytes: int, stall_s: float, deadline_s: float
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._stall_s = stall_s
        self._deadline_s = deadline_s

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass the request on with a `receive` that counts and does not wait for ever."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        deadline = state["deadline"] = time.monotonic() + self._deadline_s
        state["bytes"] = 0
        announced = _content_length(scope)
        arriving = True

        async def limited() -> "Message":
            nonlocal arriving
            if not arriving:  # what comes now is that the client has gone, perhaps much later
                return await receive()
            if announced > self._max_bytes:
                raise self._too_large()
            message = await self._next(receive, deadline)
            arriving = bool(message.get("more_body", False))
            state["bytes"] += len(message.get("body", b""))
            if state["bytes"] > self._max_bytes:
                raise self._too_large()
            return message

        await self._app(scope, limited, send)

    async def _next(self, receive: "Receive", deadline: float) -> "Message":
        left = deadline - time.monotonic()
        try:
            async with asyncio.timeout(min(self._stall_s, left)):
                return await receive()
        except TimeoutError:
            problem = (
                f"No part of the request's body arrived for {self._stall_s:g} s"
                if left > self._stall_s
                else f"The request's body did not arrive within {self._deadline_s:g} s"
            )
            raise Refusal(
                408,
                code="timeout",
                message=f"{problem}; send it again.",
                headers={"Connection": "close"},
            ) from None

    def _too_large(self) -> Refusal:
        return Refusal(
            413,
            code="too_large",
            message=f"The request is larger than the {self._max_bytes} bytes that are accepted.",
        )


def _content_length(scope: "Scope") -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0

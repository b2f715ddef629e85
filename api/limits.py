"""What a request may not do, and how it is told so."""

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

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


class BodyLimit:
    """ASGI middleware that stops reading a request body at ``max_bytes``.

    A form parser spools an upload to the disk before anyone can look at its length, so the limit
    has to act while the body streams. A ``Content-Length`` above it is refused before the first
    byte is read; a body without one is counted. Only routes that read their body are refused.
    """

    def __init__(self, app: "ASGIApp", *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass the request on with a `receive` that counts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = _content_length(scope)
        received = 0

        async def counted() -> "Message":
            nonlocal received
            if announced > self._max_bytes:
                raise self._refusal()
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise self._refusal()
            return message

        await self._app(scope, counted, send)

    def _refusal(self) -> Refusal:
        return Refusal(
            413,
            code="too_large",
            message=f"The request is larger than the {self._max_bytes} bytes that are accepted.",
            # The rest of the body is not wanted: the server must not wait for it.
            headers={"Connection": "close"},
        )


def _content_length(scope: "Scope") -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0

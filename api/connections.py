"""One client's connection: uvicorn's, with an end to what never comes.

uvicorn waits without limit for the head of a first request, for the rest of a body that nobody
reads any more, and for a client that does not read its answer. A body that a route reads is the
business of `BodyLimit`.
"""

import json
from asyncio import TimerHandle, Transport
from enum import Enum, auto
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from lucency.api.error_schemas import error_answer
from lucency.api.headers import SECURITY_HEADERS

# As nginx takes by default (4 buffers of 8 KiB); browsers send a few.
MAX_HEAD_BYTES = 32 * 1024
# Colon, space and line end of a header.
_BESIDE_HEADER = 4
# Of a body that was refused: thrown away, so that the answer is not lost in a connection's reset.
# Of one that is read: what it has beside its content, such as trailers.
MAX_UNREAD_BYTES = 8 * 2**20
# Who sent nothing for so long has nothing on its way that a reset could answer.
SILENT_S = 1.0
# How long a client that holds an idle connection may still begin a request while we stop.
LAST_REQUEST_S = 0.5


class _Awaited(Enum):
    """Which part of a request comes next on the wire."""

    NOTHING = auto()  # between two requests
    HEAD = auto()
    BODY = auto()


class HeadTooLargeError(Exception):
    """The request line and the headers are longer than `MAX_HEAD_BYTES`."""


class _LateClosing:
    """The transport as `RequestResponseCycle` sees it: its `close` waits for an unread body."""

    def __init__(self, connection: "Connection", transport: Transport) -> None:
        self._connection = connection
        self.write = transport.write
        self.is_closing = transport.is_closing

    def close(self) -> None:
        self._connection.close_after_body()


class Connection(HttpToolsProtocol):
    """Closes a connection on which what is waited for does not come in ``stall_s``.

    That is a request's head, a body that nobody reads, or a client that takes its answer.
    """

    stall_s = 8.0

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.url = b""
        self.headers = []
        self._awaited = _Awaited.HEAD
        self._arrived = 0  # bytes of an unfinished head, or around a body, that nobody reads
        self._heard = 0.0  # when anything arrived last, on the loop's clock
        self._timer: TimerHandle | None = None
        self._watch: TimerHandle | None = None  # of the client that is to take its answer
        self._unsent = 0  # bytes of that, when the watch began
        self._last = False  # close after the request that is under way
        self._stopping = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._closing_late = _LateClosing(self, transport)
        self._arm(self.stall_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._disarm()
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and begin or go on to wait for what is missing."""
        self._heard = self.loop.time()
        if self._awaited is _Awaited.NOTHING:
            self._awaited = _Awaited.HEAD
            self._arrived = 0
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._awaited is _Awaited.HEAD:
            self._arrived += len(data)
            if self._arrived > MAX_HEAD_BYTES:
                self._refuse_head()
            elif self._timer is None:
                self._arm(self.stall_s)
        elif self._awaited is _Awaited.BODY:
            self._arrived += len(data)
            if self._arrived > MAX_UNREAD_BYTES:
                self._close()

    def on_message_begin(self) -> None:
        """Wait for the rest of a head, which may have begun in the middle of what arrived."""
        super().on_message_begin()
        self._awaited = _Awaited.HEAD
        self._arrived = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; not a trailer, which would pass for a header that was checked."""
        if self._awaited is _Awaited.HEAD:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, which counts elsewhere if somebody reads it."""
        super().on_body(body)
        if not self._is_answered():
            self._arrived -= len(body)

    def on_headers_complete(self) -> None:
        """Stop waiting for the head; a last request before the end is told that it is one."""
        if self._head_bytes() > MAX_HEAD_BYTES:
            raise HeadTooLargeError
        self._disarm()
        self._awaited = _Awaited.BODY
        self._arrived = 0
        super().on_headers_complete()
        self.cycle.transport = self._closing_late  # type: ignore[assignment]
        if self._stopping:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Wait for nothing; for the next request if the answer has already been sent."""
        super().on_message_complete()
        self._disarm()
        self._awaited = _Awaited.NOTHING
        if self._last:
            self._close()
        elif self._is_answered():
            self._arm(self.timeout_keep_alive)

    def on_response_complete(self) -> None:
        """See to it that an unread body, or an unread answer, does not hold the connection."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_client()
        elif self._awaited is _Awaited.BODY:
            self._unset_keepalive_if_required()
            self._arm(self.stall_s)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, even if its client has not taken all of the last answer."""
        if not self.transport.is_closing():
            self._close()

    def pause_writing(self) -> None:
        """Watch whether the client takes what waits to be sent."""
        super().pause_writing()
        self._watch_client()

    def resume_writing(self) -> None:
        """Stop watching: the client has taken enough."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._unwatch()

    def close_after_body(self) -> None:
        """Close once the rest of the request is there, or at once if it is not on its way."""
        arriving = self._awaited is _Awaited.BODY and self.loop.time() - self._heard < SILENT_S
        if arriving and self._is_answered():
            self._last = True
        else:
            self._close()

    def send_400_response(self, msg: str) -> None:
        """Answer a broken request in the one form that all errors have."""
        if self._head_bytes() > MAX_HEAD_BYTES:
            self._refuse_head()
        else:
            self._refuse(400, "invalid_http", "The request is not valid HTTP.")

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: who asks for WebSockets is answered without, which is no news."""

    def shutdown(self) -> None:
        """End with the answer; an idle client may have sent a request that is still on its way."""
        self._stopping = True
        if self._is_answered():
            self._arm(LAST_REQUEST_S)
        else:
            self.cycle.keep_alive = False

    def _head_bytes(self) -> int:
        headers = sum(len(name) + len(value) + _BESIDE_HEADER for name, value in self.headers)
        return len(self.url) + headers

    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, self._time_is_up)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_is_up(self) -> None:
        self._timer = None
        if self._is_answered():
            self._close()
        else:  # a next head stalls while an earlier request is being answered
            self._arm(self.stall_s)

    def _close(self) -> None:
        self._disarm()
        self.transport.close()
        self._watch_client()

    def _watch_client(self) -> None:
        """Give the connection up if the client takes nothing of what is sent in `stall_s`."""
        if self._watch is None:
            self._unsent = self.transport.get_write_buffer_size()
            self._watch = self.loop.call_later(self.stall_s, self._look_at_client)

    def _look_at_client(self) -> None:
        self._watch = None
        if self.transport.get_write_buffer_size() < self._unsent:
            self._watch_client()
        else:
            self.transport.abort()

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _refuse_head(self) -> None:
        self._refuse(431, "head_too_large", f"The head is larger than {MAX_HEAD_BYTES} bytes.")

    def _refuse(self, status: int, code: str, message: str) -> None:
        body = json.dumps(error_answer(code, message)).encode()
        headers = (
            *self.server_state.default_headers,
            *SECURITY_HEADERS,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        )
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))
        self._close()

"""Who a browser may be speaking for, as long as nobody needs a key.

A page on any server can make the browser of someone at this machine send requests to 127.0.0.1.
It can do so under a name of its own that it lets point here (DNS rebinding), and then reads the
answers; or as a plain cross-origin POST, whose answer it cannot read. Keys keep both out, since a
page does not know them.
"""

from typing import TYPE_CHECKING

from lucency.api.limits import Refusal, refusal_messages
from lucency.api.settings import is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

READING = frozenset({"GET", "HEAD", "OPTIONS"})


class OwnOriginOnly:
    """ASGI middleware that refuses requests to other hosts' names and from other hosts' pages.

    ``host`` is the address that the service was told to listen on.
    """

    def __init__(self, app: "ASGIApp", *, host: str) -> None:
        self._app = app
        self._host = host.lower()
        self._wrong_host = refusal_messages(
            Refusal(
                421,
                code="wrong_host",
                message="Without API keys the service answers only to the name or address of this "
                "machine, such as 127.0.0.1; see `lucency key`.",
            )
        )
        self._cross_origin = refusal_messages(
            Refusal(
                403,
                code="cross_origin",
                message="The request comes from a page of another server.",
            )
        )

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http":
            host, origin = _host_and_origin(scope)
            refused = None
            if not self._is_ours(host):
                refused = self._wrong_host
            elif origin is not None and scope["method"] not in READING:
                refused = None if origin.partition("://")[2] == host else self._cross_origin
            if refused is not None:
                for message in refused:
                    await send(dict(message))
                return
        await self._app(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        name = _without_port(host)
        return bool(name) and (name == self._host or is_loopback(name))


def _host_and_origin(scope: "Scope") -> tuple[str, str | None]:
    host, origin = "", None
    for name, value in scope["headers"]:
        if name == b"host":
            host = value.decode("latin-1").lower()
        elif name == b"origin":
            origin = value.decode("latin-1").lower()
    return host, origin


def _without_port(host: str) -> str:
    if host.startswith("["):
        name, bracket, _ = host[1:].partition("]")
        return name if bracket else ""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host

"""One service process: its bundles, its socket, its signals, and uvicorn."""

import asyncio
import contextlib
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from types import FrameType

import uvicorn
from fastapi import FastAPI

from lucency.api.app import create_app
from lucency.api.connections import Connection
from lucency.api.loading import load_bundles, other_looks, terms
from lucency.api.logs import LOG, configure_logging
from lucency.api.service import Service
from lucency.api.settings import Settings
from lucency.configs.bundle import RESEARCH_USE, Bundle
from lucency.configs.errors import ConfigError

# Requests in flight may end; whoever still sends after that is cut off. What then still computes
# has its last image, so that all is over in 10 s.
SHUTDOWN_SECONDS = 7
# Longer than proxies keep an idle connection (nginx: 60 s): a server that closes first may answer
# a request that is on its way with a reset.
KEEP_ALIVE_SECONDS = 75
MOST_OPEN_FILES = 16_384


class Server(uvicorn.Server):
    """uvicorn with our signals: it ends in order and with status 0, and SIGHUP reloads models.

    ``hangups`` are those SIGHUPs that came before it starts.
    """

    def __init__(
        self, config: uvicorn.Config, app: FastAPI, *, drain_s: float, hangups: list[int]
    ) -> None:
        super().__init__(config)
        self._app = app
        self._hangups = hangups
        self.service: Service | None = None
        self._drain_s = drain_s
        self._told = 0.0  # when to end, on the monotonic clock

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop being ready at the first SIGTERM or SIGINT; wait for nobody after the second."""
        if self._told or self.service is None:
            self.should_exit = self.force_exit = True
        else:
            self._told = time.monotonic()
            self.service.draining = True  # no more in a signal's handler: locks may be held

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and from then on reload the models on SIGHUP."""
        await super().startup(sockets)
        self.service = self._app.state.service
        reload = self._app.state.loading.reload
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
        if self._hangups:
            reload()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse connections from now on, and end when those that there are have their answers."""
        LOG.info("stopping", connections=len(self.server_state.connections))
        # Closing the queue of those whom nobody took yet would reset their connections.
        waiting = [one for listening in sockets or () for one in _accept_all(listening)]
        for server in self.servers:
            server.close()
        for connection in waiting:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        await super().shutdown(sockets)
        LOG.info("stopped")

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    async def on_tick(self, counter: int) -> bool:
        """End once `/readyz` has been 503 for long enough for the proxies in front to notice."""
        if self._told and self.service is not None:
            self.service.metrics.ready(False)
            if time.monotonic() - self._told >= self._drain_s:
                self.should_exit = True
        return await super().on_tick(counter)


def run_server(settings: Settings) -> None:
    """Serve until the process is told to stop.

    Raises
    ------
    BundleError
        A bundle is missing, altered, or refused by ONNX Runtime.
    ConfigError
        The address is in use, not of this machine, or public while there are no keys; or a file or
        folder that the settings name cannot be used.

    """
    _check_exposure(settings)
    with _hangups_noted() as hangups:
        _run(settings, load_bundles(settings.bundles), hangups)


def _run(settings: Settings, bundles: Sequence[Bundle], hangups: list[int]) -> None:
    failures: list[Exception] = []

    def stop(error: Exception) -> None:
        failures.append(error)
        server.should_exit = True

    with _listen(settings.host, settings.port) as listening:
        app = create_app(settings, bundles, on_failure=stop)
        configure_logging(sys.stderr)
        _allow_connections()
        for line in (*terms(bundles), *other_looks(bundles, settings.options)):
            LOG.warning(line)
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=_connections(settings.body_timeout_s),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        server = Server(config, app, drain_s=settings.drain_s, hangups=hangups)
        LOG.info(f"Lucency listens on {_url(listening)} ({RESEARCH_USE})")
        server.run(sockets=[listening])
    if failures:
        raise failures[0]


@contextlib.contextmanager
def _hangups_noted() -> Iterator[list[int]]:
    """SIGHUP, which would end the process, is noted while there is nothing yet to reload."""
    noted: list[int] = []
    former = signal.signal(signal.SIGHUP, lambda number, _: noted.append(number))
    try:
        yield noted
    finally:
        signal.signal(signal.SIGHUP, former)


def _check_exposure(settings: Settings) -> None:
    if not settings.is_loopback and settings.api_keys_file is None:
        raise ConfigError(
            f"--host {settings.host}: others can reach this address and there are no API keys; "
            "make one with `lucency key NAME >> keys` and add --api-keys-file keys, or listen on "
            "127.0.0.1"
        )


def _accept_all(listening: socket.socket) -> list[socket.socket]:
    accepted: list[socket.socket] = []
    with contextlib.suppress(OSError):  # BlockingIOError: there are no more
        while True:
            accepted.append(listening.accept()[0])
    for connection in accepted:
        connection.setblocking(False)
    return accepted


def _allow_connections() -> None:
    """Raise the limit of open files, which is 1,024 by default, as far as that is allowed."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed < MOST_OPEN_FILES:
        wanted = MOST_OPEN_FILES if most == resource.RLIM_INFINITY else min(most, MOST_OPEN_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _connections(stall_s: float) -> type[Connection]:
    """`Connection` with its time limit: uvicorn makes one for each client."""
    return type("Connection", (Connection,), {"stall_s": stall_s})


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # The protocol must be named: asyncio sets TCP_NODELAY only then, and without it every
        # answer waits 40 ms for the client's delayed acknowledgement.
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"{host}:{port}: cannot listen: {error.strerror}") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # At once, so that a second process that wants the port is refused from now on.
        listening.listen()
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"{host}:{port}: cannot listen: {error.strerror}; choose another --port or --host"
        ) from None
    return listening


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

"""One service process: its bundles, its socket and uvicorn."""

import socket

import typer
import uvicorn

from lucency.api.app import create_app
from lucency.api.loading import load_bundles, other_looks, terms
from lucency.api.logs import configure_logging
from lucency.api.settings import Settings
from lucency.configs.bundle import RESEARCH_USE
from lucency.configs.errors import ConfigError

# Requests in flight may end; whoever still sends after that is cut off.
SHUTDOWN_SECONDS = 10


def run_server(settings: Settings) -> None:
    """Serve until the process is told to stop.

    Raises
    ------
    BundleError
        A bundle is missing, altered, or refused by ONNX Runtime.
    ConfigError
        The address is in use or not of this machine.

    """
    bundles = load_bundles(settings.bundles)
    for line in (*terms(bundles), *other_looks(bundles, settings.options)):
        typer.echo(line, err=True)
    failures: list[Exception] = []

    def stop(error: Exception) -> None:
        failures.append(error)
        server.should_exit = True

    with _listen(settings.host, settings.port) as listening:
        configure_logging()
        app = create_app(settings, bundles, on_failure=stop)
        config = uvicorn.Config(
            app,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            lifespan="on",
        )
        server = uvicorn.Server(config)
        typer.echo(f"Lucency listens on {_url(listening)} ({RESEARCH_USE})", err=True)
        server.run(sockets=[listening])
    if failures:
        raise failures[0]


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

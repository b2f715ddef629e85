"""API keys: who may ask. The file holds their digests, so that who reads it has no key.

A key is 256 random bits, so one SHA-256 is enough: there is nothing to guess (slow hashes are for
passwords that people make up).
"""

import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lucency.api.limits import Refusal, refusal_messages
from lucency.configs.errors import ConfigError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "lucency_"
KEY_BYTES = 32
MAX_FILE_BYTES = 1_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LINE = re.compile(rf"({_NAME.pattern})\s+sha256:([0-9a-f]{{64}})")
# Probes, and the page, which holds nothing secret and asks for the key.
OPEN = frozenset({"/", "/healthz", "/readyz", "/docs", "/openapi.json"})
OPEN_BELOW = ("/assets/", "/v2/health/")


@dataclass(frozen=True)
class ApiKey:
    """The name of a client, which stands in logs and audit, and the SHA-256 of its key."""

    name: str
    digest: bytes


def new_key() -> str:
    """A key that nobody else has."""
    return PREFIX + secrets.token_urlsafe(KEY_BYTES)


def key_line(name: str, key: str) -> str:
    """The line of a key in the file of keys.

    Raises
    ------
    ConfigError
        The name has other characters than letters, digits, ``.``, ``_`` and ``-``.

    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r:.80}: a key's name is of at most 64 letters, digits, '.', '_' or '-', and "
            "starts with a letter or digit"
        )
    return f"{name} sha256:{_digest(key.encode()).hex()}"


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """Read a file of keys: a line ``NAME sha256:HEX`` for each, empty ones and ``#`` left out.

    One name may stand there twice, while a client changes its key.

    Raises
    ------
    ConfigError
        The file cannot be read, others may write to it, a line is wrong, or there is no key.

    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(
            f"{path}: others may write to it (mode {mode:03o}), so they could let themselves in; "
            f"run chmod go-w {path}"
        )
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: is larger than {MAX_FILE_BYTES} bytes; it holds no keys")
    keys: list[ApiKey] = []
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        # What stands there is not quoted: it may be a key that belongs elsewhere.
        parts = _LINE.fullmatch(text)
        if parts is None:
            raise ConfigError(
                f"{path}: line {number} is not 'NAME sha256:HEX'; `lucency key NAME` writes such"
            )
        key = ApiKey(parts[1], bytes.fromhex(parts[2]))
        if any(key.digest == other.digest for other in keys):
            raise ConfigError(f"{path}: line {number} holds a key that stands there already")
        keys.append(key)
    if not keys:
        raise ConfigError(f"{path}: holds no key; add one with `lucency key NAME >> {path}`")
    return tuple(keys)


class KeyCheck:
    """ASGI middleware that lets requests in that bring a key; ``state["client"]`` is its name."""

    def __init__(self, app: "ASGIApp", *, keys: Sequence[ApiKey]) -> None:
        self._app = app
        self._keys = tuple(keys)
        self._unauthorised = refusal_messages(
            Refusal(
                401,
                code="unauthorised",
                message="Give a valid API key in the header X-API-Key or as Authorization: Bearer.",
                headers={"WWW-Authenticate": 'Bearer realm="lucency"'},
            )
        )

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http":
            name = self._client(scope)
            if name is not None:
                scope["state"]["client"] = name
            elif not _is_open(scope["path"]):
                for message in self._unauthorised:
                    await send(dict(message))
                return
        await self._app(scope, receive, send)

    def _client(self, scope: "Scope") -> str | None:
        given = _given_key(scope)
        if given is None:
            return None
        digest, name = _digest(given), None
        for key in self._keys:  # all of them, so that the time tells nothing
            if hmac.compare_digest(digest, key.digest):
                name = key.name
        return name


def _is_open(path: str) -> bool:
    return path in OPEN or path.startswith(OPEN_BELOW)


def _given_key(scope: "Scope") -> bytes | None:
    bearer = None
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return bytes(value)
        if name == b"authorization":
            scheme, _, credentials = value.partition(b" ")
            bearer = credentials.strip() if scheme.lower() == b"bearer" else None
    return bearer


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()

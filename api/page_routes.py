"""The viewer at `/`, the interface's description at `/docs`, and what both load.

All of it is built from `api/web` into `api/static` and comes from there: nothing is fetched from
elsewhere, and the policy that goes along lets browsers run no other script.
"""

import gzip
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from lucency.api.limits import Refusal
from lucency.api.service import Service, service_of

# Images: the pictures of the viewer's list are data addresses, and Swagger UI's style has some.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# The name of an asset holds a digest of its content, so it never changes.
FOREVER = "public, max-age=31536000, immutable"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
# What the built page says of feedback until the service, which knows, has put its own word there.
FEEDBACK_UNKNOWN = b'data-feedback="unknown"'

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class StaticFile:
    """A file of the built pages, and the same compressed."""

    media_type: str
    plain: bytes
    packed: bytes


@router.get("/")
def viewer(request: Request, service: Annotated[Service, Depends(service_of)]) -> Response:
    """Answer with the viewer; it is told whether feedback is kept."""
    return _page(request, static_file("index.html", feedback=service.feedback is not None))


@router.get("/docs")
def docs(request: Request) -> Response:
    """Answer with the description of the interface."""
    return _page(request, static_file("docs.html"))


@router.get("/assets/{name}")
def asset(request: Request, name: str) -> Response:
    """Answer with a script, style or icon of the pages."""
    if name not in asset_names():
        raise Refusal(404, code="not_found", message="There is no such asset; reload the page.")
    return _answer(request, static_file(f"assets/{name}"), {"Cache-Control": FOREVER})


@cache
def asset_names() -> frozenset[str]:
    """The names of the assets; no other path is ever opened."""
    return frozenset(file.name for file in _folder().joinpath("assets").iterdir())


@cache
def static_file(name: str, *, feedback: bool | None = None) -> StaticFile:
    """A built file, read and compressed once; ``feedback`` goes into the page, if it is known."""
    file = _folder().joinpath(name)
    data = file.read_bytes()
    if feedback is not None:
        word = b"on" if feedback else b"off"
        data = data.replace(FEEDBACK_UNKNOWN, b'data-feedback="%b"' % word)
    packed = gzip.compress(data, mtime=0)
    return StaticFile(MEDIA_TYPES[f".{name.rpartition('.')[2]}"], data, packed)


def _folder() -> Traversable:
    return resources.files("lucency.api") / "static"


def _page(request: Request, file: StaticFile) -> Response:
    headers = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-cache"}
    return _answer(request, file, headers)


def _answer(request: Request, file: StaticFile, headers: dict[str, str]) -> Response:
    headers = headers | {"Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
    if _takes_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        return Response(file.packed, media_type=file.media_type, headers=headers)
    return Response(file.plain, media_type=file.media_type, headers=headers)


def _takes_gzip(accepted: str) -> bool:
    """Whether the header names gzip, and not with quality 0 (RFC 9110, section 12.5.3)."""
    for entry in accepted.lower().split(","):
        coding, _, quality = entry.partition(";")
        if coding.strip() == "gzip":
            return quality.replace(" ", "").rstrip("0") not in ("q=", "q=0.")
    return False

"""The parts of a multipart form (RFC 7578), read into memory.

No upload is written to the disk, and no file name is kept: it may be that of a patient. How much
memory a form takes is limited by the middleware that limits the body.
"""

from collections.abc import Collection, Mapping
from typing import Any

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from lucency.api.limits import Refusal

FILE = "file"


async def read_file(request: Request) -> bytes:
    """Read the one file of a form.

    Raises
    ------
    Refusal
        It is no multipart form, is broken, holds other fields, or not one file.

    """
    parts = await read_form(request, fields={FILE: 1})
    if not parts[FILE]:
        raise no_file()
    return parts[FILE][0]


async def read_form(
    request: Request, *, fields: Mapping[str, int]
) -> Mapping[str, tuple[bytes, ...]]:
    """Read a form; ``fields`` says how many parts of each name it may have.

    Gives the bytes of the parts in their order, by name, for every field: none where there were
    none.

    Raises
    ------
    Refusal
        It is no multipart form, is broken, or holds other or more parts.

    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise _wrong_form(fields)
    form = _Form(fields)
    try:
        parser = MultipartParser(options.get(b"boundary", b""), form.callbacks())
        async for chunk in request.stream():
            parser.write(chunk)
        parser.finalize()
    except (FormParserError, ClientDisconnect):
        raise _broken_form() from None
    if not form.ended:
        raise _broken_form()
    return {name: tuple(b"".join(part) for part in parts) for name, parts in form.parts.items()}


def no_file() -> Refusal:
    """A form without the file that it is for."""
    message = f"{FILE}: must be an image file in the multipart form field '{FILE}', got none."
    return Refusal(422, code="invalid_request", message=message)


class _Form:
    """What the parser has found so far."""

    def __init__(self, fields: Mapping[str, int]) -> None:
        self._fields = fields
        self._header, self._value = bytearray(), bytearray()
        self._disposition = b""
        self._pieces: list[bytes] = []
        self.parts: dict[str, list[list[bytes]]] = {name: [] for name in fields}
        self.ended = False

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._take_header,
            "on_headers_finished": self._begin_data,
            "on_part_data": lambda data, start, end: self._pieces.append(data[start:end]),
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._disposition = b""

    def _take_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _begin_data(self) -> None:
        kind, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("latin-1")
        if kind != b"form-data" or name not in self._fields:
            raise _wrong_form(self._fields)
        if len(self.parts[name]) == self._fields[name]:
            raise _too_many(name, self._fields[name])
        self._pieces = []
        self.parts[name].append(self._pieces)

    def _end(self) -> None:
        self.ended = True


def _wrong_form(fields: Collection[str]) -> Refusal:
    """Refuse a form; what was sent may be anything, a patient's data too, and is not repeated."""
    names = " and ".join(f"'{name}'" for name in fields)
    message = (
        f"body: must be a multipart form with no other fields than {names}; parameters go into "
        "the query"
    )
    return Refusal(422, code="invalid_request", message=message)


def _broken_form() -> Refusal:
    message = "The multipart form is broken or ends early; send it again."
    return Refusal(400, code="invalid_body", message=message)


def _too_many(name: str, most: int) -> Refusal:
    if most == 1:
        message = f"{name}: send one image a request; several go to /v1/analyze/batch."
        return Refusal(422, code="invalid_request", message=message)
    message = f"{name}: there are more than {most} images; send them in several requests."
    return Refusal(422, code="too_many_images", message=message)

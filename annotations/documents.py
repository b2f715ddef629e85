"""Annotation documents: bytes to text and JSON, and checks that name the position of a mistake."""

import json
import math
import os
import stat
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lucency.configs.errors import AnnotationError

if TYPE_CHECKING:
    from lucency.annotations.sources import SourceFile

# Without blocking, so that a pipe among the files cannot stop a conversion.
_OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK
_NEXT_BYTES = 16_777_216
_LONGEST_NAME = 1_000
_LARGEST_SIDE = 2**31 - 1  # that of PNG
_DECODER = json.JSONDecoder()
_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


def read_text(file: "SourceFile") -> str:
    """Read UTF-8 (with or without a byte order mark), UTF-16 or UTF-32 text.

    Raises
    ------
    AnnotationError
        The file cannot be read or is no text.

    """
    return decode(read_bytes(file), name=file.name)


def read_bytes(file: "SourceFile") -> bytes:
    """The whole file; raises `AnnotationError` if it cannot be read.

    The system's own calls, since a set may have 20,000 files and these take half the time of a
    Python file object.
    """
    try:
        handle = os.open(file.path, _OPEN_FLAGS)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):  # a link to a device may never end
                raise AnnotationError(f"{file.name}: cannot be read: it is not a file")
            data = os.read(handle, status.st_size)
            while len(data) < status.st_size and (more := os.read(handle, _NEXT_BYTES)):
                data += more
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AnnotationError(f"{file.name}: cannot be read: {reason}") from None
    return data


def decode(data: bytes, *, name: str) -> str:
    """The text of a file's bytes, without a byte order mark.

    Raises
    ------
    AnnotationError
        They are no text; ``name`` is that of the file.

    """
    # ASCII's first characters settle it, and nearly all documents start with some.
    plain = data[:1].isascii() and b"\0" not in data[:4]
    try:
        text = data.decode("utf-8" if plain else json.detect_encoding(data))
    except UnicodeDecodeError as error:
        raise AnnotationError(
            f"{name}: is not text: byte {error.start} is not {error.encoding}"
        ) from None
    return text.removeprefix("\ufeff")


def read_json(file: "SourceFile") -> Any:
    """Read a JSON document. ``NaN`` and ``Infinity`` pass, so that `finite` can say where.

    Raises
    ------
    AnnotationError
        The file cannot be read, is not JSON, or is nested too deeply.

    """
    text = read_text(file)
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise AnnotationError(f"{file.name}: is nested too deeply to be an annotation") from None
    except json.JSONDecodeError as error:
        raise AnnotationError(
            f"{file.name}: is not valid JSON: {error.msg} in line {error.lineno}, "
            f"column {error.colno}"
        ) from None
    except ValueError as error:  # an integer of more than 4,300 digits
        raise AnnotationError(f"{file.name}: is not valid JSON: {error!s:.80}") from None


def finite(value: object) -> float | None:
    """The number ``value`` as a float, or None if it is no number or not finite."""
    if type(value) is float:  # by far the most, and this is asked a million times
        return value if -math.inf < value < math.inf else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def whole(value: object) -> int | None:
    """The number ``value`` as an int (640.0 is one), or None if it is not whole."""
    number = finite(value)
    return int(number) if number is not None and number.is_integer() else None


def text(value: object) -> str | None:
    """A string that can be written as UTF-8 on one line, or None."""
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_NAME:
        return None
    if value.isprintable():
        return value
    # JSON's \ud800 gives half a character, which no file can hold.
    if any(ord(char) < 32 or 0xD800 <= ord(char) <= 0xDFFF for char in value):
        return None
    return value


def shown(value: object) -> str:
    """``value`` as it stood in the document, cut to what fits into an error line."""
    try:
        line = json.dumps(value, ensure_ascii=True)
    except (ValueError, TypeError, RecursionError):
        line = repr(value)
    return line if len(line) <= 60 else f"{line[:57]}..."


def mapping(value: object, *, where: str) -> dict[str, Any]:
    """``value`` as a JSON object; raises `AnnotationError` if it is none."""
    if not isinstance(value, dict):
        raise AnnotationError(f"{where}: must be an object, got {shown(value)}")
    return value


def listing(value: object, *, where: str) -> list[Any]:
    """``value`` as a JSON list; raises `AnnotationError` if it is none."""
    if not isinstance(value, list):
        raise AnnotationError(f"{where}: must be a list, got {shown(value)}")
    return value


def flags(value: object, *, where: str) -> dict[str, bool]:
    """Image-level labels: names with true or false.

    Raises
    ------
    AnnotationError
        ``value`` is no object of such pairs.

    """
    for name, flag in mapping(value, where=where).items():
        if text(name) is None or not isinstance(flag, bool):
            raise AnnotationError(f"{where}.{name:.60}: must be true or false, got {shown(flag)}")
    return dict(mapping(value, where=where))


def patient_id(value: object, *, where: str) -> str:
    """A patient's id, or an empty text; raises `AnnotationError` if it is neither."""
    if value is None or value == "":
        return ""
    number = whole(value)
    found = str(number) if number is not None else text(value)
    if found is None:
        raise AnnotationError(f"{where}.patient_id: must be a text, got {shown(value)}")
    return found


def split(value: object, *, where: str) -> str:
    """``train``, ``val`` or ``test``, or an empty text; raises `AnnotationError` otherwise."""
    if value is None or value == "":
        return ""
    found = split_named([value]) if isinstance(value, str) else ""
    if not found:
        raise AnnotationError(f"{where}.split: must be train, val or test, got {shown(value)}")
    return found


def split_named(parts: Iterable[str]) -> str:
    """The split that the last telling part of a path names (``val2017``), or an empty text."""
    for part in reversed(list(parts)):
        name = _SPLIT_NAMES.get(part.lower().rstrip("0123456789"))
        if name:
            return name
    return ""


def size_wh(width: object, height: object, *, where: str) -> tuple[int, int] | None:
    """An image size in pixels, or None where the document has none (or 0 × 0).

    Raises
    ------
    AnnotationError
        One of the two is missing, not whole, below 1 or impossibly large.

    """
    plain = type(width) is int and type(height) is int
    if plain and 0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE:  # type: ignore[operator]
        return width, height  # type: ignore[return-value]
    if not width and not height:
        return None
    wide, high = whole(width), whole(height)
    if wide is None or high is None or min(wide, high) < 1 or max(wide, high) > _LARGEST_SIDE:
        raise AnnotationError(
            f"{where}: width and height must be whole numbers from 1 to {_LARGEST_SIDE}, "
            f"got {shown(width)} and {shown(height)}"
        )
    return wide, high

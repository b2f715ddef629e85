"""The same picture in another file is the same; any other picture is not."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lucency.annotations.images import SourceImage, look_at, look_at_bytes
from lucency.annotations.picture_digest import picture_digest


def picture(kind: str, *, last: int = 0, **options: object) -> bytes:
    """A picture with enough detail that its compressed form is longer than the first look."""
    image = Image.frombytes(
        "L", (200, 200), bytes((7 * n * n + n // 3) % 251 for n in range(40000))
    )
    image.putpixel((199, 199), last)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def look(path: Path, data: bytes) -> SourceImage:
    path.write_bytes(data)
    return look_at(str(path))


def comment(data: bytes) -> bytes:
    return data[:2] + b"\xff\xfe" + struct.pack(">H", 7) + b"hello" + data[2:]


def exif(data: bytes, orientation: int = 1) -> bytes:
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    body = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def text_chunk(data: bytes) -> bytes:
    body = b"tEXt" + b"Title\0x"
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:33] + chunk + data[33:]


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("JPEG", lambda data: data + b"rubbish \xff\xd9"),
        ("JPEG", comment),
        ("JPEG", exif),
        ("PNG", text_chunk),
        ("PNG", lambda data: data + b"rubbish"),
    ],
    ids=["bytes behind", "comment", "EXIF", "PNG text", "PNG, bytes behind"],
)
def test_another_file_with_the_same_picture(
    tmp_path: Path, kind: str, change: Callable[[bytes], bytes]
) -> None:
    data = picture(kind)
    one, other = look(tmp_path / "1", data), look(tmp_path / "2", change(data))
    assert one.sha256 != other.sha256
    for limit in (10, 4096, -1):
        assert picture_digest(one, limit=limit) == picture_digest(other, limit=limit)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_another_picture(tmp_path: Path, kind: str) -> None:
    """It differs in its last pixel alone, which a first look does not reach."""
    one = look(tmp_path / "1", picture(kind))
    other = look(tmp_path / "2", picture(kind, last=255))
    assert picture_digest(one, limit=10) == picture_digest(other, limit=10)
    assert picture_digest(one) != picture_digest(other)


def test_a_picture_turned_by_its_orientation_is_another(tmp_path: Path) -> None:
    data = picture("JPEG")
    one, other = look(tmp_path / "1", exif(data, 1)), look(tmp_path / "2", exif(data, 6))
    assert picture_digest(one) != picture_digest(other)


def test_another_quality_is_another_picture(tmp_path: Path) -> None:
    one, other = (
        look(tmp_path / str(quality), picture("JPEG", quality=quality)) for quality in (80, 81)
    )
    assert picture_digest(one) != picture_digest(other)


def test_the_files_digest_where_the_picture_cannot_be_told(tmp_path: Path) -> None:
    tiff = look(tmp_path / "1", picture("TIFF"))
    assert picture_digest(tiff) == tiff.sha256
    inside = look_at_bytes(picture("PNG"), "1.json")
    assert picture_digest(inside) == inside.sha256
    gone = look(tmp_path / "2", picture("PNG"))
    (tmp_path / "2").unlink()
    assert picture_digest(gone) == gone.sha256
    damaged = look(tmp_path / "3", picture("JPEG"))
    (tmp_path / "3").write_bytes(b"\xff\xd8\xff")
    assert picture_digest(damaged) == damaged.sha256

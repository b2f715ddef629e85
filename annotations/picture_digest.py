"""Telling identical pictures in files that are not: copies with other metadata, or rubbish behind.

A JPEG is compared by its tables and scans without APPn and COM segments, up to its end (ITU-T T.81
B.1.1); a PNG by the chunks that make up its picture (ISO/IEC 15948 clause 11). Nothing is decoded:
two encodings of one picture are two pictures here. FracAtlas has 15 such pairs, and one of them
is a fracture in one file and a negative in the other.
"""

import hashlib
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, TypeAlias

from lucency.annotations.checked_images import CheckedImage
from lucency.annotations.images import SourceImage

# Nearly all images differ this early; the others are read to their end.
_FIRST_BYTES = 4096
_SOS, _COM, _APP = 0xDA, 0xFE, range(0xE0, 0xF0)
_PICTURE_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT"})

_Pieces: TypeAlias = Callable[[BinaryIO, int], Iterator[bytes]]


def identical_pictures(images: Iterable[CheckedImage]) -> list[list[CheckedImage]]:
    """The groups of two or more images that show the same, in the order of the first of each."""
    files = [image for image in images if image.entry.image is not None]
    groups = [files]
    for limit in (_FIRST_BYTES, -1):
        groups = [alike for group in groups for alike in _grouped(group, limit) if len(alike) > 1]
    return groups


def _grouped(images: Iterable[CheckedImage], limit: int) -> Iterable[list[CheckedImage]]:
    alike: defaultdict[str, list[CheckedImage]] = defaultdict(list)
    for image in images:
        if image.entry.image is not None:
            alike[picture_digest(image.entry.image, limit=limit)].append(image)
    return alike.values()


def picture_digest(image: SourceImage, *, limit: int = -1) -> str:
    """A digest that is equal for files with the same picture; that of the file where unknown.

    ``limit`` is how many bytes of the compressed picture are looked at, -1 for all of them.
    """
    pieces = _PIECES.get(image.header.kind)
    if pieces is None or image.data is not None:
        return image.sha256
    digest = hashlib.sha256(repr(image.header).encode())
    try:
        with open(image.path, "rb") as stream:  # noqa: PTH123 - thousands of them
            for piece in pieces(stream, limit):
                digest.update(piece)
    except (OSError, struct.error):
        return image.sha256
    return digest.hexdigest()


def _jpeg(stream: BinaryIO, limit: int) -> Iterator[bytes]:
    stream.seek(2)
    while True:
        start, marker, length = struct.unpack(">BBH", stream.read(4))
        if start != 0xFF:
            raise struct.error("rubbish between segments")
        if marker == _SOS:
            yield stream.read(limit).partition(b"\xff\xd9")[0]
            return
        body = stream.read(max(length - 2, 0))
        if marker not in _APP and marker != _COM:
            yield bytes([marker]) + body


def _png(stream: BinaryIO, limit: int) -> Iterator[bytes]:
    stream.seek(8)
    left = limit
    while left:
        length, kind = struct.unpack(">I4s", stream.read(8))
        if kind == b"IEND":
            return
        if kind not in _PICTURE_CHUNKS:
            stream.seek(length + 4, 1)
            continue
        body = stream.read(length if limit < 0 else min(length, left))
        yield kind + body
        left -= len(body) if limit >= 0 else 0
        stream.seek(length - len(body) + 4, 1)


_PIECES: dict[str, _Pieces] = {"jpeg": _jpeg, "png": _png}

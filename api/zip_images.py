"""The images in a zip archive of a stranger, within limits that hold whatever it says of itself.

Nothing is written to the disk, and no name in it is used for anything but to pass over folders and
what macOS adds. What is counted is what comes out, not what the archive announces.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from lucency.configs.errors import ImageError, ImageFault, LucencyError

# The first bytes of an archive, and of one without entries.
_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
# "End of central directory" (APPNOTE 4.3.16) without its comment, which has up to 65,535 bytes.
_END = struct.Struct("<4s4H2LH")
_END_MAGIC = b"PK\x05\x06"
_ZIP64_LOCATOR = b"PK\x06\x07"
_LOCATOR_BYTES = 20
# Python's reader takes a time that grows with the square of an entry's extra fields.
_MOST_DIRECTORY_BYTES = 262_144
_MOST_ENTRIES = 1000
# Deflate reaches 1,030 to 1; a radiograph with a black background 20 to 1.
_MOST_EXPANSION = 200
_BELOW_SUSPICION = 1_048_576
_CHUNK = 262_144
_ENCRYPTED = 0x1


class ZipError(LucencyError):
    """An archive that cannot be read, or holds no image."""


class ZipTooLargeError(LucencyError):
    """An archive of which more comes out than is accepted."""


class TooManyImagesError(LucencyError):
    """More images than are accepted at once."""


@dataclass(frozen=True)
class ZipLimits:
    """How many images may come out, and how many bytes of one and of all of them."""

    images: int
    image_bytes: int
    total_bytes: int


def is_zip(data: bytes) -> bool:
    """Whether the bytes begin as a zip archive does."""
    return data.startswith(_MAGIC)


def images_of_zip(data: bytes, *, limits: ZipLimits) -> tuple[bytes | ImageError, ...]:
    """The bytes of each image in the order of the archive's directory, or why it has none.

    Folders and what macOS adds are passed over. Whether the bytes are those of an image is for the
    caller to find out.

    Raises
    ------
    ZipError
        It is damaged as a whole, uses Zip64, or holds no file.
    ZipTooLargeError
        More comes out than ``limits`` allow, or suspiciously much.
    TooManyImagesError
        It holds more files than ``limits`` allow.

    """
    _check_directory(data)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = [entry for entry in archive.infolist() if _is_file(entry)]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
        raise ZipError("file: is a damaged zip archive; make it again") from None
    if not entries:
        raise ZipError("file: the zip archive holds no file; put images into it")
    if len(entries) > limits.images:
        raise TooManyImagesError(
            f"file: the zip archive holds {len(entries)} files, of which {limits.images} are "
            "accepted at once; make several"
        )
    images: list[bytes | ImageError] = []
    total = 0
    for entry in entries:
        most = min(limits.image_bytes, limits.total_bytes - total)
        image = _extracted(archive, entry, most=most)
        total += len(image) if isinstance(image, bytes) else 0
        images.append(image)
    return tuple(images)


def _check_directory(data: bytes) -> None:
    """Refuse a directory that would take long to read, before it is read."""
    place = data.rfind(_END_MAGIC, max(0, len(data) - 65_535 - _END.size))
    if place < 0 or place + _END.size > len(data):
        raise ZipError("file: is a zip archive that ends early; make it again")
    if data[max(0, place - _LOCATOR_BYTES) :].startswith(_ZIP64_LOCATOR):
        raise ZipError("file: is a Zip64 archive; make a plain one")
    _, _, _, _, entries, directory_bytes, _, _ = _END.unpack_from(data, place)
    if entries > _MOST_ENTRIES or directory_bytes > _MOST_DIRECTORY_BYTES:
        raise TooManyImagesError(
            f"file: the zip archive holds {entries} entries in a directory of {directory_bytes} "
            f"bytes; at most {_MOST_ENTRIES} in {_MOST_DIRECTORY_BYTES} are read"
        )


def _is_file(entry: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(entry.filename)
    # Not `is_dir`, which fails for an entry without a name.
    is_folder = entry.filename.endswith("/")
    return not (is_folder or "__MACOSX" in path.parts or path.name == ".DS_Store")


def _extracted(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, *, most: int
) -> bytes | ImageError:
    """The bytes of one entry, counted as they come; raises `ZipTooLargeError` beyond ``most``."""
    if entry.flag_bits & _ENCRYPTED:
        return ImageError("image: is encrypted; send it without", ImageFault.UNREADABLE)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return ImageError(
            "image: is compressed in another way than Deflate; make the zip archive again",
            ImageFault.UNREADABLE,
        )
    expansion = max(_BELOW_SUSPICION, _MOST_EXPANSION * entry.compress_size)
    pieces: list[bytes] = []
    count = 0
    try:
        for piece in _pieces(archive, entry):
            count += len(piece)
            if count > most or count > expansion:
                raise ZipTooLargeError(
                    "file: more comes out of the zip archive than is accepted; send fewer or "
                    "smaller images at once"
                )
            pieces.append(piece)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError):
        return ImageError("image: is damaged in the zip archive; make it again")
    return b"".join(pieces)


def _pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    with archive.open(entry) as file:
        while piece := file.read(_CHUNK):
            yield piece

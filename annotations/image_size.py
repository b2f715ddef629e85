"""The size of an image from its header, and whether its file is complete, without decoding.

PNG (ISO/IEC 15948), JPEG (ITU-T T.81, with the EXIF orientation), TIFF 6.0 and DICOM (PS3.5 and
PS3.10). Pixels are not looked at: a file with damaged pixels passes; a truncated one does not.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from lucency.annotations.dicom_header import read_dicom_header
from lucency.configs.errors import ImageError

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jfif", ".tif", ".tiff", ".dcm", ".dicom", ".dic"}
)

_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*")
_TAIL_BYTES = 4096
_MAX_RUBBISH_BYTES = 65_536
_MAX_EXIF_BYTES = 1_000_000

# JPEG markers (T.81 table B.1): frames, those without a length, start of scan and end of image.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset(range(0xD0, 0xD9)) | {0x01}
_SOS, _EOI, _APP1 = 0xDA, 0xD9, 0xE1
_EXIF_TURNED = frozenset({5, 6, 7, 8})  # orientations with rows and columns exchanged

_ORIENTATION, _IMAGE_WIDTH, _IMAGE_LENGTH = 0x0112, 0x0100, 0x0101
_STRIP_OFFSETS, _STRIP_BYTES, _TILE_OFFSETS, _TILE_BYTES = 0x0111, 0x0117, 0x0144, 0x0145
_TIFF_FIELDS = frozenset(
    {_ORIENTATION, _IMAGE_WIDTH, _IMAGE_LENGTH}
    | {_STRIP_OFFSETS, _STRIP_BYTES, _TILE_OFFSETS, _TILE_BYTES}
)
_TIFF_TYPES = {1: "B", 3: "H", 4: "I"}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What the header tells: ``kind`` (png, jpeg, tiff, dicom) and the size as displayed, in px.

    ``orientation`` is that of EXIF, 1 to 8: how the stored rows and columns are to be turned.
    """

    kind: str
    width: int
    height: int
    orientation: int = 1


def read_header(stream: BinaryIO) -> ImageHeader:
    """Read the header of a seekable stream and make sure that the file is complete.

    Raises
    ------
    ImageError
        The format is unknown, or the file is truncated or damaged; without the file's name.

    """
    start = stream.read(132)
    stream.seek(0)
    if not start:
        raise ImageError("is empty")
    try:
        if start.startswith(_PNG):
            header = _png(stream)
        elif start.startswith(b"\xff\xd8\xff"):
            header = _jpeg(stream)
        elif start[128:132] == b"DICM":  # before TIFF: a preamble may be a TIFF header (PS3.10 7.1)
            dicom = read_dicom_header(stream)
            header = ImageHeader("dicom", dicom.columns, dicom.rows)
        elif start.startswith(_TIFF):
            header = _tiff(stream)
        else:
            raise ImageError("is no PNG, JPEG, TIFF or DICOM image")
    except struct.error:
        raise ImageError("is truncated within its header") from None
    if header.width < 1 or header.height < 1:
        raise ImageError(f"has the impossible size {header.width} x {header.height} px")
    return header


def _png(stream: BinaryIO) -> ImageHeader:
    """Walk the chunks to IEND; ``eXIf`` may stand anywhere between."""
    stream.seek(len(_PNG))
    size: tuple[int, int] | None = None
    orientation = 1
    while True:
        head = stream.read(8)
        if len(head) < 8:
            raise ImageError("is a truncated PNG: its end (IEND) is missing")
        length, kind = struct.unpack(">I4s", head)
        if size is None and kind != b"IHDR":
            raise ImageError("is a damaged PNG: it does not start with IHDR")
        if kind == b"IHDR":
            size = struct.unpack(">II", stream.read(8))
            length -= 8
        elif kind == b"eXIf" and length <= _MAX_EXIF_BYTES:
            orientation = _orientation_in(stream.read(length)) or orientation
            length = 0
        elif kind == b"IEND":
            break
        stream.seek(max(length, 0) + 4, 1)
    return _turned("png", size or (0, 0), orientation)


def _jpeg(stream: BinaryIO) -> ImageHeader:
    """Walk the segments (T.81 B.1.1) up to the scan, then look for the end of the image."""
    size: tuple[int, int] | None = None
    orientation = 1
    stream.seek(2)
    while True:
        marker = _next_marker(stream)
        if marker == _EOI:
            raise ImageError("is a damaged JPEG: it has no pixels")
        (length,) = struct.unpack(">H", stream.read(2))
        if marker in _FRAMES:
            _, height, width = struct.unpack(">BHH", stream.read(5))
            size = width, height
            length -= 5
        elif marker == _APP1:
            payload = stream.read(length - 2) if length > 2 else b""
            if payload.startswith(b"Exif\0\0"):
                orientation = _orientation_in(payload[6:]) or orientation
            continue
        elif marker == _SOS:
            break
        stream.seek(length - 2, 1)
    if size is None:
        raise ImageError("is a damaged JPEG: it has no size")
    if not _has_end_of_image(stream):
        raise ImageError("is a truncated JPEG: its end-of-image marker is missing")
    return _turned("jpeg", size, orientation)


def _next_marker(stream: BinaryIO) -> int:
    previous = 0
    for _ in range(_MAX_RUBBISH_BYTES):  # decoders tolerate some between segments
        byte = stream.read(1)
        if not byte:
            raise ImageError("is a truncated JPEG: it ends within its header")
        if previous == 0xFF and byte[0] not in _BARE and byte[0] not in (0x00, 0xFF):
            return byte[0]
        previous = byte[0]
    raise ImageError("is a damaged JPEG: no segment follows where one should")


def _has_end_of_image(stream: BinaryIO) -> bool:
    """Whether FFD9 follows the scan's header; some writers add bytes after it.

    Within entropy-coded data FF is always followed by 00 or a restart marker (T.81 B.1.1.5).
    """
    scan = stream.tell()
    stream.seek(0, 2)
    end = stream.tell()
    stream.seek(max(scan, end - _TAIL_BYTES))
    if b"\xff\xd9" in stream.read():
        return True
    stream.seek(scan)
    return b"\xff\xd9" in stream.read()


def _turned(kind: str, size: tuple[int, int], orientation: int) -> ImageHeader:
    width, height = size[::-1] if orientation in _EXIF_TURNED else size
    return ImageHeader(kind, width, height, orientation if orientation in range(1, 9) else 1)


def _orientation_in(tiff: bytes) -> int:
    """The orientation 1 to 8 in an EXIF block, or 0 if there is none that can be read."""
    if tiff[:4] not in _TIFF:
        return 0
    order = "<" if tiff.startswith(b"II") else ">"
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for number in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * number)
            if tag == _ORIENTATION and kind == 3:
                return int(value)
    except struct.error:  # damaged EXIF is ignored, as every viewer does
        return 0
    return 0


def _tiff(stream: BinaryIO) -> ImageHeader:
    """Read the first image file directory (TIFF 6.0 section 2)."""
    order = "<" if stream.read(4).startswith(b"II") else ">"
    (start,) = struct.unpack(f"{order}I", stream.read(4))
    stream.seek(start)
    (count,) = struct.unpack(f"{order}H", stream.read(2))
    directory = stream.read(12 * count)
    fields: dict[int, tuple[int, ...]] = {}
    for number in range(count):
        tag, kind, length = struct.unpack_from(f"{order}HHI", directory, 12 * number)
        if tag in _TIFF_FIELDS:
            fields[tag] = _tiff_values(
                stream, directory[12 * number + 8 : 12 * number + 12], kind, length, order
            )
    if not (fields.get(_IMAGE_WIDTH) and fields.get(_IMAGE_LENGTH)):
        raise ImageError("is a damaged TIFF: it has no size")
    _check_strips(stream, fields)
    size = fields[_IMAGE_WIDTH][0], fields[_IMAGE_LENGTH][0]
    return _turned("tiff", size, (fields.get(_ORIENTATION) or (1,))[0])


def _tiff_values(
    stream: BinaryIO, value: bytes, kind: int, length: int, order: str
) -> tuple[int, ...]:
    code = _TIFF_TYPES.get(kind)
    if code is None:
        return ()
    layout = f"{order}{length}{code}"
    if length > 1_000_000:
        raise ImageError(f"is a damaged TIFF: a field claims {length} values")
    if struct.calcsize(layout) > 4:
        (offset,) = struct.unpack(f"{order}I", value)
        stream.seek(offset)
        value = stream.read(struct.calcsize(layout))
    return struct.unpack_from(layout, value)


def _check_strips(stream: BinaryIO, fields: dict[int, tuple[int, ...]]) -> None:
    offsets = fields.get(_STRIP_OFFSETS) or fields.get(_TILE_OFFSETS) or ()
    counts = fields.get(_STRIP_BYTES) or fields.get(_TILE_BYTES) or ()
    stream.seek(0, 2)
    if max((a + b for a, b in zip(offsets, counts, strict=False)), default=0) > stream.tell():
        raise ImageError("is a truncated TIFF: its pixels go on beyond the end of the file")

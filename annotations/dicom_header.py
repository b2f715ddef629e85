"""What of a DICOM file matters to annotations: its size and identity (PS3.5 section 7).

Whether the pixel data is all there is checked as well.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from lucency.configs.errors import ImageError

_DEFLATED = "1.2.840.10008.1.2.1.99"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"

_SOP_INSTANCE_UID = 0x00080018
_TRANSFER_SYNTAX, _ROWS, _COLUMNS, _PIXELS = 0x00020010, 0x00280010, 0x00280011, 0x7FE00010
_ITEM_END, _SEQUENCE_END = 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
# Value representations with two reserved bytes and a length of four (PS3.5 table 7.1-1).
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV"}) | frozenset(
    {b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_MAX_DEPTH = 50
_MAX_ELEMENTS = 200_000


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """Columns and Rows in pixels, and the SOPInstanceUID, empty where there is none."""

    columns: int
    rows: int
    sop_instance_uid: str


def read_dicom_header(stream: BinaryIO) -> DicomHeader:
    """Read what matters; the stream must start with a preamble.

    Raises
    ------
    ImageError
        There is no image in the file, its pixel data is truncated, or its transfer syntax is
        deflated (PS3.5 annex A.5): a small file may then unpack to gigabytes.

    """
    stream.seek(0, 2)
    end = stream.tell()
    stream.seek(132)
    syntax = _transfer_syntax(stream)
    if syntax == _DEFLATED:
        raise ImageError("is a deflated DICOM file, which is not supported")
    # Some files name one syntax and use the other: what stands at the first element decides.
    first = stream.read(6)
    stream.seek(-len(first), 1)
    reader = _Reader(stream, end, "<>"[syntax == _BIG_ENDIAN], first[4:].isalpha())
    found: dict[int, int] = {}
    uid = b""
    while stream.tell() < end:
        tag, length = reader.element()
        if tag == _PIXELS:
            reader.skip(length)
            if stream.tell() > end:
                raise ImageError("is a truncated DICOM file: its pixel data ends too early")
            break
        if tag in (_ROWS, _COLUMNS) and length == 2:
            found[tag] = reader.unpack("H")
        elif tag == _SOP_INSTANCE_UID and length <= 64:
            uid = stream.read(length)
        else:
            reader.skip(length)
    else:
        raise ImageError("is a DICOM file without pixel data, or a truncated one")
    if len(found) < 2:
        raise ImageError("is a DICOM file without Rows and Columns")
    name = uid.decode("ascii", "replace").rstrip("\0 ")
    return DicomHeader(found[_COLUMNS], found[_ROWS], name)


def _transfer_syntax(stream: BinaryIO) -> str:
    """Read group 0002, which is always explicit little endian (PS3.10 section 7.1)."""
    reader = _Reader(stream, stream.seek(0, 2), "<", True)
    stream.seek(132)
    syntax = ""
    while True:
        position = stream.tell()
        start = stream.read(2)
        stream.seek(position)
        if start != b"\x02\x00":
            return syntax
        tag, length = reader.element()
        if tag == _TRANSFER_SYNTAX and length <= 64:
            syntax = stream.read(length).decode("ascii", "replace").rstrip("\0 ")
        else:
            reader.skip(length)


class _Reader:
    """Walks data elements without keeping values."""

    def __init__(self, stream: BinaryIO, end: int, order: str, explicit: bool) -> None:
        self._stream = stream
        self._end = end
        self._order = order
        self._explicit = explicit
        self._elements = 0
        self._unknown = False  # the last element was of type UN

    def unpack(self, layout: str) -> int:
        """One number; raises `struct.error` at the end of the file."""
        layout = self._order + layout
        data = self._stream.read(struct.calcsize(layout))
        return int(struct.unpack(layout, data)[0])

    def element(self) -> tuple[int, int]:
        """Tag and length of the next element; the stream then stands at its value."""
        self._elements += 1
        if self._elements > _MAX_ELEMENTS:
            raise ImageError("is a damaged DICOM file: it has too many elements")
        tag = self.unpack("H") << 16 | self.unpack("H")
        self._unknown = False
        if not self._explicit or tag >> 16 == 0xFFFE:
            return tag, self.unpack("I")
        kind = self._stream.read(2)
        self._unknown = kind == b"UN"
        if kind in _LONG:
            self._stream.seek(2, 1)
            return tag, self.unpack("I")
        if not kind.isalpha():
            raise ImageError(f"is a damaged DICOM file: element {tag:08X} has no type")
        return tag, self.unpack("H")

    def skip(self, length: int, depth: int = 0) -> None:
        """Skip a value; one of undefined length up to its delimiter (PS3.5 section 7.5.1)."""
        if length != _UNDEFINED:
            self._stream.seek(length, 1)
            return
        if depth > _MAX_DEPTH:
            raise ImageError("is a damaged DICOM file: its sequences are nested too deeply")
        explicit = self._explicit
        if self._unknown:  # what is inside is implicit (PS3.5 section 6.2.2, note 4)
            self._explicit = False
        while self._stream.tell() <= self._end:
            tag, length = self.element()
            if tag in (_SEQUENCE_END, _ITEM_END):
                self._explicit = explicit
                return
            self.skip(length, depth + 1)
        raise ImageError("is a truncated DICOM file")

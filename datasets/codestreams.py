"""What a compressed frame says of itself, read before anything is decoded.

Its size must be that of the DICOM header: a decoder takes the memory that the codestream asks
for. JPEG (ITU-T T.81), JPEG-LS (T.87) and JPEG 2000 with its high-throughput form (T.800, T.814).
"""

import struct
from dataclasses import dataclass

JPEG, JPEG_LS, JPEG_2000 = "JPEG", "JPEG-LS", "JPEG 2000"

END = b"\xff\xd9"  # EOI of JPEG and JPEG-LS, EOC of JPEG 2000
# Markers of T.81 table B.1 and T.87 C.1: frames, and those that stand alone.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_LS_FRAME = 0xF7
_BARE = frozenset(range(0xD0, 0xD8)) | {0x01}
_SCAN, _FILL = 0xDA, 0xFF
_JP2_SIGNATURE = b"\0\0\0\x0cjP  "
_J2K_START = b"\xff\x4f\xff\x51"
_TILE_PART = b"\xff\x90"


@dataclass(frozen=True, slots=True)
class Codestream:
    """The header of one compressed frame.

    ``bits`` is the precision, ``end`` the place of the end marker, or -1 where the data runs out
    before it. ``spectrum`` is the first and last coefficient of a JPEG's first scan.
    """

    kind: str
    width: int
    height: int
    bits: int
    signed: bool
    components: int
    end: int
    spectrum: tuple[int, int] = (0, 0)
    sequential: bool = False


def read_codestream(frame: bytes) -> Codestream | None:
    """Read the header of a compressed frame; None where it is damaged or of another kind."""
    try:
        if frame[:2] == b"\xff\xd8":
            return _read_jpeg(frame)
        return _read_jpeg_2000(frame)
    except (struct.error, IndexError):
        return None


def _read_jpeg(frame: bytes) -> Codestream | None:
    """Walk the marker segments up to the first scan."""
    place, marker, head = 2, 0, None
    while marker != _SCAN:
        if frame[place] != _FILL:
            return None
        marker = frame[place + 1]
        if marker == _FILL:  # fill bytes may stand before any marker
            place += 1
            continue
        if marker in _BARE:
            place += 2
            continue
        (length,) = struct.unpack_from(">H", frame, place + 2)
        if marker in _FRAMES and head is None:
            head = marker, *struct.unpack_from(">BHHB", frame, place + 4)
        if marker != _SCAN:
            place += 2 + length
    if head is None:
        return None
    first = place + 5 + 2 * frame[place + 4]
    kind = JPEG_LS if head[0] == _LS_FRAME else JPEG
    return Codestream(
        kind,
        width=head[3],
        height=head[2],
        bits=head[1],
        signed=False,
        components=head[4],
        # Bytes of coded data are stuffed, so that this one cannot stand within them.
        end=frame.rfind(END, place),
        spectrum=(frame[first], frame[first + 1]),
        sequential=head[0] in (0xC0, 0xC1),
    )


def _read_jpeg_2000(frame: bytes) -> Codestream | None:
    """Read the SIZ segment (T.800 A.5.1), which is always the first."""
    start = 0
    if frame[:8] == _JP2_SIGNATURE:  # not allowed in DICOM, yet met
        start = frame.find(b"jp2c") + 4
    if frame[start : start + 4] != _J2K_START:
        return None
    right, bottom, left, top, *tiles = struct.unpack_from(">8I", frame, start + 8)
    components, bits = struct.unpack_from(">HB", frame, start + 40)
    tile_width, tile_height, tiles_left, tiles_top = tiles
    if not tile_width or not tile_height:
        return None
    across = -(-(right - tiles_left) // tile_width)
    down = -(-(bottom - tiles_top) // tile_height)
    return Codestream(
        JPEG_2000,
        width=right - left,
        height=bottom - top,
        bits=(bits & 0x7F) + 1,
        signed=bits > 0x7F,
        components=components,
        end=_end_of_tiles(frame, start + 2, count=across * down),
    )


def _end_of_tiles(frame: bytes, place: int, *, count: int) -> int:
    """The place of the end marker, found from tile-part to tile-part (T.800 A.4.2), or -1.

    It is -1 as well where a tile is missing, which decoders leave black without a word.
    """
    found = set()
    try:
        while frame[place : place + 2] != _TILE_PART:
            place += 2 + int(struct.unpack_from(">H", frame, place + 2)[0])
        while frame[place : place + 2] == _TILE_PART:
            tile, length = struct.unpack_from(">HI", frame, place + 4)
            found.add(tile)
            place += length or 14  # 0: the last part, up to the end marker
            if not length:
                break
    except struct.error:
        return -1
    end = frame.rfind(END)
    return end if end >= place and len(found) >= count else -1

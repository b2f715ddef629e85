"""Where the frames of a DICOM file lie: the pixel data element and its fragments (PS3.5 A.4)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from lucency.configs.errors import ImageError, ImageFault
from lucency.datasets.codestreams import END

_PIXEL_DATA = 0x7FE00010
_FLOAT_PIXEL_DATA = (0x7FE00008, 0x7FE00009)
_ITEM, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
# Value representations of pixel data, whose length takes four bytes after two reserved ones.
_LONG = (b"OB", b"OW", b"UN", b"OF", b"OD")


@dataclass(frozen=True, slots=True)
class PixelElement:
    """The value of the pixel data element, not copied; ``fragmented`` where it is encapsulated.

    ``words`` tells that 8-bit values were written as words, which matters for big endian.
    """

    value: memoryview
    fragmented: bool
    words: bool


def find_pixels(data: bytes, place: int, *, little_endian: bool, name: str) -> PixelElement | None:
    """The pixel data element that begins at ``place``, or None where there is none.

    Raises
    ------
    ImageError
        It goes on beyond the end of the file, or holds floating-point numbers.

    """
    order = "<" if little_endian else ">"
    if place + 8 > len(data):
        return None
    group, element = struct.unpack_from(f"{order}HH", data, place)
    tag = group << 16 | element
    if tag in _FLOAT_PIXEL_DATA:
        raise ImageError(
            f"{name}: has floating-point pixels; save it with 8 or 16 bits", ImageFault.DEPTH
        )
    if tag != _PIXEL_DATA:
        return None
    kind = data[place + 4 : place + 6]
    start = place + (12 if kind in _LONG else 8)
    if start > len(data):
        raise _truncated(name)
    (length,) = struct.unpack_from(f"{order}I", data, start - 4)
    fragmented = length == _UNDEFINED
    if not fragmented and start + length > len(data):
        raise _truncated(name)
    value = memoryview(data)[start:] if fragmented else memoryview(data)[start : start + length]
    return PixelElement(value, fragmented, kind == b"OW")


def split_frames(
    element: PixelElement, frames: int, *, name: str
) -> Sequence[Sequence[memoryview]]:
    """The fragments of each frame, in the order of the frames.

    A file of one frame, or with as many fragments as frames, needs no table of offsets, and a
    wrong one does no harm.

    Raises
    ------
    ImageError
        The file ends within the fragments, or they cannot be told apart.

    """
    table, *fragments = _items(element.value, name=name)
    if frames == 1 and fragments:
        return (fragments,)
    if len(fragments) == frames:
        return [[fragment] for fragment in fragments]
    offsets = struct.unpack(f"<{len(table) // 4}I", table[: len(table) // 4 * 4])
    groups = _by_offset(fragments, offsets) if offsets else _by_end(fragments)
    if len(groups) != frames:
        raise ImageError(
            f"{name}: NumberOfFrames is {frames}, but there are compressed pixels of "
            f"{len(groups)}; export it again",
            ImageFault.HEADER,
        )
    return groups


def _items(value: memoryview, *, name: str) -> Sequence[memoryview]:
    """All items up to the delimiter, the table of offsets first."""
    items: list[memoryview] = []
    place = 0
    while place + 8 <= len(value):
        group, element, length = struct.unpack_from("<HHI", value, place)
        tag = group << 16 | element
        if tag == _SEQUENCE_END and items:
            return items
        if tag != _ITEM or length == _UNDEFINED:
            raise ImageError(
                f"{name}: the compressed pixels are damaged: no item stands where one should; "
                "export or copy it again"
            )
        items.append(value[place + 8 : place + 8 + length])
        place += 8 + length
    raise _truncated(name)


def _by_offset(fragments: Sequence[memoryview], offsets: Sequence[int]) -> list[list[memoryview]]:
    """Frames begin at the offsets, which count from the first fragment's item on."""
    groups: list[list[memoryview]] = []
    starts = set(offsets)
    place = 0
    for fragment in fragments:
        if place in starts or not groups:
            groups.append([])
        groups[-1].append(fragment)
        place += 8 + len(fragment)
    return groups


def _by_end(fragments: Sequence[memoryview]) -> list[list[memoryview]]:
    """Frames end with the fragment that has an end marker among its last bytes."""
    groups: list[list[memoryview]] = [[]]
    for fragment in fragments:
        groups[-1].append(fragment)
        if END in bytes(fragment[-10:]):
            groups.append([])
    return [group for group in groups if group]


def _truncated(name: str) -> ImageError:
    return ImageError(
        f"{name}: is truncated: it ends before its pixels do; export or copy it again",
        ImageFault.TRUNCATED,
    )

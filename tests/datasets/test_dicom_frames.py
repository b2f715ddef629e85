import struct
from collections.abc import Callable

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from lucency.configs.errors import ImageError, ImageFault
from lucency.datasets.dicom_frames import PixelElement, split_frames
from lucency.datasets.radiographs import decode_radiograph

ITEM, END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"


def items(*values: bytes, table: bytes = b"", end: bytes = END) -> PixelElement:
    data = b"".join(ITEM + struct.pack("<I", len(value)) + value for value in (table, *values))
    return PixelElement(memoryview(data + end), True, False)


def frames(element: PixelElement, count: int) -> list[bytes]:
    return [b"".join(group) for group in split_frames(element, count, name="x")]


def test_one_frame_is_all_fragments_whatever_the_table_says() -> None:
    for table in (b"", struct.pack("<I", 999_999), struct.pack("<II", 8, 0), b"\xff" * 4):
        assert frames(items(b"ab", b"cd", b"ef", table=table), 1) == [b"abcdef"]


def test_as_many_fragments_as_frames() -> None:
    wrong = struct.pack("<III", 4, 4, 4)
    assert frames(items(b"ab", b"cd", b"ef", table=wrong), 3) == [b"ab", b"cd", b"ef"]


def test_the_table_tells_fragments_apart() -> None:
    table = struct.pack("<II", 0, 20)
    assert frames(items(b"ab", b"cd", b"ef", table=table), 2) == [b"abcd", b"ef"]


def test_without_a_table_end_markers_tell_fragments_apart() -> None:
    element = items(b"ab", b"c\xff\xd9\0", b"ef", b"\xff\xd9")
    assert frames(element, 2) == [b"abc\xff\xd9\0", b"ef\xff\xd9"]


@pytest.mark.parametrize(
    ("element", "count", "fault"),
    [
        (items(b"ab", b"cd", end=b""), 1, ImageFault.TRUNCATED),
        (items(b"ab", end=ITEM + b"\x10\0\0\0ab"), 1, ImageFault.TRUNCATED),
        (items(b"ab", end=b"\xfe\xff"), 1, ImageFault.TRUNCATED),
        (items(b"ab", b"cd", b"ef"), 2, ImageFault.HEADER),
        (items(b"ab"), 2, ImageFault.HEADER),
        (items(), 1, ImageFault.HEADER),
        (items(b"ab", b"cd", b"ef", table=struct.pack("<I", 0)), 2, ImageFault.HEADER),
        (items(b"ab", end=b"rubbish!"), 1, ImageFault.DAMAGED),
        (items(b"ab", end=ITEM + b"\xff\xff\xff\xff" + END), 1, ImageFault.DAMAGED),
        (PixelElement(memoryview(END), True, False), 1, ImageFault.DAMAGED),
        (PixelElement(memoryview(b""), True, False), 1, ImageFault.TRUNCATED),
    ],
    ids=[
        "no-delimiter", "fragment-cut", "tag-cut", "no-telling-apart", "too-few", "none",
        "table-too-short", "no-item", "undefined-length", "delimiter-alone", "empty",
    ],
)  # fmt: skip
def test_damaged_fragments(element: PixelElement, count: int, fault: ImageFault) -> None:
    with pytest.raises(ImageError, match=r"^x: ") as told:
        split_frames(element, count, name="x")
    assert told.value.fault == fault


def test_floating_point_pixels_are_refused(make_dicom: Callable[..., bytes]) -> None:
    data = make_dicom().replace(b"\xe0\x7f\x10\x00OW", b"\xe0\x7f\x08\x00OF")
    with pytest.raises(ImageError, match="floating-point") as told:
        decode_radiograph(data, name="x")
    assert told.value.fault == ImageFault.DEPTH


def test_a_table_of_offsets_that_leads_astray(make_dicom: Callable[..., bytes]) -> None:
    """Encapsulated frames of several fragments each, with offsets into nowhere."""
    wrong = encapsulate([b"ab", b"cd", b"ef", b"gh"], has_bot=True)
    wrong = wrong[:8] + struct.pack("<4I", 7, 999, 4_000_000_000, 1) + wrong[24:]
    data = make_dicom(
        np.zeros((3, 4, 4), np.uint8), syntax=JPEGBaseline8Bit, compressed=[b"ab"], PixelData=wrong
    )
    with pytest.raises(ImageError, match="NumberOfFrames is 3, but") as told:
        decode_radiograph(data, name="x", frame=2)
    assert told.value.fault == ImageFault.HEADER

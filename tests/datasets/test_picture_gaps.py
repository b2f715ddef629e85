import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from lucency.configs.errors import ImageError, ImageFault
from lucency.datasets.radiographs import decode_radiograph

GREY = np.full((64, 48), 77, np.uint8)


def png(rows: bytes, *, width: int = 8, height: int = 4, depth: int = 8, lace: int = 0) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, lace)
    packed = zlib.compress(rows)
    parts = (packed[:7], packed[7:])
    idat = b"".join(chunk(b"IDAT", part) for part in parts)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + idat + chunk(b"IEND", b"")


def tiff(compression: str, **tags: int) -> bytes:
    out = io.BytesIO()
    info = {int(key[1:]): value for key, value in tags.items()}
    Image.fromarray(GREY).save(out, "TIFF", compression=compression, tiffinfo=info)
    return out.getvalue()


def entry(data: bytes, tag: int) -> int:
    """The place of a tag's entry in the first directory of a little-endian TIFF."""
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    places = (first + 2 + 12 * number for number in range(count))
    return next(p for p in places if struct.unpack_from("<H", data, p) == (tag,))


def fault_of(data: bytes) -> ImageFault:
    with pytest.raises(ImageError) as caught:
        decode_radiograph(data, name="x")
    return caught.value.fault


# An interlaced 8 × 4 picture: passes 1, 2, 4, 5, 6 and 7 have rows (pass 3 has none).
LACED = [b"\0" + bytes([9] * n) for n in (1, 1, 2, 4, 4, 4, 8, 8)]


@pytest.mark.parametrize(
    "data",
    [
        png(b"\0\x07\x07\x07\x07\x07\x07\x07\x07" * 2),
        png(b""),
        png((b"\0" + b"\x07" * 16) * 3, depth=16),
        png((b"\0" + b"\xff") * 2, depth=1),
        png(b"".join(LACED[:-1]), lace=1),
    ],
    ids=["half", "none", "16-bit", "1-bit", "interlaced"],
)
def test_a_png_without_its_last_rows_is_truncated(data: bytes) -> None:
    assert fault_of(data) == ImageFault.TRUNCATED


@pytest.mark.parametrize(
    "data",
    [
        png((b"\0" + b"\x07" * 8) * 2 + bytes(18)),
        png((b"\0" + b"\x07" * 8) * 2 + bytes(18) + bytes(1000)),
        png(b"".join(LACED), lace=1),
    ],
    ids=["black-below", "more-than-rows", "interlaced"],
)
def test_a_png_that_ends_black_is_whole(data: bytes) -> None:
    assert decode_radiograph(data, name="x").size_wh == (8, 4)


def test_a_tiff_without_its_last_strip_is_truncated() -> None:
    data = bytearray(tiff("raw", t278=16))
    assert decode_radiograph(bytes(data), name="x").pixels.min() == 77
    for tag in (273, 279):
        struct.pack_into("<I", data, entry(data, tag) + 4, 3)  # of four
    assert fault_of(bytes(data)) == ImageFault.TRUNCATED


def test_a_jpeg_in_a_tiff_that_is_cut_off_is_truncated() -> None:
    data = bytearray(tiff("jpeg"))
    assert decode_radiograph(bytes(data), name="x").pixels.min() == 77
    place = entry(data, 279) + 8
    (count,) = struct.unpack_from("<I", data, place)
    struct.pack_into("<I", data, place, count // 2)
    assert fault_of(bytes(data)) == ImageFault.TRUNCATED


@pytest.mark.parametrize(
    ("tags", "fault"),
    [
        ({258: 14}, ImageFault.DEPTH),
        ({258: 64}, ImageFault.DEPTH),
        ({262: 5}, ImageFault.DEPTH),
        ({259: 999}, ImageFault.SYNTAX),
        ({256: 0}, ImageFault.DAMAGED),
    ],
    ids=["14-bit", "64-bit", "photometric", "compression", "no-width"],
)
def test_a_form_of_tiff_that_is_not_read_is_not_called_damaged(
    tags: dict[int, int], fault: ImageFault
) -> None:
    data = bytearray(tiff("raw"))
    for tag, value in tags.items():
        place = entry(data, tag)
        struct.pack_into("<HHIHH", data, place, tag, 3, 1, value, 0)
    assert fault_of(bytes(data)) == fault


@pytest.mark.parametrize(
    ("values", "sample_format", "match"),
    [
        (np.full((4, 4), -3, np.int8), 2, "signed 8-bit"),
        (np.full((4, 4), 2**31, np.uint32), 1, "32-bit values above 2147483647"),
    ],
    ids=["signed-8", "unsigned-32"],
)
def test_values_that_pillow_would_wrap_are_refused(
    values: np.ndarray, sample_format: int, match: str
) -> None:
    entries = (
        (256, 4), (257, 4), (258, 8 * values.itemsize), (259, 1), (262, 1), (273, 8), (277, 1),
        (278, 4), (279, values.nbytes), (339, sample_format),
    )  # fmt: skip
    directory = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in entries)
    data = b"II*\0" + struct.pack("<I", 8 + values.nbytes) + values.tobytes()
    data += struct.pack("<H", len(entries)) + directory + bytes(4)
    with pytest.raises(ImageError, match=match) as caught:
        decode_radiograph(data, name="x")
    assert caught.value.fault == ImageFault.DEPTH

import struct

import numpy as np
import pytest
from pydicom.pixels.encoders import RLELosslessEncoder

from lucency.datasets.rle import decode_rle


def frame_of(*segments: bytes, count: int | None = None) -> bytes:
    starts = np.cumsum([64, *(len(segment) for segment in segments)]).tolist()[:-1]
    head = [len(segments) if count is None else count, *starts]
    return struct.pack("<16I", *head, *[0] * (16 - len(head))) + b"".join(segments)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16], ids=lambda d: d.__name__)
@pytest.mark.parametrize("content", ["noise", "constant", "stripes"])
def test_gives_back_what_pydicom_packed(dtype: type, content: str) -> None:
    rng = np.random.default_rng(0)
    high = np.iinfo(dtype).max
    values = {
        "noise": rng.integers(0, high, (17, 300), dtype=dtype),
        "constant": np.full((17, 300), high // 3, dtype),
        "stripes": np.tile(np.repeat(np.arange(60, dtype=dtype), 5), (17, 1)),
    }[content]
    bits = 8 * values.dtype.itemsize
    packed = RLELosslessEncoder.encode(
        values, rows=17, columns=300, samples_per_pixel=1, number_of_frames=1,
        bits_allocated=bits, bits_stored=bits, pixel_representation=0,
        photometric_interpretation="MONOCHROME2",
    )  # fmt: skip
    unpacked = decode_rle(packed, pixels=values.size, bytes_each=values.dtype.itemsize)
    assert np.array_equal(unpacked, values.ravel())
    assert unpacked.dtype == dtype


def test_what_stands_for_nothing_is_skipped() -> None:
    assert decode_rle(frame_of(b"\x80\x80\x01ab"), pixels=2, bytes_each=1).tolist() == [97, 98]


def test_a_bomb_is_not_unpacked_beyond_the_picture() -> None:
    bomb = frame_of(b"\x81x" * 1_000_000)  # 128 MB
    assert decode_rle(bomb, pixels=200, bytes_each=1).tolist() == [ord("x")] * 200


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        (b"\x01\0\0\0", EOFError, "header"),
        (frame_of(b"\x01ab", count=2), ValueError, "2 segments, not 1"),
        (frame_of(b"\x01a"), EOFError, "ends early"),
        (frame_of(b""), EOFError, "ends early"),
        (frame_of(b"\x80" * 50), EOFError, "ends early"),
        (struct.pack("<16I", 1, 20, *[0] * 14) + b"\x01ab", ValueError, "order"),
        (struct.pack("<16I", 1, 900, *[0] * 14) + b"\x01ab", ValueError, "order"),
    ],
    ids=["header", "segments", "literal", "empty", "nothing", "in-header", "beyond"],
)
def test_damaged_frames(frame: bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        decode_rle(frame, pixels=2, bytes_each=1)

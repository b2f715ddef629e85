"""DICOM's RLE Lossless: every byte of the samples is a packed segment (PS3.5 annex G)."""

import struct

import numpy as np
from numpy.typing import NDArray

_HEADER_BYTES = 64
_NOTHING = 128


def decode_rle(frame: bytes, *, pixels: int, bytes_each: int) -> NDArray[np.unsignedinteger]:
    """The samples (N,) of one frame of ``pixels``, little endian, of 1, 2 or 4 bytes each.

    Raises
    ------
    ValueError
        The header names other segments than there must be.
    EOFError
        A segment ends before its pixels do.

    """
    if len(frame) < _HEADER_BYTES:
        raise EOFError("the header of the segments is cut off")
    count, *places = struct.unpack_from("<16I", frame)
    if count != bytes_each:
        raise ValueError(f"there are {count} segments, not {bytes_each}")
    starts = places[:count]
    ends = [*starts[1:], len(frame)]
    samples = np.empty((pixels, bytes_each), np.uint8)
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if not _HEADER_BYTES <= start <= end:
            raise ValueError("the segments are not in their order")
        if end > len(frame):
            raise EOFError("a segment is cut off")
        plain = _unpack(frame[start:end], pixels)
        # The most significant byte comes first.
        samples[:, bytes_each - 1 - number] = np.frombuffer(plain, np.uint8)
    return samples.reshape(-1).view(f"<u{bytes_each}")


def _unpack(segment: bytes, size: int) -> bytes:
    """Undo PackBits up to ``size`` bytes; what follows is padding, or a bomb."""
    out = bytearray()
    place = 0
    while len(out) < size:
        if place >= len(segment):
            raise EOFError("a segment ends early")
        head = segment[place]
        if head < _NOTHING:
            out += segment[place + 1 : place + 2 + head]
            place += head + 2
        elif head > _NOTHING:
            out += segment[place + 1 : place + 2] * (257 - head)
            place += 2
        else:
            place += 1
    return bytes(out[:size])

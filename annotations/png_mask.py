"""Masks in PNG files: which pixels are not black (https://www.w3.org/TR/png-3/)."""

import struct
import zlib
from collections.abc import Iterator
from itertools import accumulate

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_BYTES = 100_000_000  # unpacked
_MAX_SIDE = 65_535
# Samples a pixel and possible bits a sample, by colour type; types 4 and 6 end with alpha.
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 8, 16), 2: (8, 16), 3: (1, 8), 4: (8, 16), 6: (8, 16)}
_SET = b"0" + b"1" * 255


def png_rows(data: bytes) -> Iterator[bytes]:
    """Yield the rows, a byte a pixel: ``b"1"`` where a colour or palette index is not 0.

    Raises
    ------
    ValueError
        The data is no PNG, is damaged, interlaced, of 2 or 4 bits, or too large.

    """
    header, packed = _chunks(data)
    if len(header) != 13:
        raise ValueError("is a damaged PNG: its header must have 13 bytes")
    width, height, depth, colour, *methods = struct.unpack(">IIBBBBB", header)
    if depth not in _DEPTHS.get(colour, ()) or any(methods):
        raise ValueError(
            "must be a PNG of 1, 8 or 16 bits, not interlaced, "
            f"got {depth} bits, colour type {colour}, interlace {methods[-1]}"
        )
    stride = _SAMPLES[colour] * depth // 8  # bytes a pixel; 0 for 1 bit
    length = width * stride if stride else (width + 7) // 8
    if not 0 < width <= _MAX_SIDE or not 0 < height <= _MAX_SIDE:
        raise ValueError(f"must be from 1 to {_MAX_SIDE} px wide and high, got {width} x {height}")
    if (length + 1) * height > _MAX_BYTES:
        raise ValueError(f"must be at most 100 MB of pixels, got {width} x {height}")
    colours = range((_SAMPLES[colour] - (colour in (4, 6))) * depth // 8)
    for row in _unfiltered(_inflated(packed, (length + 1) * height), length, max(stride, 1)):
        yield _pixels(row, width, stride, colours)


def _chunks(data: bytes) -> tuple[bytes, bytes]:
    """The header and all compressed pixel data."""
    if not data.startswith(_SIGNATURE):
        raise ValueError(f"is no PNG: it starts with {data[:8]!r}")
    header, packed = b"", []
    position = len(_SIGNATURE)
    while True:
        start = data[position : position + 8]
        if len(start) < 8:
            raise ValueError("is a truncated PNG: it has no end")
        length, kind = struct.unpack(">I4s", start)
        body = data[position + 8 : position + 8 + length]
        checksum = data[position + 8 + length : position + 12 + length]
        if len(checksum) < 4:
            raise ValueError("is a truncated PNG")
        if zlib.crc32(kind + body) != int.from_bytes(checksum, "big"):
            raise ValueError(f"is a damaged PNG: the checksum of {kind!r} is wrong")
        if kind == b"IHDR":
            header = body
        elif kind == b"IDAT":
            packed.append(body)
        elif kind == b"IEND":
            return header, b"".join(packed)
        position += 12 + length


def _inflated(packed: bytes, size: int) -> bytes:
    try:
        pixels = zlib.decompressobj().decompress(packed, size)
    except zlib.error as error:
        raise ValueError(f"is a damaged PNG: {error}") from None
    if len(pixels) != size:
        raise ValueError(f"is a truncated PNG: must have {size} bytes of pixels, got {len(pixels)}")
    return pixels


def _unfiltered(pixels: bytes, length: int, stride: int) -> Iterator[bytes]:
    """Undo the filter of every row; ``stride`` is the distance to the pixel on the left."""
    above = bytes(length)
    for start in range(0, len(pixels), length + 1):
        kind, row = pixels[start], pixels[start + 1 : start + 1 + length]
        if kind < 5 and not any(row) and (kind == 1 or not any(above)):
            kind = 0  # nothing under nothing stays so: most of a mask is
        if kind == 1:
            row = _sub(row, stride)
        elif kind == 2:
            row = _up(row, above)
        elif kind == 3:
            row = _average(row, above, stride)
        elif kind == 4:
            row = _paeth(row, above, stride)
        elif kind != 0:
            raise ValueError(f"is a damaged PNG: a row has the filter {kind}")
        yield row
        above = row


def _sub(row: bytes, stride: int) -> bytes:
    done = bytearray(row)
    for sample in range(stride):
        done[sample::stride] = bytes(value & 255 for value in accumulate(row[sample::stride]))
    return bytes(done)


def _up(row: bytes, above: bytes) -> bytes:
    return bytes([(value + up) & 255 for value, up in zip(row, above, strict=True)])


def _average(row: bytes, above: bytes, stride: int) -> bytes:
    done = bytearray(stride) + row  # with a pixel of 0 on the left
    for index, up in enumerate(above):
        done[index + stride] = (done[index + stride] + (done[index] + up) // 2) & 255
    return bytes(done[stride:])


def _paeth(row: bytes, above: bytes, stride: int) -> bytes:
    done = bytearray(stride) + row
    corners = bytes(stride) + above
    for index, up in enumerate(above):
        left, corner = done[index], corners[index]
        to_left, to_up = abs(up - corner), abs(left - corner)
        to_corner = abs(left + up - 2 * corner)
        if to_left <= to_up and to_left <= to_corner:
            nearest = left
        else:
            nearest = up if to_up <= to_corner else corner
        done[index + stride] = (done[index + stride] + nearest) & 255
    return bytes(done[stride:])


def _pixels(row: bytes, width: int, stride: int, colours: range) -> bytes:
    if stride == 0:
        return format(int.from_bytes(row, "big"), f"0{len(row) * 8}b").encode()[:width]
    if stride > 1:
        planes = [int.from_bytes(row[offset::stride], "big") for offset in colours]
        merged = 0
        for plane in planes:
            merged |= plane
        row = merged.to_bytes(width, "big")
    return row.translate(_SET)

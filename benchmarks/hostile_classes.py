"""Hostile classes, one file each, and the fault that each must be refused with; None: it is read.

The files are made when they are asked for, since some are large.
"""

import struct
import zlib
from collections.abc import Callable, Mapping

from hostile_files import (
    deep_sequences,
    dicom,
    fragment,
    good_files,
    many_pages,
    picture,
    png_of,
    relabelled,
    resized,
    scans,
    tiff_of,
)
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

MEGABYTE = 1 << 20
EIGHT = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
DEFLATED = b"1.2.840.10008.1.2.1.99"


def zeros(count: int) -> bytes:
    return zlib.compress(bytes(count), 9)


def deflated_dicom() -> bytes:
    """Some kilobytes that inflate to a gigabyte."""
    head = dicom()
    place = head.index(b"1.2.840.10008.1.2.1\0")
    length = struct.pack("<H", len(DEFLATED))
    packed = zlib.compressobj(9, wbits=-15)
    body = b"".join(packed.compress(bytes(16 * MEGABYTE)) for _ in range(64)) + packed.flush()
    return head[: place - 2] + length + DEFLATED + head[place + 20 : 400] + body


def with_exif(exif: bytes) -> bytes:
    return picture("JPEG", exif=b"Exif\0\0" + exif)


def ring() -> bytes:
    """A TIFF whose directory names itself as the next."""
    data = bytearray(good_files()["tiff"])
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * count, first)
    return bytes(data)


def rle_bomb() -> bytes:
    head = struct.pack("<16I", 2, 64, 64 + 4 * MEGABYTE, *[0] * 13)
    return dicom(RLELossless, frame=head + b"\x81x" * (4 * MEGABYTE))


def offsets_astray() -> bytes:
    data = dicom(JPEG2000Lossless)
    return data.replace(b"\xfe\xff\x00\xe0\0\0\0\0", b"\xfe\xff\x00\xe0\x08\0\0\0" + b"\xff" * 8)


Maker = Callable[[], bytes]

CLASSES: Mapping[str, tuple[Maker, str | None]] = {
    # bombs
    "png-65535-squared": (lambda: png_of(65535, 65535, zeros(10)), "too-large"),
    "png-2-billion-wide": (lambda: png_of(2**31 - 1, 1, zeros(10)), "too-large"),
    "png-inflates-to-1-gb": (lambda: png_of(8, 8, zeros(1024 * MEGABYTE)), None),
    "png-text-bomb": (
        lambda: png_of(
            8, 8, zeros(72), _text_chunk(b"zTXt", b"a\0\0" + zeros(256 * MEGABYTE))
        ),
        "damaged",
    ),
    "png-79-megapixels": (lambda: png_of(8900, 8880, zeros(8901 * 8880)), None),
    "jpeg-65500-squared": (
        lambda: resized(picture("JPEG"), b"\xff\xc0", 5, ">HH", 65500), "too-large",
    ),
    "jpeg-scan-bomb": (lambda: scans(4000), "timeout"),
    "tiff-65535-squared": (
        lambda: tiff_of((256, 3, 1, 65535), (257, 3, 1, 65535), (258, 3, 1, 8), (262, 3, 1, 1),
                        (273, 4, 1, 8), (279, 4, 1, 8)), "too-large",
    ),
    "tiff-50000-pages": (lambda: many_pages(50_000), "timeout"),
    "tiff-a-billion-strips": (
        lambda: tiff_of((256, 3, 1, 64), (257, 3, 1, 64), (258, 3, 1, 8), (262, 3, 1, 1),
                        (273, 4, 2**30, 8), (279, 4, 2**30, 8)), "damaged",
    ),
    "dicom-65535-squared": (lambda: dicom(Rows=65535, Columns=65535), "too-large"),
    "dicom-deflate-bomb": (deflated_dicom, "unsupported-syntax"),
    "dicom-2-billion-frames": (lambda: dicom(NumberOfFrames=2**31 - 1), "truncated"),
    "dicom-frames-without-data": (
        lambda: dicom(JPEG2000Lossless, NumberOfFrames=10_000_000), "several-frames",
    ),
    "dicom-rle-bomb": (rle_bomb, None),
    "dicom-jpeg-2000-bomb": (
        lambda: dicom(JPEG2000Lossless, frame=resized(
            fragment(JPEG2000Lossless), b"\xff\x51", 6, ">II", 65500)), "bad-header",
    ),
    "dicom-jpeg-2000-79-megapixels": (
        lambda: dicom(JPEG2000Lossless, Rows=8900, Columns=8900, frame=resized(
            fragment(JPEG2000Lossless), b"\xff\x51", 6, ">II", 8900)), "truncated",
    ),
    "dicom-jpeg-ls-bomb": (
        lambda: dicom(JPEGLSLossless, frame=resized(
            fragment(JPEGLSLossless), b"\xff\xf7", 5, ">HH", 65500)), "bad-header",
    ),
    "dicom-jpeg-bomb": (
        lambda: dicom(JPEGBaseline8Bit, frame=resized(
            picture("JPEG"), b"\xff\xc0", 5, ">HH", 65500), **EIGHT), "bad-header",
    ),
    # ends and damage
    "empty": (lambda: b"", "unknown-format"),
    "text": (lambda: b"Dear colleague,", "unknown-format"),
    "png-half": (lambda: _half("png"), "truncated"),
    "jpeg-half": (lambda: _half("jpeg"), "truncated"),
    "jpeg-half-with-end": (lambda: _half("jpeg") + b"\xff\xd9", "truncated"),
    "tiff-half": (lambda: _half("tiff"), "truncated"),
    "dicom-half": (lambda: _half("dicom"), "truncated"),
    "dicom-jpeg-half": (lambda: _half("dicom-jpeg"), "truncated"),
    "dicom-jpeg-frame-half": (
        lambda: dicom(JPEGBaseline8Bit, frame=_half("jpeg") + b"\xff\xd9", **EIGHT), "truncated",
    ),
    "dicom-header-half": (lambda: good_files()["dicom"][:500], "truncated"),
    "png-one-bit": (lambda: _one_bit("png"), "damaged"),
    # headers
    "png-no-width": (lambda: png_of(0, 8, zeros(10)), "no-pixels"),
    "dicom-no-rows": (lambda: dicom(Rows=0), "no-pixels"),
    "dicom-no-frames": (lambda: dicom(NumberOfFrames=0), "no-pixels"),
    "dicom-no-pixel-data": (lambda: dicom(PixelData=None), "no-pixels"),
    "dicom-rows-missing": (lambda: dicom(Rows=None), "bad-header"),
    "dicom-bits-missing": (lambda: dicom(BitsStored=None), "bad-header"),
    "dicom-photometric-missing": (lambda: dicom(PhotometricInterpretation=None), "bad-header"),
    "dicom-palette": (lambda: dicom(PhotometricInterpretation="PALETTE COLOR"), "palette"),
    "dicom-colour": (lambda: dicom(PhotometricInterpretation="RGB"), "colour"),
    "dicom-64-bits": (lambda: dicom(BitsAllocated=64), "unsupported-depth"),
    "dicom-wrong-syntax": (
        lambda: relabelled(dicom(), b"1.2.840.10008.1.2.5\0"), "bad-header",
    ),
    "dicom-compressed-as-native": (
        lambda: relabelled(dicom(RLELossless), b"1.2.840.10008.1.2.1\0"), "bad-header",
    ),
    "dicom-unknown-syntax": (
        lambda: relabelled(dicom(), b"1.2.840.10008.9.9.9\0"), "unsupported-syntax",
    ),
    "dicom-jpeg-as-jpeg-2000": (
        lambda: dicom(JPEG2000Lossless, frame=picture("JPEG")), "bad-header",
    ),
    "dicom-png-inside": (
        lambda: dicom(JPEG2000Lossless, frame=picture("PNG")), "bad-header",
    ),
    "dicom-offsets-astray": (offsets_astray, None),
    "dicom-900-sequences-deep": (lambda: deep_sequences(900), "bad-header"),
    "dicom-100000-sequences-deep": (lambda: deep_sequences(100_000), "bad-header"),
    "dicom-slope-zero": (
        lambda: dicom(RescaleSlope=0, RescaleIntercept=0), "bad-header",
    ),
    "tiff-ring": (ring, None),
    "tiff-unknown-compression": (
        lambda: tiff_of((256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 999),
                        (262, 3, 1, 1), (273, 4, 1, 8), (279, 4, 1, 64)), "unsupported-syntax",
    ),
    "tiff-several-pages": (lambda: good_files()["tiff-pages"], "several-frames"),
    "jpeg-exif-orientation-99": (
        lambda: with_exif(b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x63\0\0\0\0\0\0"), None,
    ),
    "jpeg-exif-in-a-ring": (
        lambda: with_exif(b"MM\0*\0\0\0\x08\0\1\x87\x69\0\4\0\0\0\1\0\0\0\x08\0\0\0\x08"), None,
    ),
    "jpeg-exif-nonsense": (lambda: with_exif(b"\xff" * 500), None),
}  # fmt: skip


def _half(kind: str) -> bytes:
    data = good_files()[kind]
    return data[: len(data) // 2]


def _one_bit(kind: str) -> bytes:
    data = bytearray(good_files()[kind])
    data[len(data) // 2] ^= 1
    return bytes(data)


def _text_chunk(kind: bytes, data: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + crc

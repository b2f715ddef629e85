import io
import struct
import time
import zipfile
from typing import Any

import pytest

from lucency.api.zip_images import (
    TooManyImagesError,
    ZipError,
    ZipLimits,
    ZipTooLargeError,
    images_of_zip,
    is_zip,
)
from lucency.configs.errors import ImageError, ImageFault

LIMITS = ZipLimits(images=4, image_bytes=1_000_000, total_bytes=2_000_000)


def zipped(
    *entries: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED, **given: Any
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression, **given) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_images_in_the_order_of_the_directory(compression: int) -> None:
    data = zipped(("b.png", b"second"), ("a.png", b"first"), compression=compression)
    assert is_zip(data)
    assert images_of_zip(data, limits=LIMITS) == (b"second", b"first")


def test_folders_and_what_macos_adds_are_passed_over() -> None:
    data = zipped(
        ("scans/", b""),
        ("scans/a.png", b"a"),
        ("__MACOSX/scans/._a.png", b"x"),
        ("scans/.DS_Store", b"x"),
        ("../../b.png", b"b"),
    )
    assert images_of_zip(data, limits=LIMITS) == (b"a", b"b")


def test_a_comment_and_bytes_before_the_archive() -> None:
    out = io.BytesIO(zipped(("a.png", b"a")))
    with zipfile.ZipFile(out, "a") as archive:
        archive.comment = b"c" * 65_535
    assert images_of_zip(b"PK\x03\x04" + out.getvalue(), limits=LIMITS) == (b"a",)


def test_an_entry_without_a_name() -> None:
    # A NUL ends a name.
    data = zipped(("x.png", b"a"), ("b.png", b"b")).replace(b"x.png", b"\0.png")
    assert images_of_zip(data, limits=LIMITS) == (b"a", b"b")


@pytest.mark.parametrize(
    "data",
    [b"PK\x03\x04", b"PK\x05\x06" + bytes(4), b"PK\x03\x04" + bytes(500)],
    ids=["magic", "short-end", "zeros"],
)
def test_no_archive(data: bytes) -> None:
    with pytest.raises(ZipError):
        images_of_zip(data, limits=LIMITS)


def test_an_archive_without_files() -> None:
    for data in (zipped(), zipped(("scans/", b""))):
        assert is_zip(data)
        with pytest.raises(ZipError, match="holds no file"):
            images_of_zip(data, limits=LIMITS)


def test_too_many_files() -> None:
    data = zipped(*((f"{number}.png", b"x") for number in range(5)))
    with pytest.raises(TooManyImagesError, match=r"5 files, of which 4"):
        images_of_zip(data, limits=LIMITS)


def test_every_truncation_is_told() -> None:
    data = zipped(("a.png", bytes(range(256)) * 4), ("b.png", b"b"))
    for length in range(len(data)):
        with pytest.raises(ZipError):
            images_of_zip(data[:length], limits=LIMITS)


def test_a_wrong_checksum_is_that_image_s_fault_alone() -> None:
    data = bytearray(zipped(("a.png", b"first"), ("b.png", b"other"), compression=0))
    data[data.index(b"first")] ^= 1
    wrong, right = images_of_zip(bytes(data), limits=LIMITS)
    assert isinstance(wrong, ImageError)
    assert wrong.fault is ImageFault.DAMAGED
    assert right == b"other"


def test_one_flipped_byte_anywhere_changes_no_image_in_silence() -> None:
    images = (bytes(range(256)), b"another image")
    data = zipped(("a.png", images[0]), ("b.png", images[1]))
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 0x41
        try:
            found = images_of_zip(bytes(flipped), limits=LIMITS)
        except (ZipError, ZipTooLargeError, TooManyImagesError):
            continue
        assert all(isinstance(image, ImageError) or image in images for image in found)


def test_encrypted_and_other_compressions_are_that_image_s_fault() -> None:
    data = bytearray(zipped(("a.png", b"a"), ("b.png", b"b"), ("c.png", b"c")))
    first, second = (place for place in _directory_entries(data)[:2])
    data[first + 8] |= 1  # the flag of encryption
    data[second + 10] = zipfile.ZIP_LZMA
    encrypted, other, right = images_of_zip(bytes(data), limits=LIMITS)
    assert isinstance(encrypted, ImageError)
    assert "encrypted" in str(encrypted)
    assert isinstance(other, ImageError)
    assert "Deflate" in str(other)
    assert right == b"c"


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_bombs_of_other_compressions_are_not_unpacked(compression: int) -> None:
    (image,) = images_of_zip(
        zipped(("a.png", bytes(50_000_000)), compression=compression), limits=LIMITS
    )
    assert isinstance(image, ImageError)


def test_a_zip_in_a_zip_stays_packed() -> None:
    inner = zipped(("a.png", b"a"))
    assert images_of_zip(zipped(("inner.zip", inner)), limits=LIMITS) == (inner,)


def _directory_entries(data: bytes | bytearray) -> list[int]:
    places, place = [], data.find(b"PK\x01\x02")
    while place >= 0:
        places.append(place)
        place = data.find(b"PK\x01\x02", place + 4)
    return places


def _with_sizes(data: bytes, size: int) -> bytes:
    """The archive, announcing ``size`` bytes for each entry."""
    changed = bytearray(data)
    for place in _directory_entries(data):
        struct.pack_into("<L", changed, place + 24, size)
    return bytes(changed)


def _overlapping(count: int) -> bytes:
    """Many entries that share one body, as in Fifield's bomb (WOOT 2019)."""
    data = zipped(("a.png", bytes(999_000)))
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    tail = bytearray(data[end:])
    struct.pack_into("<HHL", tail, 8, count, count, count * (end - start))
    return data[:start] + data[start:end] * count + bytes(tail)


def _long_extra_fields() -> bytes:
    """A directory entry whose 65,000 bytes of empty extra fields take long to read."""
    data = zipped(("a.png", b"a"))
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entry = bytearray(data[start:end])
    struct.pack_into("<H", entry, 30, 65_000)
    entries = bytes(entry + b"\x99\x99\0\0" * 16_250) * 1000
    tail = bytearray(data[end:])
    struct.pack_into("<HHLL", tail, 8, 1000, 1000, len(entries), start)
    return data[:start] + entries + bytes(tail)


BOMBS = {
    "one-entry": zipped(("a.png", bytes(100_000_000))),
    "in-total": zipped(*((f"{number}.png", bytes(900_000)) for number in range(3))),
    "announces-less": _with_sizes(zipped(("a.png", bytes(100_000_000))), 500),
    "announces-more": _with_sizes(zipped(("a.png", bytes(1_100_000))), 2**32 - 2),
    "overlapping": _overlapping(4),
    "overlapping-many": _overlapping(3000),
    "long-directory": _long_extra_fields(),
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_are_refused_at_once(data: bytes) -> None:
    start = time.perf_counter()
    try:
        images = images_of_zip(data, limits=LIMITS)
    except (ZipError, ZipTooLargeError, TooManyImagesError):
        pass
    else:  # less came out than was announced: a checksum that cannot be right
        assert [type(image) for image in images] == [ImageError]
    assert time.perf_counter() - start < 1.0


def test_suspicious_expansion_is_refused_below_the_limits_too() -> None:
    limits = ZipLimits(images=4, image_bytes=100_000_000, total_bytes=100_000_000)
    with pytest.raises(ZipTooLargeError):
        images_of_zip(zipped(("a.png", bytes(50_000_000))), limits=limits)
    # A small one may be all black.
    assert images_of_zip(zipped(("a.png", bytes(900_000))), limits=limits) == (bytes(900_000),)


def test_zip64_is_refused() -> None:
    data = zipped(("a.png", b"a"))
    end = data.index(b"PK\x05\x06")
    locator = b"PK\x06\x07" + bytes(16)
    with pytest.raises(ZipError, match="Zip64"):
        images_of_zip(data[:end] + locator + data[end:], limits=LIMITS)

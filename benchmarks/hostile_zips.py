"""Hostile zip files for the batch route; `good` is an image that may be in them."""

import io
import struct
import zipfile
from collections.abc import Callable, Mapping

MEGABYTE = 1 << 20


def zip_of(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file with those entries."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return out.getvalue()


def large(name: str, megabytes: int, *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """One entry of zeros, written in pieces."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", method) as archive,
        archive.open(name, "w", force_zip64=True) as entry,
    ):
        for _ in range(megabytes):
            entry.write(bytes(MEGABYTE))
    return out.getvalue()


def nested(depth: int) -> bytes:
    """Zips within zips, the innermost with a hundred megabytes of zeros."""
    data = large("a.png", 100)
    for _ in range(depth):
        data = zip_of(*((f"{number}.zip", data) for number in range(8)))
    return data


def overlapping(count: int) -> bytes:
    """Many names in the directory for the same ten megabytes (Fifield, WOOT 2019)."""
    single = large("a.png", 10)
    end = single.rindex(b"PK\5\6")
    size, start = struct.unpack("<II", single[end + 12 : end + 20])
    directory = single[start : start + size] * count
    tail = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(directory), start, 0)
    return single[:start] + directory + tail


def lying(data: bytes) -> bytes:
    """The directory and the head say that there is one byte, and there are many."""
    archive = zip_of(("a.png", data + bytes(50 * MEGABYTE)))
    for mark, place in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        at = archive.index(mark) + place
        archive = archive[:at] + struct.pack("<I", 1) + archive[at + 4 :]
    return archive


def flagged(data: bytes) -> bytes:
    """The entry is said to be encrypted."""
    archive = bytearray(zip_of(("a.png", data)))
    archive[archive.index(b"PK\3\4") + 6] |= 1
    archive[archive.index(b"PK\1\2") + 8] |= 1
    return bytes(archive)


def without_entries() -> bytes:
    """Said to have 65,535 entries, and has none."""
    return struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 65535, 65535, 0, 0, 0)


ZIPS: Mapping[str, Callable[[bytes], bytes]] = {
    "zip-1-gb-of-zeros": lambda good: large("a.png", 1024),
    "zip-300-mb-of-zeros-lzma": lambda good: large("a.png", 300, method=zipfile.ZIP_LZMA),
    "zip-200-mb-of-zeros-bzip2": lambda good: large("a.png", 200, method=zipfile.ZIP_BZIP2),
    "zip-in-zips": lambda good: nested(3),
    "zip-20000-entries": lambda good: zip_of(*((f"{n}.png", b"") for n in range(20_000))),
    "zip-1000-images": lambda good: zip_of(*((f"{n}.png", good) for n in range(1000))),
    "zip-overlapping": lambda good: overlapping(2000),
    "zip-lying-size": lying,
    "zip-encrypted": flagged,
    "zip-half": lambda good: zip_of(("a.png", good))[:-30],
    "zip-empty": lambda good: zip_of(),
    "zip-without-entries": lambda good: without_entries(),
    "zip-no-zip": lambda good: b"PK\3\4" + bytes(1000),
    "zip-outside": lambda good: zip_of(("../../outside.png", good), ("/absolute.png", good)),
    "zip-of-folders": lambda good: zip_of(("a/", b""), ("a/b/", b"")),
}

"""Hostile images: bombs and broken headers by name, and random damage to good files by seed."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

SIDE = 96
# EXIF with the orientation 6: a quarter of a turn.
TURNED = b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@dataclass(frozen=True)
class HostileFile:
    """A file, and what was done to make it hostile."""

    what: str
    data: bytes


@cache
def pixels() -> np.ndarray:
    """Values of 12 bits, smooth with some noise, as radiographs are."""
    rng = np.random.default_rng(0)
    across, down = np.meshgrid(np.linspace(-1, 1, SIDE), np.linspace(-1, 1, SIDE))
    smooth = 3000 * np.exp(-3 * (across**2 + down**2)) + rng.normal(300, 20, (SIDE, SIDE))
    return smooth.clip(0, 4095).astype(np.uint16)


def picture(kind: str, *, deep: bool = False, **options: object) -> bytes:
    values = pixels() << 4 if deep else (pixels() >> 4).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(values).save(out, kind, **options)
    return out.getvalue()


def dicom(
    syntax: str = ExplicitVRLittleEndian, *, frame: bytes | None = None, **attributes: object
) -> bytes:
    """A DX object; ``frame`` stands in for its pixels, None as an attribute removes it."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = "1.2.3"
    dataset.PatientID = "P1"
    dataset.Modality = "DX"
    dataset.Rows = dataset.Columns = SIDE
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    lut = Dataset()
    lut.add_new("LUTDescriptor", "US", [16, 0, 12])
    lut.add_new("LUTData", "US", list(range(0, 4096, 256)))
    dataset.VOILUTSequence = Items([lut])
    dataset.PixelData = pixels().tobytes()
    dataset["PixelData"].VR = "OW"
    if frame is not None:
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = encapsulate([frame + bytes(len(frame) % 2)])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    elif syntax != ExplicitVRLittleEndian:
        dataset.compress(syntax, generate_instance_uid=False)
    for name, value in attributes.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


@cache
def good_files() -> Mapping[str, bytes]:
    """One small file of every format and compression; random damage is done to them."""
    page = Image.fromarray((pixels() >> 4).astype(np.uint8))
    eight = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    return {
        "png": picture("PNG"),
        "png-16": picture("PNG", deep=True),
        "jpeg": picture("JPEG", exif=TURNED),
        "jpeg-progressive": picture("JPEG", progressive=True),
        "tiff": picture("TIFF"),
        "tiff-lzw-16": picture("TIFF", deep=True, compression="tiff_lzw"),
        "tiff-deflate": picture("TIFF", compression="tiff_deflate"),
        "tiff-jpeg": picture("TIFF", compression="jpeg"),
        "tiff-pages": picture("TIFF", save_all=True, append_images=[page, page]),
        "dicom": dicom(),
        "dicom-rle": dicom(RLELossless),
        "dicom-jpeg-ls": dicom(JPEGLSLossless),
        "dicom-jpeg-2000": dicom(JPEG2000Lossless),
        "dicom-jpeg": dicom(JPEGBaseline8Bit, frame=picture("JPEG"), **eight),
    }


def png_of(width: int, height: int, rows: bytes, *extra: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (_chunk(b"IHDR", head), *extra, _chunk(b"IDAT", rows), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + crc


def tiff_of(*fields: tuple[int, int, int, int], following: int = 0) -> bytes:
    """A TIFF of one directory with the fields (tag, type, count, value)."""
    body = b"".join(struct.pack("<HHII", *field) for field in fields)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(fields)) + body + struct.pack("<I", following)


def many_pages(count: int) -> bytes:
    """Each page is one pixel, and the next directory stands right behind it."""
    pages, place = [b"II*\0\x08\0\0\0"], 8
    for number in range(count):
        fields = [(256, 3, 1, 1), (257, 3, 1, 1), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 0),
                  (279, 4, 1, 1)]  # fmt: skip
        place += 2 + 12 * len(fields) + 4
        body = b"".join(struct.pack("<HHII", *field) for field in fields)
        end = place if number + 1 < count else 0
        pages.append(struct.pack("<H", len(fields)) + body + struct.pack("<I", end))
    return b"".join(pages)


def relabelled(data: bytes, syntax: bytes) -> bytes:
    """The file under another transfer syntax whose name has 20 characters with its padding."""
    for known in (b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"):
        data = data.replace(known, syntax)
    return data


def deep_sequences(depth: int) -> bytes:
    opened = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closed = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    data = dicom()
    place = data.index(b"\x08\x00\x16\x00UI")
    return data[:place] + opened * depth + closed * depth + data[place:]


def resized(frame: bytes, mark: bytes, skip: int, layout: str, side: int) -> bytes:
    """A codestream whose own header says another size: what follows ``mark`` by ``skip`` bytes."""
    place = frame.index(mark) + skip
    sides = struct.pack(layout, side, side)
    return frame[:place] + sides + frame[place + len(sides) :]


def scans(count: int) -> bytes:
    """A progressive JPEG of 60 megapixels, one of whose scans is repeated."""
    data = picture("JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    larger = resized(data, b"\xff\xc2", 5, ">HH", 7700)
    return larger[:start] + larger[start:-2] * count + b"\xff\xd9"


@cache
def fragment(syntax: str) -> bytes:
    """The compressed frame in the file of that syntax."""
    from pydicom import dcmread
    from pydicom.encaps import get_frame

    dataset = dcmread(io.BytesIO(dicom(syntax)))
    return get_frame(dataset.PixelData, 0, number_of_frames=1)


Damage = Callable[[np.random.Generator, bytes], bytes]


def truncated(rng: np.random.Generator, data: bytes) -> bytes:
    return data[: int(rng.integers(len(data)))]


def ends_soon(rng: np.random.Generator, data: bytes) -> bytes:
    return data[: len(data) - int(rng.integers(1, 40))]


def flipped(rng: np.random.Generator, data: bytes) -> bytes:
    changed = bytearray(data)
    for place in rng.integers(0, len(data), size=int(rng.integers(1, 9))):
        changed[int(place)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def flipped_header(rng: np.random.Generator, data: bytes) -> bytes:
    start = 128 if data[128:132] == b"DICM" else 0
    changed = bytearray(data)
    for place in rng.integers(start, min(len(data), start + 900), size=int(rng.integers(1, 6))):
        changed[int(place)] = int(rng.integers(256))
    return bytes(changed)


def extreme_number(rng: np.random.Generator, data: bytes) -> bytes:
    value = int(rng.choice(EXTREMES))
    order = "<>"[int(rng.integers(2))]
    layout = order + ("I" if value > 0xFFFF else "HI"[int(rng.integers(2))])
    start = 132 if data[128:132] == b"DICM" else 4
    place = int(rng.integers(start, min(len(data) - 4, start + 900)))
    number = struct.pack(layout, value)
    return data[:place] + number + data[place + len(number) :]


def cut_out(rng: np.random.Generator, data: bytes) -> bytes:
    start, end = sorted(int(place) for place in rng.integers(0, len(data), size=2))
    return data[:start] + data[end:]


def repeated(rng: np.random.Generator, data: bytes) -> bytes:
    start, end = sorted(int(place) for place in rng.integers(0, len(data), size=2))
    return data[:end] + data[start:end] * int(rng.integers(1, 4)) + data[end:]


def overwritten(rng: np.random.Generator, data: bytes) -> bytes:
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 300))
    filling = (bytes(length), b"\xff" * length, rng.bytes(length))[int(rng.integers(3))]
    return (data[:start] + filling + data[start + length :])[: len(data)]


DAMAGE: Sequence[Damage] = (
    truncated, ends_soon, flipped, flipped_header, extreme_number, cut_out, repeated, overwritten,
)  # fmt: skip


def damaged_files(count: int, *, seed: int) -> Iterator[HostileFile]:
    """Random damage to the good files; the same seed makes the same files."""
    rng = np.random.default_rng(seed)
    files = list(good_files().items())
    for number in range(count):
        kind, data = files[number % len(files)]
        damage = DAMAGE[int(rng.integers(len(DAMAGE)))]
        yield HostileFile(f"{kind}, {damage.__name__}", damage(rng, data))

"""`Radiograph`: one decoded image with its stored values, before any display processing.

The format is recognised by the first bytes, never by the name. PNG, JPEG and TIFF are decoded
by Pillow, DICOM by pydicom (`lucency.datasets.dicom`). A file that is damaged anywhere in its
pixels is refused as a whole: half a radiograph looks like a radiograph with a clear lower half.
"""

import io
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lucency.configs.errors import ImageError

# The largest detectors and film scanners stay below 75 megapixels. Pillow warns of a
# decompression bomb above 89, so this refuses first.
MAX_PIXELS = 80_000_000
MAX_FILE_BYTES = 512_000_000
PIXEL_TYPES = ("uint8", "uint16", "int16", "int32")

# What Pillow's readers were seen to raise on damaged files: OSError for most, SyntaxError for
# PNG chunks, struct.error and the look-up errors for TIFF and EXIF tables, and a warning where
# warnings are turned into errors. MemoryError comes from sizes that only the decoder knows,
# ImportError from Ultralytics where its caller let it replace Pillow's ``open``.
_PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    ImportError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Warning,
)
_PHOTOMETRIC = 262
_BITS_PER_SAMPLE = 258
_WHITE_IS_ZERO = 0


@dataclass(frozen=True)
class Lut:
    """A look-up table: ``values`` (N,) uint16 of ``bits`` bits for the inputs from ``first`` on."""

    first: int
    values: NDArray[np.uint16]
    bits: int


@dataclass(frozen=True)
class Window:
    """A VOI window; ``function`` is LINEAR, LINEAR_EXACT or SIGMOID (DICOM PS3.3 C.11.2.1)."""

    center: float
    width: float
    function: str = "LINEAR"


@dataclass(frozen=True)
class Greyscale:
    """What a file says of how its stored values are displayed (DICOM PS3.3 C.11.1 and C.11.2).

    A Modality LUT replaces ``slope`` and ``intercept``; a VOI LUT goes before a window.
    ``inverted`` is MONOCHROME1: the lowest value is white.
    """

    slope: float = 1.0
    intercept: float = 0.0
    modality_lut: Lut | None = None
    voi_lut: Lut | None = None
    window: Window | None = None
    inverted: bool = False


@dataclass(frozen=True)
class Radiograph:
    """One decoded greyscale image.

    ``pixels`` (H, W) stored values as uint8, uint16, int16 or int32; ``bits`` how many of them
    are used; ``kind`` is png, jpeg, tiff or dicom; ``spacing_mm`` the distance between rows and
    between columns, where known; ``tags`` DICOM attributes that identify nobody.

    Raises
    ------
    ValueError
        The pixels are not two-dimensional, empty, or of another type.

    """

    pixels: NDArray[Any]
    bits: int
    kind: str
    spacing_mm: tuple[float, float] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    patient_id: str = ""
    greyscale: Greyscale = field(default_factory=Greyscale)

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or not self.pixels.size:
            raise ValueError(f"pixels must be (H, W) and not empty, got {self.pixels.shape}")
        if self.pixels.dtype.name not in PIXEL_TYPES:
            raise ValueError(f"pixels must be {PIXEL_TYPES}, got {self.pixels.dtype}")

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.pixels.shape
        return width, height


def read_radiograph(path: Path) -> Radiograph:
    """Read and decode one image file.

    Raises
    ------
    ImageError
        The file cannot be read, is damaged, of another format, or beyond the limits.

    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ImageError(f"{path}: is larger than {MAX_FILE_BYTES // 1_000_000} MB")
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror}") from None
    return decode_radiograph(data, name=str(path))


def decode_radiograph(data: bytes, *, name: str) -> Radiograph:
    """Decode the bytes of one image; ``name`` leads every error message.

    Raises
    ------
    ImageError
        The bytes are damaged, of another format, or beyond the limits.

    """
    kind = image_kind(data)
    if kind is None:
        raise ImageError(f"{name}: is not a PNG, JPEG, TIFF or DICOM image")
    if kind == "dicom":
        from lucency.datasets.dicom import decode_dicom

        return decode_dicom(data, name=name)
    return _decode_with_pillow(data, kind=kind, name=name)


def image_kind(data: bytes) -> str | None:
    """Tell the format from the first bytes: png, jpeg, tiff, dicom, or None for anything else."""
    if data[128:132] == b"DICM":
        return "dicom"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    return None


def check_size(width: int, height: int, *, name: str) -> None:
    """Refuse an image without pixels or with more than `MAX_PIXELS`; raises `ImageError`."""
    if width < 1 or height < 1:
        raise ImageError(f"{name}: has no pixels: its size is {width} × {height}")
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{name}: {width} × {height} pixels are too many; the limit is "
            f"{MAX_PIXELS // 1_000_000} megapixels"
        )


def _decode_with_pillow(data: bytes, *, kind: str, name: str) -> Radiograph:
    try:
        # load() does not check PNG's checksums, verify() does; it leaves the image unusable.
        with _open(data, kind) as image:
            check_size(*image.size, name=name)
            image.verify()
        with _open(data, kind) as image:
            image.load()
            if kind == "jpeg" and _ends_early(image, data):
                raise OSError("the picture ends early and its rest would be grey")
            _refuse_unsuited(image, data, kind=kind, name=name)
            inverted = _is_white_is_zero(image)
            # Pillow applies the orientation of a TIFF while loading; this does nothing then.
            upright = ImageOps.exif_transpose(image)
            pixels, bits = _to_grey(upright, name=name)
    except _PILLOW_ERRORS as error:
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise ImageError(
            f"{name}: is damaged and cannot be decoded as {kind.upper()}: {reason[0]:.120}; "
            "export or copy it again"
        ) from None
    return Radiograph(pixels, bits, kind, greyscale=Greyscale(inverted=inverted))


def _open(data: bytes, kind: str) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=(kind.upper(),))


def _ends_early(image: Image.Image, data: bytes) -> bool:
    """Whether a JPEG with an end marker lacks its last blocks, which libjpeg leaves grey unasked.

    Only a picture whose last pixels are exactly mid-grey can be one. Then more bytes are put
    before the end marker: a complete picture ignores them, an incomplete one takes them up.
    """
    width, height = image.size
    corner = image.crop((max(0, width - 8), max(0, height - 8), width, height))
    if np.any(np.asarray(corner) != 128):
        return False
    end = data.rfind(b"\xff\xd9")
    filler = bytes(range(1, 250)) * 40
    with _open(data[:end] + filler + data[end:], "jpeg") as filled:
        return not np.array_equal(np.asarray(image), np.asarray(filled))


def _refuse_unsuited(image: Image.Image, data: bytes, *, kind: str, name: str) -> None:
    if kind == "tiff" and getattr(image, "n_frames", 1) > 1:
        raise ImageError(f"{name}: has several pages; save each radiograph as a file of its own")
    if image.mode == "F":
        raise ImageError(f"{name}: has floating-point pixels; save it with 8 or 16 bits")
    # Pillow reduces 16-bit colour to 8 bits without a word. Byte 24 of a PNG is its bit depth.
    deep = (data[24] if kind == "png" else max(_tiff_tag(image, _BITS_PER_SAMPLE) or (8,))) > 8
    if deep and image.mode[:1] != "I":
        raise ImageError(f"{name}: has 16-bit colour; save it as 16-bit greyscale")


def _tiff_tag(image: Image.Image, tag: int) -> tuple[int, ...]:
    tags = getattr(image, "tag_v2", {})
    value = tags.get(tag, ())
    return value if isinstance(value, tuple) else (int(value),)


def _is_white_is_zero(image: Image.Image) -> bool:
    """Whether zero is white. Pillow has inverted such TIFFs already, but only up to 8 bits."""
    return image.mode[:1] == "I" and _tiff_tag(image, _PHOTOMETRIC) == (_WHITE_IS_ZERO,)


def _to_grey(image: Image.Image, *, name: str) -> tuple[NDArray[Any], int]:
    """The pixels of a Pillow image as (H, W) and the number of bits in use."""
    if image.mode[:1] == "I":
        return _deep_grey(np.asarray(image), name=name)
    if image.mode == "1":
        image = image.convert("L")
    elif image.mode in ("LA", "La"):
        image = image.getchannel(0)
    elif image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    pixels = np.asarray(image)
    if pixels.ndim == 3:
        red = pixels[..., 0]
        grey = np.array_equal(red, pixels[..., 1]) and np.array_equal(red, pixels[..., 2])
        # Luma after ITU-R BT.601 where the channels differ: a marker drawn in colour, say.
        pixels = np.ascontiguousarray(red) if grey else np.asarray(image.convert("L"))
    return pixels, 8


def _deep_grey(pixels: NDArray[Any], *, name: str) -> tuple[NDArray[Any], int]:
    low, high = int(pixels.min()), int(pixels.max())
    for kind in (np.uint16, np.int16, np.int32):
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max:
            return np.ascontiguousarray(pixels, dtype=kind), limits.bits
    raise ImageError(f"{name}: has values from {low} to {high}; save it with 8 or 16 bits")

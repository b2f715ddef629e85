"""`Radiograph`: one decoded image with its stored values, before any display processing.

The format is recognised by the first bytes, never by the name. PNG, JPEG and TIFF are decoded
by Pillow (`lucency.datasets.pillow_images`), DICOM by pydicom (`lucency.datasets.dicom`). A file
that is damaged anywhere in its pixels is refused as a whole: half a radiograph looks like a
radiograph with a clear lower half. Bytes of strangers are decoded by `lucency.datasets.sandbox`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucency.configs.errors import ImageError, ImageFault

# The largest detectors and film scanners stay below 75 megapixels. Pillow warns of a
# decompression bomb above 89, so this refuses first.
MAX_PIXELS = 80_000_000
MAX_FILE_BYTES = 512_000_000
PIXEL_TYPES = ("uint8", "uint16", "int16", "int32")


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

    A Modality LUT replaces ``slope`` and ``intercept``. ``voi_luts`` and ``windows`` are views of
    one image, in the file's order: one of them is applied. ``inverted`` is MONOCHROME1: the
    lowest value is white.
    """

    slope: float = 1.0
    intercept: float = 0.0
    modality_lut: Lut | None = None
    voi_luts: tuple[Lut, ...] = ()
    windows: tuple[Window, ...] = ()
    inverted: bool = False


@dataclass(frozen=True)
class Radiograph:
    """One decoded greyscale image.

    ``pixels`` (H, W) stored values as uint8, uint16, int16 or int32; ``bits`` how many of them
    are used; ``kind`` is png, jpeg, tiff or dicom; ``spacing_mm`` the distance between rows and
    between columns, where known; ``tags`` DICOM attributes that identify nobody; ``padding`` the
    lowest and highest stored value that fill up the rectangle and show nothing (C.7.5.1.1.2);
    ``colour`` the share of the picture, 0 to 1, that was in colours before it was made grey.

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
    padding: tuple[int, int] | None = None
    colour: float = 0.0

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


def read_radiograph(path: Path, *, frame: int | None = None) -> Radiograph:
    """Read and decode one image file; ``frame`` as in `decode_radiograph`.

    Raises
    ------
    ImageError
        The file cannot be read, is damaged, of another format, or beyond the limits.

    """
    return decode_radiograph(read_bytes(path), name=str(path), frame=frame)


def read_bytes(path: Path) -> bytes:
    """Read the bytes of an image file.

    Raises
    ------
    ImageError
        The file cannot be read, or is larger than any image needs to be.

    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ImageError(
                f"{path}: is larger than {MAX_FILE_BYTES // 1_000_000} MB; compress its pixels",
                ImageFault.TOO_LARGE,
            )
        return path.read_bytes()
    except OSError as error:
        raise ImageError(
            f"{path}: cannot be read: {error.strerror}", ImageFault.UNREADABLE
        ) from None


def decode_radiograph(data: bytes, *, name: str, frame: int | None = None) -> Radiograph:
    """Decode the bytes of one image; ``name`` leads every error message.

    ``frame`` counts the frames of a DICOM file and the pages of a TIFF from 1; it may be left
    out where there is only one.

    Raises
    ------
    ImageError
        The bytes are damaged, of another format, or beyond the limits; there are several
        frames and none is named, or there is no such frame.

    """
    kind = _known_kind(data, name=name)
    if kind == "dicom":
        from lucency.datasets.dicom import decode_dicom

        return decode_dicom(data, name=name, frame=frame)
    from lucency.datasets.pillow_images import decode_picture

    return decode_picture(data, kind=kind, name=name, frame=frame)


def frame_count(data: bytes, *, name: str) -> int:
    """Count the frames of a DICOM file or the pages of a TIFF; 1 for the other formats.

    Raises
    ------
    ImageError
        The header is damaged or of another format, or there is less data than frames.

    """
    kind = _known_kind(data, name=name)
    if kind == "dicom":
        from lucency.datasets.dicom import count_frames

        return count_frames(data, name=name)
    from lucency.datasets.pillow_images import count_pages

    return count_pages(data, name=name) if kind == "tiff" else 1


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
        raise ImageError(
            f"{name}: has no pixels: its size is {width} × {height}; export it again",
            ImageFault.NO_PIXELS,
        )
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{name}: {width} × {height} pixels are too many; the limit is "
            f"{MAX_PIXELS // 1_000_000} megapixels",
            ImageFault.TOO_LARGE,
        )


def frame_index(frame: int | None, count: int, *, name: str) -> int:
    """The index, from 0, of the frame that is meant among ``count``; raises `ImageError`."""
    if frame is None and count != 1:
        raise ImageError(
            f"{name}: has {count} frames; name one of them as frame=1 to frame={count}, or let "
            "`lucency prepare` make an image of each",
            ImageFault.SEVERAL_FRAMES,
        )
    if frame is not None and not 1 <= frame <= count:
        frames = "1 frame" if count == 1 else f"{count} frames"
        raise ImageError(
            f"{name}: has {frames}, there is no frame {frame}; they count from 1",
            ImageFault.NO_SUCH_FRAME,
        )
    return (frame or 1) - 1


def _known_kind(data: bytes, *, name: str) -> str:
    kind = image_kind(data)
    if kind is None:
        raise ImageError(
            f"{name}: is not a PNG, JPEG, TIFF or DICOM image", ImageFault.UNKNOWN_FORMAT
        )
    return kind

"""What describes the pixels of a DICOM image, read and checked before any is decoded."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

from pydicom import uid

from lucency.configs.errors import ImageError, ImageFault
from lucency.datasets.codestreams import JPEG, JPEG_2000, JPEG_LS
from lucency.datasets.radiographs import check_size

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

NATIVE = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)
# The kind of codestream that each compressed syntax must hold; RLE has none.
CODESTREAMS: Mapping[str, str] = MappingProxyType(
    {
        uid.JPEGBaseline8Bit: JPEG,
        uid.JPEGExtended12Bit: JPEG,
        uid.JPEGLossless: JPEG,
        uid.JPEGLosslessSV1: JPEG,
        uid.JPEGLSLossless: JPEG_LS,
        uid.JPEGLSNearLossless: JPEG_LS,
        uid.JPEG2000Lossless: JPEG_2000,
        uid.JPEG2000: JPEG_2000,
        uid.HTJ2KLossless: JPEG_2000,
        uid.HTJ2KLosslessRPCL: JPEG_2000,
        uid.HTJ2K: JPEG_2000,
    }
)
_COLOUR = ("RGB", "YBR", "HSV", "ARGB", "CMYK", "XYB")


@dataclass(frozen=True, slots=True)
class PixelHeader:
    """The Image Pixel module (PS3.3 C.7.6.3) of a greyscale image that can be decoded."""

    syntax: uid.UID
    rows: int
    columns: int
    allocated: int
    stored: int
    signed: bool
    frames: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame without compression."""
        return self.rows * self.columns * self.allocated // 8


def read_pixel_header(dataset: "Dataset", *, name: str) -> PixelHeader:
    """Read and check what describes the pixels.

    Raises
    ------
    ImageError
        An attribute is missing or wrong, the image is in colour, too large, or compressed in a
        way for which there is no decoder.

    """
    syntax = dataset.file_meta.get("TransferSyntaxUID") or uid.UID("")
    if not syntax:
        refuse_header(name, "TransferSyntaxUID is missing")
    if syntax not in (*NATIVE, *CODESTREAMS, uid.RLELossless):
        known = "a private one" if syntax.name == str(syntax) else syntax.name
        raise ImageError(
            f"{name}: the transfer syntax ({known}) is not read; uncompress it first, for "
            "example with DCMTK's dcmdjpeg, or save it with JPEG 2000",
            ImageFault.SYNTAX,
        )
    _refuse_colour(dataset, name=name)
    rows, columns = (_whole(dataset, keyword, name=name) for keyword in ("Rows", "Columns"))
    check_size(columns, rows, name=name)
    allocated, stored = (_whole(dataset, key, name=name) for key in ("BitsAllocated", "BitsStored"))
    if allocated not in (8, 16, 32):
        raise ImageError(
            f"{name}: {allocated} bits allocated are not read; save it with 8 or 16 bits",
            ImageFault.DEPTH,
        )
    if not 1 <= stored <= allocated:
        refuse_header(name, f"{stored} bits stored do not fit into {allocated} allocated")
    if _whole(dataset, "HighBit", name=name, default=stored - 1) != stored - 1:
        refuse_header(name, "HighBit must be BitsStored - 1 (DICOM PS3.5, 8.1.1)")
    representation = _whole(dataset, "PixelRepresentation", name=name)
    if representation not in (0, 1):
        refuse_header(name, f"PixelRepresentation must be 0 or 1, found {representation}")
    frames = _whole(dataset, "NumberOfFrames", name=name, default=1)
    if frames < 1:
        raise ImageError(
            f"{name}: NumberOfFrames must be 1 or more, found {frames}; export it again",
            ImageFault.NO_PIXELS,
        )
    return PixelHeader(syntax, rows, columns, allocated, stored, representation == 1, frames)


def _refuse_colour(dataset: "Dataset", *, name: str) -> None:
    photometric = str(dataset.get("PhotometricInterpretation") or "").strip(" \0")
    samples = _whole(dataset, "SamplesPerPixel", name=name)
    if not photometric:
        refuse_header(name, "PhotometricInterpretation is missing")
    if photometric == "PALETTE COLOR":
        raise ImageError(
            f"{name}: is PALETTE COLOR: its values stand for colours, not for X-ray density; "
            "export the greyscale image",
            ImageFault.PALETTE,
        )
    if photometric.startswith(_COLOUR):
        raise ImageError(
            f"{name}: PhotometricInterpretation must be MONOCHROME1 or MONOCHROME2, found "
            f"'{photometric:.16}'; radiographs are not in colour",
            ImageFault.COLOUR,
        )
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or samples != 1:
        refuse_header(
            name,
            f"PhotometricInterpretation is '{photometric:.16}' with {samples} sample(s) a pixel, "
            "must be MONOCHROME1 or MONOCHROME2 with one",
        )


def _whole(dataset: "Dataset", keyword: str, *, name: str, default: int | None = None) -> int:
    """The whole number of an attribute; raises `ImageError` where it is missing or none."""
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            if default is None:
                refuse_header(name, f"{keyword} is missing")
            return default
        return int(value)
    except (ValueError, TypeError, ArithmeticError, LookupError, NotImplementedError):
        refuse_header(name, f"{keyword} is no whole number")


def refuse_header(name: str, problem: str) -> NoReturn:
    """Raise the `ImageError` of an attribute that is missing or contradicts another."""
    raise ImageError(f"{name}: {problem}; mend the header or export it again", ImageFault.HEADER)

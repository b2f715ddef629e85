"""DICOM radiographs into `Radiograph`: one frame of a MONOCHROME1 or MONOCHROME2 image.

Refused, each with its reason: colour, the Deflated transfer syntax (a megabyte may inflate to a
gigabyte before anything can be checked), and compressions for which there is no decoder.
"""

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from lucency.configs.errors import ImageError, ImageFault
from lucency.datasets.dicom_frames import PixelElement, find_pixels, split_frames
from lucency.datasets.dicom_pixels import check_length, decode_frame
from lucency.datasets.dicom_values import (
    frame_values,
    read_greyscale,
    read_padding,
    read_spacing_mm,
    read_tags,
    read_text,
)
from lucency.datasets.pixel_header import PixelHeader, read_pixel_header
from lucency.datasets.radiographs import Radiograph, frame_index, read_bytes

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# What pydicom's parser was seen to raise on damaged files: it lets Python's own errors through.
_PYDICOM_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    RuntimeError,  # RecursionError too
    AssertionError,
    StopIteration,
    MemoryError,
    struct.error,
    zlib.error,
    BytesLengthException,
    InvalidDicomError,
    Warning,
)
_END_OF_FILE = "end of file"
# Warnings of pydicom quote values, names of patients among them, so they must not be shown.
# The filters belong to the whole process; two threads must not restore them at the same time.
_warning_filters = threading.Lock()


@dataclass(frozen=True, slots=True)
class Identity:
    """Which image it is, and whose; empty texts where the file does not say.

    ``burned_in`` is set where the file says that its pixels show text about the patient.
    """

    sop_instance_uid: str = ""
    study_instance_uid: str = ""
    patient_id: str = ""
    burned_in: bool = False


@dataclass(frozen=True)
class _Parsed:
    """The attributes before the pixels, what they say of these, and where these lie."""

    dataset: "Dataset"
    header: PixelHeader
    element: PixelElement


def decode_dicom(data: bytes, *, name: str, frame: int | None = None) -> Radiograph:
    """Decode a DICOM file; ``name`` leads every error message, ``frame`` counts from 1.

    Raises
    ------
    ImageError
        The file is damaged, of a kind listed in this module's head, or beyond the limits; there
        are several frames and none is named, or there is no such frame.

    """
    with _reading(name):
        parsed = _parse(data, name=name)
        header = parsed.header
        index = frame_index(frame, header.frames, name=name)
        dataset = frame_values(parsed.dataset, index)
        tags = read_tags(dataset, name=name)
        spacing_mm = read_spacing_mm(dataset)
        greyscale = read_greyscale(dataset, name=name)
        padding = read_padding(dataset, stored=header.stored, signed=header.signed)
        patient_id = read_text(dataset, "PatientID", name=name)
    try:
        pixels = decode_frame(header, parsed.element, index, name=name)
    except MemoryError:
        raise _out_of_memory(name) from None
    return Radiograph(
        pixels=pixels,
        bits=_bits(header, pixels),
        kind="dicom",
        spacing_mm=spacing_mm,
        tags=tags,
        patient_id=patient_id,
        greyscale=greyscale,
        padding=padding,
    )


def count_frames(data: bytes, *, name: str) -> int:
    """Count the frames; raises `ImageError` where `decode_dicom` would refuse the header."""
    with _reading(name):
        parsed = _parse(data, name=name)
        if parsed.element.fragmented:
            split_frames(parsed.element, parsed.header.frames, name=name)
        return parsed.header.frames


def read_patient_id(path: Path) -> str:
    """Read the Patient ID alone; empty where the file has none.

    Raises
    ------
    ImageError
        The file cannot be read or is not a radiograph that `decode_dicom` takes.

    """
    data = read_bytes(path)
    with _reading(str(path)):
        return read_text(_parse(data, name=str(path)).dataset, "PatientID", name=str(path))


def read_identity(data: bytes, *, name: str) -> Identity:
    """Read which image the bytes of a DICOM file are, and whose; ``name`` leads every message.

    Raises
    ------
    ImageError
        They are not a radiograph that `decode_dicom` takes.

    """
    with _reading(name):
        dataset = _parse(data, name=name).dataset
        return Identity(
            sop_instance_uid=read_text(dataset, "SOPInstanceUID", name=name),
            study_instance_uid=read_text(dataset, "StudyInstanceUID", name=name),
            patient_id=read_text(dataset, "PatientID", name=name),
            burned_in=read_text(dataset, "BurnedInAnnotation", name=name).upper() == "YES",
        )


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn whatever pydicom's parser raises into one `ImageError`, and silence its warnings."""
    try:
        with _warning_filters, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except RecursionError:
        raise ImageError(
            f"{name}: its sequences are nested too deeply; export it again", ImageFault.HEADER
        ) from None
    except MemoryError:
        raise _out_of_memory(name) from None
    except (EOFError, struct.error):
        raise _ends_within_header(name) from None
    except _PYDICOM_ERRORS as error:
        raise ImageError(
            f"{name}: is damaged and cannot be read as DICOM ({type(error).__name__}); "
            "export or copy it again"
        ) from None


def _parse(data: bytes, *, name: str) -> _Parsed:
    """Read all attributes before the pixels, and refuse what is not for us."""
    # dcmread inflates a Deflated file before it can be asked, so look at group 2 alone first.
    stream = io.BytesIO(data)
    stream.seek(132)
    meta = read_dataset(
        stream,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, _vr, _length: tag >> 16 != 2,
    )
    if str(meta.get("TransferSyntaxUID", "")) == DeflatedExplicitVRLittleEndian:
        raise ImageError(
            f"{name}: the Deflated transfer syntax is not read; "
            "save the file uncompressed or with JPEG 2000",
            ImageFault.SYNTAX,
        )
    stream.seek(0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        dataset = dcmread(stream, stop_before_pixels=True)
    if any(_END_OF_FILE in str(warning.message).casefold() for warning in told):
        raise _ends_within_header(name)
    little_endian = dataset.original_encoding[1] is not False
    place = stream.tell()
    element = find_pixels(data, place, little_endian=little_endian, name=name)
    if element is None:
        if len(dataset) == 0 or 0 < len(data) - place < 8 or _is_cut_short(dataset):
            raise _ends_within_header(name)
        raise ImageError(
            f"{name}: this DICOM object has no pixels; name an image", ImageFault.NO_PIXELS
        )
    header = read_pixel_header(dataset, name=name)
    check_length(header, element, name=name)
    return _Parsed(dataset, header, element)


def _is_cut_short(dataset: "Dataset") -> bool:
    """Whether the last attribute has fewer bytes than its length says, unnoticed by pydicom."""
    last = max(dataset.keys(), default=None)
    raw = None if last is None else dataset.get_item(last)
    value = getattr(raw, "value", None)
    return isinstance(value, bytes) and len(value) < getattr(raw, "length", 0)


def _bits(header: PixelHeader, pixels: NDArray[Any]) -> int:
    """BitsStored, or more where the compressed pixels hold more than the header says."""
    largest = max(abs(int(pixels.max())), abs(int(pixels.min())))
    return max(header.stored, largest.bit_length())


def _ends_within_header(name: str) -> ImageError:
    return ImageError(
        f"{name}: is truncated: it ends within its header; export or copy it again",
        ImageFault.TRUNCATED,
    )


def _out_of_memory(name: str) -> ImageError:
    return ImageError(
        f"{name}: needs more memory than there is; save it with fewer pixels", ImageFault.MEMORY
    )

"""DICOM radiographs into `Radiograph`: single-frame MONOCHROME1 and MONOCHROME2 images.

Refused, each with its reason: several frames, colour, the Deflated transfer syntax (a megabyte
may inflate to a gigabyte before anything can be checked), and compressions for which there is
no decoder, such as JPEG Extended with more than 8 bits.
"""

import io
import math
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, AllTransferSyntaxes, DeflatedExplicitVRLittleEndian

from lucency.configs.errors import ImageError
from lucency.datasets.radiographs import Greyscale, Lut, Radiograph, Window, check_size

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# Attributes that say what is seen, not whose it is (DICOM PS3.15 E.1 keeps them).
TAGS = (
    "Modality",
    "BodyPartExamined",
    "ViewPosition",
    "Laterality",
    "ImageLaterality",
    "PresentationIntentType",
    "PhotometricInterpretation",
)
WINDOW_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")

# What pydicom and its decoders were seen to raise on damaged files. They share no base class:
# the parser lets Python's own errors through, the plugins raise RuntimeError.
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


def decode_dicom(data: bytes, *, name: str) -> Radiograph:
    """Decode a DICOM file; ``name`` leads every error message.

    Raises
    ------
    ImageError
        The file is damaged, of a kind listed in this module's head, or beyond the limits.

    """
    with _reading(name):
        dataset = _parse(data, name=name)
        tags = {key: text for key in TAGS if (text := _text(dataset, key))}
        spacing_mm = _spacing_mm(dataset)
        greyscale = _greyscale(dataset, name=name)
        patient_id = _text(dataset, "PatientID")
    pixels = _decode_pixels(dataset, name=name)
    return Radiograph(
        pixels=pixels,
        bits=_bits(dataset, pixels),
        kind="dicom",
        spacing_mm=spacing_mm,
        tags=tags,
        patient_id=patient_id,
        greyscale=greyscale,
    )


def read_patient_id(path: Path) -> str:
    """Read the Patient ID alone; empty where the file has none.

    Raises
    ------
    ImageError
        The file cannot be read or is not a radiograph that `decode_dicom` takes.

    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror}") from None
    with _reading(str(path)):
        return _text(_parse(data, name=str(path)), "PatientID")


def read_identity(data: bytes, *, name: str) -> Identity:
    """Read which image the bytes of a DICOM file are, and whose; ``name`` leads every message.

    Raises
    ------
    ImageError
        They are not a radiograph that `decode_dicom` takes.

    """
    with _reading(name):
        dataset = _parse(data, name=name)
        return Identity(
            sop_instance_uid=_text(dataset, "SOPInstanceUID"),
            study_instance_uid=_text(dataset, "StudyInstanceUID"),
            patient_id=_text(dataset, "PatientID"),
            burned_in=_text(dataset, "BurnedInAnnotation").upper() == "YES",
        )


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn whatever pydicom's parser raises into one `ImageError`, and silence its warnings."""
    try:
        with _warning_filters, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except _PYDICOM_ERRORS as error:
        raise ImageError(
            f"{name}: is damaged and cannot be read as DICOM ({type(error).__name__}); "
            "export or copy it again"
        ) from None


def _parse(data: bytes, *, name: str) -> "Dataset":
    """Read all attributes, the pixels still compressed, and refuse what is not for us."""
    # dcmread inflates a Deflated file before it can be asked, so look at group 2 alone first.
    meta = read_dataset(
        io.BytesIO(data[132:]),
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, _vr, _length: tag >> 16 != 2,
    )
    if str(meta.get("TransferSyntaxUID", "")) == DeflatedExplicitVRLittleEndian:
        raise ImageError(
            f"{name}: the Deflated transfer syntax is not read; "
            "save the file uncompressed or with JPEG 2000"
        )
    dataset = dcmread(io.BytesIO(data))
    if "PixelData" not in dataset:
        raise ImageError(f"{name}: this DICOM object has no pixels; name an image")
    photometric = _text(dataset, "PhotometricInterpretation")
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or dataset.get("SamplesPerPixel", 1) != 1:
        raise ImageError(
            f"{name}: PhotometricInterpretation must be MONOCHROME1 or MONOCHROME2, "
            f"found '{photometric:.16}'; radiographs are not in colour"
        )
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames != 1:
        raise ImageError(f"{name}: has {frames} frames; save each as a file of its own")
    check_size(int(dataset.Columns), int(dataset.Rows), name=name)
    allocated, stored = int(dataset.BitsAllocated), int(dataset.BitsStored)
    if allocated not in (8, 16, 32) or not 1 <= stored <= allocated:
        raise ImageError(f"{name}: {stored} bits stored of {allocated} allocated are not read")
    if int(dataset.get("HighBit", stored - 1)) != stored - 1:
        raise ImageError(f"{name}: HighBit must be BitsStored - 1 (DICOM PS3.5, 8.1.1)")
    return dataset


def _decode_pixels(dataset: "Dataset", *, name: str) -> NDArray[Any]:
    try:
        stored = pixel_array(dataset, index=0, raw=True)
    except _PYDICOM_ERRORS as error:
        syntax = dataset.file_meta.get("TransferSyntaxUID", UID(""))
        known = syntax.name if syntax in AllTransferSyntaxes else "an unknown transfer syntax"
        raise ImageError(
            f"{name}: the pixels ({known}) are damaged or compressed in a way that cannot be "
            f"decoded ({type(error).__name__}); save the file uncompressed or with JPEG 2000"
        ) from None
    if stored.ndim != 2 or not stored.size:
        raise ImageError(f"{name}: the pixels are {stored.shape}, not one greyscale frame")
    if stored.dtype.itemsize == 4:
        if int(stored.max()) > np.iinfo(np.int32).max:
            raise ImageError(f"{name}: has values up to {stored.max()}; at most 31 bits are read")
        return np.ascontiguousarray(stored, dtype=np.int32)
    native = {"u1": np.uint8, "u2": np.uint16, "i1": np.int16, "i2": np.int16}
    return np.ascontiguousarray(stored, dtype=native[f"{stored.dtype.kind}{stored.itemsize}"])


def _bits(dataset: "Dataset", pixels: NDArray[Any]) -> int:
    """BitsStored, or more where the compressed pixels hold more than the header says."""
    largest = max(abs(int(pixels.max())), abs(int(pixels.min())))
    return max(int(dataset.BitsStored), largest.bit_length())


def _greyscale(dataset: "Dataset", *, name: str) -> Greyscale:
    modality_lut = voi_lut = None
    signed = int(dataset.get("PixelRepresentation") or 0) == 1
    if dataset.get("ModalityLUTSequence"):
        modality_lut = _lut(dataset.ModalityLUTSequence[0], signed=signed, name=name)
    slope, intercept = _number(dataset, "RescaleSlope"), _number(dataset, "RescaleIntercept")
    if slope == 0:
        raise ImageError(f"{name}: RescaleSlope must not be 0")
    if dataset.get("VOILUTSequence"):
        # The VOI LUT maps the output of the Modality LUT, which is never negative.
        signed_input = modality_lut is None and (signed or (intercept or 0.0) < 0)
        voi_lut = _lut(dataset.VOILUTSequence[0], signed=signed_input, name=name)
    return Greyscale(
        slope=1.0 if slope is None else slope,
        intercept=intercept or 0.0,
        modality_lut=modality_lut,
        voi_lut=voi_lut,
        window=_window(dataset),
        inverted=_text(dataset, "PhotometricInterpretation") == "MONOCHROME1",
    )


def _window(dataset: "Dataset") -> Window | None:
    """The first window, or None where there is none or its width is not allowed (C.11.2.1.2)."""
    center, width = _number(dataset, "WindowCenter"), _number(dataset, "WindowWidth")
    function = _text(dataset, "VOILUTFunction") or "LINEAR"
    if center is None or width is None or function not in WINDOW_FUNCTIONS:
        return None
    narrowest_allowed = width >= 1 if function == "LINEAR" else width > 0
    return Window(center, width, function) if narrowest_allowed else None


def _lut(item: "Dataset", *, signed: bool, name: str) -> Lut:
    """A Modality or VOI LUT (C.11.1.1): descriptor of (entries, first input, bits an entry)."""
    count, first, bits = (int(value) for value in item.LUTDescriptor)
    count = count % 65536 or 65536  # 0 stands for 65536, which does not fit
    if signed and first >= 32768:
        first -= 65536
    data = item.LUTData
    if isinstance(data, bytes):
        # Up to 8 bits, two entries may share a word: then there are as many bytes as entries.
        packed = bits <= 8 and len(data) < 2 * count
        order = "<" if item.is_little_endian is not False else ">"
        values = np.frombuffer(data, np.uint8 if packed else f"{order}u2").astype(np.uint16)
    else:
        values = (np.atleast_1d(np.asarray(data, dtype=np.int64)) & 0xFFFF).astype(np.uint16)
    if len(values) < count:
        raise ImageError(f"{name}: a look-up table has {len(values)} entries, not {count}")
    values = values[:count]
    # Some writers understate the bits an entry; full scale must hold the largest entry.
    bits = min(max(bits, int(values.max()).bit_length(), 8), 16)
    return Lut(first, values, bits)


def _spacing_mm(dataset: "Dataset") -> tuple[float, float] | None:
    """Distance between rows and between columns; None where absent or not above zero.

    ImagerPixelSpacing, which stands in, is measured at the detector: it is not yet divided by
    the magnification.
    """
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        value = dataset.get(keyword)
        if value is not None and not isinstance(value, str) and len(value) == 2:
            rows, columns = float(value[0]), float(value[1])
            if all(math.isfinite(step) and step > 0 for step in (rows, columns)):
                return rows, columns
    return None


def _number(dataset: "Dataset", keyword: str) -> float | None:
    """The first value of a decimal attribute; None where absent or not finite."""
    value = dataset.get(keyword)
    if value is not None and not isinstance(value, str | float | int):
        value = value[0] if len(value) else None
    if value is None or value == "":
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _text(dataset: "Dataset", keyword: str) -> str:
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip(" \0")

"""DICOM objects to be spoilt in one way or another."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    generate_uid,
)

RAMP = np.arange(32 * 40, dtype=np.uint16).reshape(32, 40) * 3


@pytest.fixture(scope="session")
def ramp() -> np.ndarray:
    """32 × 40 values of 12 bits, from 0 to 3837."""
    return RAMP.copy()


def dicom_dataset(
    pixels: np.ndarray = RAMP,
    *,
    syntax: str = ExplicitVRLittleEndian,
    compressed: Sequence[bytes] | None = None,
    **attributes: Any,
) -> Dataset:
    """A small DX object; ``attributes`` replace its own, None removes one.

    ``pixels`` may have several frames. ``compressed`` are the fragments to be stored instead.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = generate_uid()
    dataset.PatientID = " P1 "
    dataset.PatientName = "CANARY^X"
    dataset.Modality = "DX"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        dataset.NumberOfFrames = len(pixels)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = 12 if dataset.BitsAllocated == 16 else dataset.BitsAllocated
    for name, value in attributes.items():
        if name == "BitsStored" and value is not None:
            dataset.BitsStored = value
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    if compressed is not None:
        dataset.PixelData = encapsulate(list(compressed))
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    else:
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
        dataset.PixelData = data + bytes(len(data) % 2)
        dataset["PixelData"].VR = "OW" if pixels.dtype.itemsize > 1 else "OB"
    for name, value in attributes.items():
        if value is None:
            delattr(dataset, name)
        elif name != "BitsStored":
            setattr(dataset, name, value)
    return dataset


def saved(dataset: Dataset) -> bytes:
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


@pytest.fixture(scope="session")
def make_dataset() -> Callable[..., Dataset]:
    """Makes a small DX object; see `dicom_dataset`."""
    return dicom_dataset


@pytest.fixture(scope="session")
def make_dicom() -> Callable[..., bytes]:
    """Makes the file of a small DX object; see `dicom_dataset`."""

    def make(*given: Any, **attributes: Any) -> bytes:
        return saved(dicom_dataset(*given, **attributes))

    return make


@pytest.fixture(scope="session")
def save() -> Callable[[Dataset], bytes]:
    """Writes a dataset into bytes."""
    return saved


@pytest.fixture(scope="session")
def lut_item() -> Callable[..., Dataset]:
    """Makes an item of a Modality or VOI LUT sequence."""

    def make(first: int, values: list[int], bits: int) -> Dataset:
        item = Dataset()
        item.add_new("LUTDescriptor", "US", [len(values) % 65536, first % 65536, bits])
        item.add_new("LUTData", "US", values)
        item.add_new("LUTExplanation", "LO", "test")
        item.add_new("ModalityLUTType", "LO", "US")
        return item

    return make

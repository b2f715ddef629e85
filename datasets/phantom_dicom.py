"""The DICOM dataset of a phantom: a Digital X-Ray Image for presentation (PS3.3 A.26)."""

import uuid
from typing import Literal, TypeAlias

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from lucency.datasets.phantom_physics import MAX_VALUE
from lucency.datasets.phantoms import Phantom

Monochrome: TypeAlias = Literal[1, 2]

BITS = 12

# SNOMED CT codes of PS3.16 CID 4009 and 4010 by Body Part Examined.
_REGIONS = {
    "CHEST": ("51185008", "Chest"),
    "FOREARM": ("14975008", "Forearm"),
    "HAND": ("85562004", "Hand"),
    "LEG": ("30021000", "Lower leg"),
}
_VIEWS = {
    "AP": ("399348003", "antero-posterior"),
    "PA": ("272479007", "postero-anterior"),
    "LL": ("399173006", "left lateral"),
    "RL": ("399198007", "right lateral"),
    "LLO": ("399368009", "medio-lateral oblique"),
    "RLO": ("399368009", "medio-lateral oblique"),
}


def dicom_dataset(phantom: Phantom, *, monochrome: Monochrome) -> Dataset:
    """The dataset with its file meta information; ``monochrome`` 1 stores the values inverted."""
    dataset = Dataset()
    _add_identity(dataset, phantom)
    _add_acquisition(dataset, phantom)
    _add_image(dataset, phantom, monochrome=monochrome)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _uid("lucency phantoms")
    meta.ImplementationVersionName = "LUCENCY"
    dataset.file_meta = meta
    return dataset


def _add_identity(dataset: Dataset, phantom: Phantom) -> None:
    """Patient, study, series and equipment."""
    number = phantom.image_id.rpartition("-")[2]
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = _uid(f"image {phantom.image_id}")
    dataset.SeriesInstanceUID = _uid(f"series {phantom.image_id}")
    dataset.StudyInstanceUID = _uid(f"study {phantom.patient_id}")
    dataset.PatientID = phantom.patient_id
    dataset.PatientName = f"Phantom^{phantom.patient_id}"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = ""
    dataset.ReferringPhysicianName = ""
    dataset.AccessionNumber = ""
    dataset.StudyID = "1"
    dataset.SeriesNumber = number
    dataset.InstanceNumber = number
    # A fixed moment, so that the same phantom gives the same bytes.
    for name in ("Study", "Series", "Content", "Acquisition"):
        setattr(dataset, f"{name}Date", "20000101")
        setattr(dataset, f"{name}Time", "120000")
    dataset.Manufacturer = "Lucency"
    dataset.ManufacturerModelName = "Phantom"
    dataset.DeviceSerialNumber = "0"
    dataset.SoftwareVersions = "1"


def _add_acquisition(dataset: Dataset, phantom: Phantom) -> None:
    """Region, view and detector."""
    dataset.Modality = "DX"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.BodyPartExamined = phantom.body_part
    dataset.AnatomicRegionSequence = Sequence([_code(*_REGIONS[phantom.body_part])])
    dataset.ViewPosition = phantom.view
    view = _code(*_VIEWS[phantom.view])
    view.ViewModifierCodeSequence = Sequence()
    dataset.ViewCodeSequence = Sequence([view])
    dataset.ImageLaterality = phantom.laterality or "U"
    dataset.PatientOrientation = ["L", "F"]
    dataset.AcquisitionContextSequence = Sequence()
    dataset.PositionerType = "NONE"
    dataset.DetectorType = "SCINTILLATOR"
    dataset.DetectorConfiguration = "AREA"
    spacing = f"{phantom.spacing_mm:.6f}"
    dataset.ImagerPixelSpacing = [spacing, spacing]
    dataset.PixelSpacing = [spacing, spacing]


def _add_image(dataset: Dataset, phantom: Phantom, *, monochrome: Monochrome) -> None:
    """Pixels of 12 bits in 16, with the window that shows their whole range."""
    pixels = phantom.pixels if monochrome == 2 else MAX_VALUE - phantom.pixels
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = f"MONOCHROME{monochrome}"
    dataset.PresentationLUTShape = "IDENTITY" if monochrome == 2 else "INVERSE"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = BITS
    dataset.HighBit = BITS - 1
    dataset.PixelRepresentation = 0
    dataset.PixelIntensityRelationship = "LOG"
    # The sign says whether higher values stand for more X-rays (1) or fewer (-1).
    dataset.PixelIntensityRelationshipSign = -1 if monochrome == 2 else 1
    dataset.RescaleIntercept = 0
    dataset.RescaleSlope = 1
    dataset.RescaleType = "US"
    dataset.WindowCenter = (MAX_VALUE + 1) // 2
    dataset.WindowWidth = MAX_VALUE + 1
    dataset.WindowCenterWidthExplanation = "Whole range"
    dataset.LossyImageCompression = "00"
    dataset.BurnedInAnnotation = "NO"
    dataset.PixelData = np.ascontiguousarray(pixels, dtype="<u2").tobytes()


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue = value
    code.CodingSchemeDesignator = "SCT"
    code.CodeMeaning = meaning
    return code


def _uid(text: str) -> UID:
    """A UID below 2.25 (PS3.5 B.2) that depends on nothing but ``text``."""
    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, text).int}")

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from highdicom import seg
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from lucency.annotations import dicom_seg
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.formats import Head
from lucency.annotations.geometry import Box, box_around
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
CR = "1.2.840.10008.5.1.4.1.1.1"
IMAGE, OTHER = "1.2.826.0.1.1", "1.2.826.0.1.2"


def packed(frames: np.ndarray) -> bytes:
    return np.packbits(frames.reshape(-1), bitorder="little").tobytes()


def frame(
    segment: int, *images: str, frames: list[int] | int | None = None, aligned: str | None = "YES"
) -> Dataset:
    """The functional groups of a frame that shows ``segment`` in ``images``."""
    made, number, derivation = Dataset(), Dataset(), Dataset()
    number.ReferencedSegmentNumber = segment
    made.SegmentIdentificationSequence = [number]
    derivation.SourceImageSequence = []
    for uid in images:
        source = Dataset()
        source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = CR, uid
        if frames is not None:
            source.ReferencedFrameNumber = frames
        if aligned is not None:
            source.SpatialLocationsPreserved = aligned
        derivation.SourceImageSequence.append(source)
    if images:
        made.DerivationImageSequence = [derivation]
    return made


def segment(number: int, label: str, kind: str = "") -> Dataset:
    made = Dataset()
    made.SegmentNumber, made.SegmentLabel = number, label
    if kind:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99TEST", kind
        made.SegmentedPropertyTypeCodeSequence = [code]
    return made


def segmentation(
    pixels: np.ndarray,
    frames: Sequence[Dataset],
    *,
    segments: Sequence[Dataset] = (segment(1, "Fracture"), segment(2, "", "Cyst")),
    images: Sequence[str] = (IMAGE,),
    **values: Any,
) -> Dataset:
    """``pixels`` are frames, rows, columns; True inside."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = SEGMENTATION
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = "1.2.826.0.1.9"
    made.PatientID, made.SegmentationType = "P7", "BINARY"
    series = Dataset()
    series.ReferencedInstanceSequence = []
    for uid in images:
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CR, uid
        series.ReferencedInstanceSequence.append(reference)
    made.ReferencedSeriesSequence = [series]
    made.NumberOfFrames, made.Rows, made.Columns = pixels.shape
    made.BitsAllocated = made.BitsStored = made.SamplesPerPixel = 1
    made.PixelRepresentation, made.PhotometricInterpretation = 0, "MONOCHROME2"
    made.SegmentSequence = list(segments)
    made.PerFrameFunctionalGroupsSequence = list(frames)
    data = packed(pixels)
    made.PixelData = data + b"\0" * (len(data) % 2)
    made["PixelData"].VR = "OB"
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def saved(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def read(path: Path) -> tuple[list[ImageAnnotation], Ledger]:
    """Everything in a source; the books balance."""
    ledger = Ledger()
    found = list(dicom_seg.read(Source(path), ledger))
    for annotation in found:
        for finding in annotation.findings:
            ledger.written(annotation.source, {finding.label: 1})
    ledger.check()
    return found, ledger


def block(y1: int, y2: int, x1: int, x2: int, *, rows: int = 7, columns: int = 9) -> np.ndarray:
    pixels = np.zeros((rows, columns), dtype=bool)
    pixels[y1:y2, x1:x2] = True
    return pixels


EMPTY = block(0, 0, 0, 0)


def test_a_frame_is_a_finding_of_its_source_image(tmp_path: Path) -> None:
    # 63 pixels a frame, so that no frame but the first starts with a byte.
    pixels = np.stack([block(1, 3, 2, 5), block(4, 7, 0, 9), block(0, 1, 8, 9), EMPTY])
    frames = [frame(1, IMAGE), frame(2, IMAGE), frame(1, OTHER), frame(2, OTHER)]
    dataset = segmentation(pixels, frames, images=[IMAGE, OTHER, "1.2.3"])
    found, ledger = read(saved(dataset, tmp_path / "seg.dcm"))
    assert ledger.totals()["in"] == 3
    assert [(a.image, a.status, a.size_wh, a.patient_id) for a in found] == [
        (IMAGE, Status.ANNOTATED, (9, 7), "P7"),
        (OTHER, Status.ANNOTATED, (9, 7), "P7"),
        ("1.2.3", Status.UNKNOWN, (9, 7), "P7"),
    ]
    assert [(f.label, f.box, f.index) for a in found for f in a.findings] == [
        ("Fracture", Box(2, 1, 5, 3), "frame 1"),
        ("Cyst", Box(0, 4, 9, 7), "frame 2"),
        ("Fracture", Box(8, 0, 9, 1), "frame 3"),
    ]
    first = found[0].findings[0].polygon
    assert first is not None
    assert set(first) == {(2, 1), (5, 1), (5, 3), (2, 3)}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 4), rows=st.integers(1, 9))
def test_packed_bits_as_pydicom_unpacks_them(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int, rows: int
) -> None:
    pixels = np.random.default_rng(seed).random((count, rows, 7)) < 0.4
    dataset = segmentation(pixels, [frame(1, IMAGE)] * count)
    path = saved(dataset, tmp_path_factory.mktemp("seg") / "seg.dcm")
    decoded = np.atleast_3d(pydicom.dcmread(path).pixel_array).reshape(count, rows, 7)
    found, _ = read(path)
    findings = {int(f.index.split()[1]): f for a in found for f in a.findings}
    assert sorted(findings) == [n for n, one in enumerate(decoded, 1) if one.any()]
    for number, finding in findings.items():
        ys, xs = decoded[number - 1].nonzero()
        assert finding.box == Box(xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert finding.polygon is not None
        assert box_around(finding.polygon) == finding.box


def test_fractions_above_half_are_inside(tmp_path: Path) -> None:
    pixels = np.full((1, 7, 9), 100, dtype=np.uint8)
    pixels[0, 2:4, 3:6] = 101
    fractional = {
        "SegmentationType": "FRACTIONAL",
        "MaximumFractionalValue": 200,
        "BitsAllocated": 8,
        "PixelData": pixels.tobytes() + b"\0",
    }
    dataset = segmentation(pixels > 100, [frame(1, IMAGE)], **fractional)
    found, _ = read(saved(dataset, tmp_path / "seg.dcm"))
    assert found[0].findings[0].box == Box(3, 2, 6, 4)


@pytest.mark.parametrize(
    ("groups", "images", "expected"),
    [
        (frame(1), [IMAGE], [(IMAGE, {})]),
        (frame(1, IMAGE, OTHER), [IMAGE], [(IMAGE, {}), (OTHER, {})]),
        (frame(1, IMAGE, aligned=None), [], [(IMAGE, {})]),
        (frame(1, IMAGE, frames=3), [], [(IMAGE, {"frame": "3"})]),
        (frame(1, IMAGE, frames=[3, 4]), [], [(IMAGE, {"frame": "3"}), (IMAGE, {"frame": "4"})]),
    ],
    ids=["from the series", "two images", "nothing of places", "a frame", "frames"],
)
def test_which_images_a_frame_is_of(
    tmp_path: Path, groups: Dataset, images: list[str], expected: list[tuple[str, dict[str, str]]]
) -> None:
    dataset = segmentation(block(1, 3, 2, 5)[None], [groups], images=images)
    found, ledger = read(saved(dataset, tmp_path / "seg.dcm"))
    assert [(a.image, dict(f.attributes)) for a in found for f in a.findings] == expected
    assert ledger.totals()["in"] == len(expected)


@pytest.mark.parametrize(
    ("groups", "segments", "reason"),
    [
        (frame(1), None, Reason.UNKNOWN_IMAGE),
        (frame(1, IMAGE, aligned="NO"), None, Reason.UNSUPPORTED_SHAPE),
        (frame(1, IMAGE, aligned="REORIENTED_ONLY"), None, Reason.UNSUPPORTED_SHAPE),
        (frame(7, IMAGE), None, Reason.UNKNOWN_CLASS),
        (Dataset(), None, Reason.UNKNOWN_IMAGE),
        (frame(1, IMAGE), [segment(1, " ")], Reason.UNKNOWN_CLASS),
        (frame(1, IMAGE), [], Reason.UNKNOWN_CLASS),
    ],
    ids=["no image", "moved", "turned", "no segment", "nothing", "no name", "no segments"],
)
def test_frames_that_are_no_findings_are_told(
    tmp_path: Path, groups: Dataset, segments: list[Dataset] | None, reason: Reason
) -> None:
    given_segments = {} if segments is None else {"segments": segments}
    pixels = block(1, 3, 2, 5)[None]
    dataset = segmentation(pixels, [groups], images=[IMAGE, OTHER], **given_segments)
    found, ledger = read(saved(dataset, tmp_path / "seg.dcm"))
    assert [a.findings for a in found] == [(), ()]
    (entry,) = ledger.box_entries
    assert (entry.reason, entry.index) == (reason, "frame 1")


def test_groups_that_all_frames_share(tmp_path: Path) -> None:
    pixels = np.stack([block(1, 3, 2, 5), block(4, 7, 0, 9)])
    shared = frame(2, OTHER)
    dataset = segmentation(
        pixels, [Dataset(), Dataset()], SharedFunctionalGroupsSequence=[shared], images=[]
    )
    found, _ = read(saved(dataset, tmp_path / "seg.dcm"))
    assert [(a.image, [f.label for f in a.findings]) for a in found] == [(OTHER, ["Cyst", "Cyst"])]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"SegmentationType": "LABELMAP"}, r"must be BINARY .*got \"LABELMAP\" of 1"),
        ({"SegmentationType": "FRACTIONAL"}, r"FRACTIONAL of 8, got \"FRACTIONAL\" of 1"),
        ({"BitsAllocated": 8}, r"must be BINARY of 1 bit .*got \"BINARY\" of 8"),
        ({"NumberOfFrames": 2}, "must have 2 items, got 1"),
        ({"NumberOfFrames": -1}, "must have -1 items, got 1"),
        ({"PerFrameFunctionalGroupsSequence": []}, "must have 1 items, got 0"),
        ({"Rows": 0}, "must be 1 to 100 million pixels, got 0"),
        ({"Rows": 60_000, "Columns": 60_000}, "must be 1 to 100 million pixels"),
        ({"Rows": 70}, "PixelData: must be 79 bytes, got 8"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_segmentation_that_contradicts_itself(
    tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    dataset = segmentation(block(1, 3, 2, 5)[None], [frame(1, IMAGE)], **values)
    with pytest.raises(AnnotationError, match=rf"^seg\.dcm: .*{message}"):
        read(saved(dataset, tmp_path / "seg.dcm"))


@pytest.mark.parametrize("missing", ["PixelData", "Rows", "SegmentationType"])
def test_a_segmentation_without_what_it_needs(tmp_path: Path, missing: str) -> None:
    dataset = segmentation(block(1, 3, 2, 5)[None], [frame(1, IMAGE)])
    del dataset[missing]
    with pytest.raises(AnnotationError, match=r"^seg\.dcm: "):
        read(saved(dataset, tmp_path / "seg.dcm"))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_a_compressed_segmentation_is_refused(tmp_path: Path, syntax: str) -> None:
    dataset = segmentation(block(1, 3, 2, 5)[None], [frame(1, IMAGE)])
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = pydicom.encaps.encapsulate([b"\0" * 64])
    with pytest.raises(AnnotationError, match=r"^seg\.dcm: TransferSyntaxUID: must be uncomp"):
        read(saved(dataset, tmp_path / "seg.dcm"))


def test_a_segmentation_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    dataset = segmentation(block(1, 3, 2, 5)[None], [frame(1, IMAGE)])
    data = saved(dataset, tmp_path / "whole").read_bytes()
    path = tmp_path / "cut.dcm"
    for end in range(132, len(data), 5):
        path.write_bytes(data[:end])
        with pytest.raises(AnnotationError, match=r"^cut\.dcm: "):
            read(path)


def test_noise_in_a_segmentation_raises_nothing_else(tmp_path: Path) -> None:
    dataset = segmentation(block(1, 3, 2, 5)[None], [frame(1, IMAGE)])
    data = saved(dataset, tmp_path / "whole").read_bytes()
    path = tmp_path / "noise.dcm"
    random = np.random.default_rng(3)
    refused = 0
    for _ in range(300):
        noisy = bytearray(data)
        for place in random.integers(240, len(data), 3):
            noisy[place] = random.integers(256)
        path.write_bytes(noisy)
        try:
            read(path)
        except AnnotationError as error:
            assert str(error).startswith("noise.dcm: ")
            refused += 1
    assert 0 < refused < 300


def test_detection_is_by_the_sop_class(tmp_path: Path) -> None:
    dataset = segmentation(block(1, 3, 2, 5)[None], [frame(1, IMAGE)])
    path = saved(dataset, tmp_path / "seg.dcm")
    text = path.read_bytes()[:4096].decode("latin-1")
    assert dicom_seg.detect(Head(str(path), "seg.dcm", text))
    assert not dicom_seg.detect(Head("", "a.dcm", text.replace("66.4", "88.4", 1)))
    assert not dicom_seg.detect(Head("", "a", ""))


def test_a_segmentation_that_highdicom_wrote(tmp_path: Path) -> None:
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID, image.SOPInstanceUID = CR, IMAGE
    image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.826.0.2", "1.2.826.0.3"
    image.PatientID, image.PatientName, image.PatientBirthDate, image.PatientSex = "P7", "", "", ""
    image.StudyID, image.AccessionNumber, image.StudyDate, image.StudyTime = "", "", "", ""
    image.ReferringPhysicianName, image.Modality = "", "CR"
    image.Rows, image.Columns = 7, 9
    described = [
        seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Mass,
            algorithm_type=seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, label in enumerate(["Fracture", "Cyst"], 1)
    ]
    masks = np.stack([block(1, 3, 2, 5), block(4, 7, 0, 9)], axis=-1)[None]
    for kind in (seg.SegmentationTypeValues.BINARY, seg.SegmentationTypeValues.FRACTIONAL):
        dataset = seg.Segmentation(
            source_images=[image],
            pixel_array=masks.astype(np.uint8 if kind.value == "BINARY" else float),
            segmentation_type=kind,
            segment_descriptions=described,
            series_instance_uid=hd.UID(),
            series_number=1,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer="none",
            manufacturer_model_name="none",
            software_versions="1",
            device_serial_number="1",
        )
        found, _ = read(saved(dataset, tmp_path / "seg.dcm"))
        assert [(a.image, f.label, f.box) for a in found for f in a.findings] == [
            (IMAGE, "Fracture", Box(2, 1, 5, 3)),
            (IMAGE, "Cyst", Box(0, 4, 9, 7)),
        ]
        assert found[0].findings[0].attributes == {"property_type": "Mass"}


@pytest.mark.real_data
def test_the_real_segmentation(lucency_data: Path) -> None:
    folder = lucency_data / "formats/dicom"
    # Unpacked here by hand: 16 x 16 bits, the lowest of each byte first.
    data = (folder / "seg_image_cr_binary.dcm").read_bytes()[-32:]
    bits = np.array([[byte >> bit & 1 for bit in range(8)] for byte in data]).reshape(16, 16)
    ys, xs = bits.nonzero()
    for source in (folder, folder / "seg_image_cr_binary.dcm"):
        found, ledger = read(source)
        ((finding,),) = [annotation.findings for annotation in found]
        assert finding.label == "first segment"
        assert finding.box == Box(xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert finding.attributes == {"property_type": "Connective tissue"}
        assert found[0].image == "1.3.6.1.4.1.5962.1.1.0.0.0.1196527414.5534.0.11"
        assert (found[0].size_wh, found[0].patient_id) == ((16, 16), "77654033")
        assert ledger.totals()["in"] == 1
        assert ledger.image_entries == []

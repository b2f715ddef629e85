import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from highdicom import sr
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from lucency.annotations import dicom_sr
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.formats import Head
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Outcome, Reason
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError

REPORT = "1.2.840.10008.5.1.4.1.1.88.33"
CR = "1.2.840.10008.5.1.4.1.1.1"
IMAGE, OTHER = "1.2.826.0.1.1", "1.2.826.0.1.2"


def coded(concept: tuple[str, str, str]) -> list[Dataset]:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = concept
    return [code]


FINDING = ("121071", "DCM", "Finding")
SITE = ("363698007", "SCT", "Finding Site")
TRACKING = ("112039", "DCM", "Tracking Identifier")
REGION = ("111030", "DCM", "Image Region")
GROUP = ("125007", "DCM", "Measurement Group")


def item(
    kind: str, concept: tuple[str, str, str] | None, *children: Dataset, **values: Any
) -> Dataset:
    made = Dataset()
    made.RelationshipType, made.ValueType = "CONTAINS", kind
    if concept:
        made.ConceptNameCodeSequence = coded(concept)
    for keyword, value in values.items():
        setattr(made, keyword, value)
    if children:
        made.ContentSequence = list(children)
    return made


def said(concept: tuple[str, str, str], meaning: str) -> Dataset:
    return item("CODE", concept, ConceptCodeSequence=coded(("1", "99TEST", meaning)))


def selected(uid: str, frames: list[int] | int | None = None) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CR, uid
    if frames is not None:
        reference.ReferencedFrameNumber = frames
    return item("IMAGE", None, ReferencedSOPSequence=[reference])


def region(kind: str, data: list[float] | None, *images: Dataset) -> Dataset:
    made = item("SCOORD", REGION, *images, GraphicType=kind)
    if data is not None:
        made.GraphicData = data
    return made


def fracture(kind: str, data: list[float] | None) -> Dataset:
    return item("CONTAINER", GROUP, said(FINDING, "Fracture"), region(kind, data, selected(IMAGE)))


def report(*content: Dataset, evidence: Sequence[tuple[str, str]] = ()) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = REPORT
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = "1.2.826.0.1.9"
    made.PatientID, made.ValueType = "P7", "CONTAINER"
    if evidence:
        study, series = Dataset(), Dataset()
        series.ReferencedSOPSequence = []
        for sop_class, uid in evidence:
            reference = Dataset()
            reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = sop_class, uid
            series.ReferencedSOPSequence.append(reference)
        study.ReferencedSeriesSequence = [series]
        made.CurrentRequestedProcedureEvidenceSequence = [study]
    made.ContentSequence = list(content)
    return made


def saved(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def read(path: Path) -> tuple[list[ImageAnnotation], Ledger]:
    """Everything in a source; the books balance."""
    ledger = Ledger()
    found = list(dicom_sr.read(Source(path), ledger))
    for annotation in found:
        for finding in annotation.findings:
            ledger.written(annotation.source, {finding.label: 1})
    ledger.check()
    return found, ledger


CIRCLE = [5.0, 5.0, 8.0, 5.0]
RECTANGLE = [10.5, 20.0, 30.5, 20.0, 30.5, 60.25, 10.5, 60.25, 10.5, 20.0]


@pytest.mark.parametrize(
    ("kind", "data", "box", "corners"),
    [
        ("POLYLINE", RECTANGLE, Box(10.5, 20, 30.5, 60.25), None),
        ("POLYLINE", RECTANGLE[:8], Box(10.5, 20, 30.5, 60.25), None),
        ("POLYLINE", [0, 5, 5, 0, 10, 5, 5, 10, 0, 5], Box(0, 0, 10, 10), 4),
        ("POLYLINE", [0, 0, 10, 0, 5, 8], Box(0, 0, 10, 8), 3),
        ("CIRCLE", [50, 40, 53, 44], Box(45, 35, 55, 45), 64),
        ("ELLIPSE", [20, 40, 80, 40, 50, 30, 50, 50], Box(20, 30, 80, 50), 64),
        ("ELLIPSE", [50, 10, 50, 70, 40, 40, 60, 40], Box(40, 10, 60, 70), 64),
        ("ELLIPSE", [50, 50, 50, 30, 80, 40, 20, 40], Box(20, 30, 80, 50), 64),
    ],
    ids=[
        "closed rectangle",
        "open rectangle",
        "diamond",
        "triangle",
        "circle",
        "level ellipse",
        "upright ellipse",
        "axes swapped",
    ],
)
def test_regions_that_become_boxes(
    tmp_path: Path, kind: str, data: list[float], box: Box, corners: int | None
) -> None:
    found, _ = read(saved(report(fracture(kind, data)), tmp_path / "report.dcm"))
    ((finding,),) = [annotation.findings for annotation in found]
    assert (finding.label, finding.index) == ("Fracture", "item 1.1.2")
    for value, expected in zip(astuple(finding.box), astuple(box), strict=True):
        assert value == pytest.approx(expected, abs=1e-4)
    assert (finding.polygon and len(finding.polygon)) == corners
    assert found[0].image == IMAGE
    assert (found[0].size_wh, found[0].patient_id, found[0].reader) == (None, "P7", "")


def astuple(box: Box) -> tuple[float, float, float, float]:
    return box.x1, box.y1, box.x2, box.y2


def test_a_turned_ellipse_has_its_true_box(tmp_path: Path) -> None:
    # Half axes 30 and 10, turned by 30°: half the width is √(30² cos² 30° + 10² sin² 30°).
    cosine, sine = math.cos(math.pi / 6), math.sin(math.pi / 6)
    major = [50 - 30 * cosine, 50 - 30 * sine, 50 + 30 * cosine, 50 + 30 * sine]
    minor = [50 + 10 * sine, 50 - 10 * cosine, 50 - 10 * sine, 50 + 10 * cosine]
    path = saved(report(fracture("ELLIPSE", major + minor)), tmp_path / "report.dcm")
    box = read(path)[0][0].findings[0].box
    assert box.width / 2 == pytest.approx(math.hypot(30 * cosine, 10 * sine), abs=1e-4)
    assert box.height / 2 == pytest.approx(math.hypot(30 * sine, 10 * cosine), abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        ("POINT", [5, 5], Reason.UNSUPPORTED_SHAPE),
        ("MULTIPOINT", [5, 5, 9, 9, 5, 9], Reason.UNSUPPORTED_SHAPE),
        ("POLYLINE", [5, 5, 9, 9], Reason.UNSUPPORTED_SHAPE),
        ("POLYLINE", [5, 5, 9, 9, 5, 5], Reason.UNSUPPORTED_SHAPE),
        ("SPLINE", [5, 5, 9, 9, 5, 5], Reason.UNSUPPORTED_SHAPE),
        ("POLYLINE", None, Reason.MALFORMED),
        ("POLYLINE", [], Reason.MALFORMED),
        ("POLYLINE", [5.0], Reason.MALFORMED),
        ("POLYLINE", [5, 5, 9, 5, 9], Reason.MALFORMED),
        ("CIRCLE", [5, 5], Reason.MALFORMED),
        ("CIRCLE", [5, 5, 9, 9, 9, 9], Reason.MALFORMED),
        ("ELLIPSE", [5, 5, 9, 9], Reason.MALFORMED),
        ("ELLIPSE", [0, 0, 80, 0, 200, 30, 200, 50], Reason.MALFORMED),
        ("POLYLINE", [5, 5, math.nan, 5, 9, 9], Reason.NOT_FINITE),
        ("POLYLINE", [5, 5, math.inf, 5, 9, 9], Reason.NOT_FINITE),
        ("CIRCLE", [5, 5, -math.inf, 5], Reason.NOT_FINITE),
        ("CIRCLE", [5, 5, 5, 5], Reason.ZERO_AREA),
        ("POLYLINE", [5, 5, 9, 5, 7, 5], Reason.ZERO_AREA),
        ("ELLIPSE", [0, 0, 8, 8, 4, 4, 4, 4], Reason.ZERO_AREA),
    ],
)
def test_regions_that_become_none_are_told(
    tmp_path: Path, kind: str, data: list[float] | None, reason: Reason
) -> None:
    path = saved(report(fracture(kind, data)), tmp_path / "report.dcm")
    found, ledger = read(path)
    assert [(a.image, a.status, a.findings) for a in found] == [(IMAGE, Status.UNKNOWN, ())]
    (entry,) = ledger.box_entries
    assert (entry.outcome, entry.reason, entry.label) == (Outcome.DROPPED, reason, "Fracture")
    assert entry.image == IMAGE
    assert entry.detail.startswith(entry.index)


def without_lengths(dataset: Dataset) -> Dataset:
    """The same with delimiters in place of the lengths of sequences and items."""
    for element in dataset.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = True
            for inner in element.value:
                inner.is_undefined_length_sequence_item = True
    return dataset


def test_graphic_data_that_is_no_numbers(tmp_path: Path) -> None:
    dataset = without_lengths(report(fracture("CIRCLE", CIRCLE)))
    path = saved(dataset, tmp_path / "report.dcm")
    data, start = path.read_bytes(), b"\x70\x00\x22\x00FL\x10\x00"
    place = data.index(start)
    for damaged in (
        data.replace(b"\x70\x00\x22\x00FL", b"\x70\x00\x22\x00LO"),
        data[: place + 6] + b"\x0e\x00" + data[place + 10 :],
    ):
        path.write_bytes(damaged)
        _, ledger = read(path)
        assert [entry.reason for entry in ledger.box_entries] == [Reason.MALFORMED]


def test_several_groups_images_and_frames(tmp_path: Path) -> None:
    dataset = report(
        item(
            "CONTAINER",
            ("126010", "DCM", "Imaging Measurements"),
            item(
                "CONTAINER",
                GROUP,
                said(FINDING, "Nodule"),
                said(SITE, "Lung"),
                region("CIRCLE", [5, 5, 8, 5], selected(IMAGE), selected(OTHER)),
            ),
            item(
                "CONTAINER",
                GROUP,
                said(FINDING, "Mass"),
                region("CIRCLE", [9, 9, 8, 9], selected(OTHER, [2, 3])),
                region("CIRCLE", [4, 4, 3, 4], selected(OTHER, 1)),
            ),
        ),
        evidence=[(CR, IMAGE), (CR, OTHER), (CR, "1.2.3"), ("1.2.840.10008.5.1.4.1.1.66.4", "1.4")],
    )
    found, ledger = read(saved(dataset, tmp_path / "report.dcm"))
    assert ledger.totals()["in"] == 5
    assert [(a.image, a.status) for a in found] == [
        (IMAGE, Status.ANNOTATED),
        (OTHER, Status.ANNOTATED),
        ("1.2.3", Status.UNKNOWN),
    ]
    assert [(f.label, dict(f.attributes)) for f in found[0].findings] == [
        ("Nodule", {"finding_site": "Lung"})
    ]
    assert [(f.label, f.attributes.get("frame"), f.index) for f in found[1].findings] == [
        ("Nodule", None, "item 1.1.1.3"),
        ("Mass", "2", "item 1.1.2.2"),
        ("Mass", "3", "item 1.1.2.2"),
        ("Mass", "1", "item 1.1.2.3"),
    ]


@pytest.mark.parametrize(
    ("content", "label"),
    [
        ([said(SITE, "Hip"), said(FINDING, "Cyst"), "region"], "Cyst"),
        ([item("TEXT", TRACKING, TextValue="Lesion 1"), said(SITE, "Hip"), "region"], "Hip"),
        ([item("TEXT", TRACKING, TextValue="Lesion 1"), "region"], "Lesion 1"),
        (["region"], "Image Region"),
        ([item("TEXT", FINDING, TextValue="as text"), "region"], "as text"),
        ([said(FINDING, "  "), said(SITE, "Hip"), "region"], "Hip"),
        ([said(SITE, "Hip"), "measured region"], "Hip"),
    ],
    ids=["finding", "site", "tracking", "own name", "text", "blank finding", "in a measurement"],
)
def test_what_a_region_is_called(tmp_path: Path, content: list[Dataset | str], label: str) -> None:
    circle = region("CIRCLE", CIRCLE, selected(IMAGE))
    measured = item("NUM", ("42798000", "SCT", "Area"), circle)
    kinds = {"region": circle, "measured region": measured}
    items = [kinds[part] if isinstance(part, str) else part for part in content]
    # A finding outside of the group says nothing of what is inside.
    dataset = report(said(FINDING, "of another group"), item("CONTAINER", GROUP, *items))
    found, _ = read(saved(dataset, tmp_path / "report.dcm"))
    assert found[0].findings[0].label == label


def test_a_finding_above_a_region_without_groups(tmp_path: Path) -> None:
    finding = said(("111059", "DCM", "Single Image Finding"), "Calcification Cluster")
    finding.ContentSequence = [
        region("POINT", [5, 5], selected(IMAGE)),
        region("CIRCLE", CIRCLE, selected(IMAGE)),
    ]
    found, ledger = read(saved(report(finding), tmp_path / "cad.dcm"))
    assert [finding.label for finding in found[0].findings] == ["Calcification Cluster"]
    assert [entry.label for entry in ledger.box_entries] == ["Calcification Cluster"]


def test_the_centre_of_an_outlined_finding_is_no_further_mark(tmp_path: Path) -> None:
    def mark(concept: tuple[str, str, str], kind: str, data: list[float]) -> Dataset:
        coordinates: dict[str, Any] = {"GraphicType": kind, "GraphicData": data}
        return item("SCOORD", concept, selected(IMAGE), **coordinates)

    centre, outline = ("111010", "DCM", "Center"), ("111041", "DCM", "Outline")
    mass, density = (
        said(("111059", "DCM", "Single Image Finding"), name) for name in ("Mass", "Density")
    )
    mass.ContentSequence = [mark(centre, "POINT", [5, 5]), mark(outline, "CIRCLE", CIRCLE)]
    density.ContentSequence = [mark(centre, "POINT", [5, 5])]
    found, ledger = read(saved(report(mass, density), tmp_path / "cad.dcm"))
    assert [finding.label for finding in found[0].findings] == ["Mass"]
    assert [(entry.label, entry.reason) for entry in ledger.box_entries] == [
        ("Mass", Reason.DUPLICATE),
        ("Density", Reason.UNSUPPORTED_SHAPE),
    ]


def test_an_image_by_reference_to_another_item(tmp_path: Path) -> None:
    reference = Dataset()
    reference.RelationshipType = "SELECTED FROM"
    reference.ReferencedContentItemIdentifier = [1, 1, 1]
    library = item("CONTAINER", ("111028", "DCM", "Image Library"), selected(IMAGE))
    dataset = report(library, region("CIRCLE", CIRCLE, reference))
    found, _ = read(saved(dataset, tmp_path / "report.dcm"))
    assert [(a.image, len(a.findings)) for a in found] == [(IMAGE, 1)]
    reference.ReferencedContentItemIdentifier = [1, 7, 1]
    _, ledger = read(saved(dataset, tmp_path / "report.dcm"))
    assert [entry.reason for entry in ledger.box_entries] == [Reason.UNKNOWN_IMAGE]


@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        (region("CIRCLE", CIRCLE), Reason.UNKNOWN_IMAGE),
        (region("CIRCLE", CIRCLE, selected("")), Reason.UNKNOWN_IMAGE),
        (
            item("SCOORD3D", REGION, GraphicType="POLYGON", GraphicData=[1.0, 2.0, 3.0]),
            Reason.UNSUPPORTED_SHAPE,
        ),
        (
            item("SCOORD", None, selected(IMAGE), GraphicType="CIRCLE", GraphicData=CIRCLE),
            Reason.MALFORMED,
        ),
    ],
    ids=["no image", "empty UID", "in space", "without any name"],
)
def test_regions_of_nothing_known(tmp_path: Path, mark: Dataset, reason: Reason) -> None:
    _, ledger = read(saved(report(mark), tmp_path / "report.dcm"))
    assert [entry.reason for entry in ledger.box_entries] == [reason]


def test_a_report_without_regions_says_nothing_of_its_images(tmp_path: Path) -> None:
    library = item("CONTAINER", ("111028", "DCM", "Image Library"), selected(IMAGE))
    dataset = report(library, evidence=[(CR, OTHER)])
    found, ledger = read(saved(dataset, tmp_path / "report.dcm"))
    assert [(a.image, a.status) for a in found] == [(OTHER, Status.UNKNOWN)]
    assert ledger.totals()["in"] == 0


def test_a_device_is_the_reader_and_a_person_is_not(tmp_path: Path) -> None:
    person = item("PNAME", ("121008", "DCM", "Person Observer Name"), PersonName="Doe^Jane")
    uid = item("UIDREF", ("121012", "DCM", "Device Observer UID"), UID="1.2.3.4")
    name = item("TEXT", ("121013", "DCM", "Device Observer Name"), TextValue="CAD 3")
    mark = fracture("CIRCLE", CIRCLE)
    for content, reader in (
        ([person, mark], ""),
        ([person, uid, mark], "1.2.3.4"),
        ([uid, name, mark], "CAD 3"),
    ):
        found, _ = read(saved(report(*content), tmp_path / "report.dcm"))
        assert found[0].reader == reader


def test_a_folder_may_hold_the_images_and_anything_else(tmp_path: Path) -> None:
    saved(report(fracture("CIRCLE", CIRCLE)), tmp_path / "1.2.826.0.1.9")
    folder = tmp_path / "train"
    folder.mkdir()
    saved(report(fracture("CIRCLE", CIRCLE)), folder / "b.dcm")
    image = report()
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = CR
    saved(image, tmp_path / "image.dcm")
    (tmp_path / "notes.txt").write_text("no DICOM")
    (tmp_path / "empty").write_bytes(b"")
    found, ledger = read(tmp_path)
    assert [(a.source, a.split) for a in found] == [("1.2.826.0.1.9", ""), ("train/b.dcm", "train")]
    assert ledger.image_entries == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no DICOM structured report"),
        (b"{}", "is no DICOM structured report"),
        (bytes(128) + b"DICM", "is no DICOM structured report"),
        (bytes(128) + b"DICM\x02\x00\x02\x00UI", "is no DICOM structured report"),
    ],
    ids=["empty", "text", "preamble", "cut class"],
)
def test_a_file_that_is_no_report(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "report.dcm"
    path.write_bytes(data)
    with pytest.raises(AnnotationError, match=rf"^report\.dcm: {message}$"):
        read(path)


def test_a_report_cut_off_anywhere_is_refused_or_whole(tmp_path: Path) -> None:
    whole = saved(report(fracture("POLYLINE", RECTANGLE), evidence=[(CR, IMAGE)]), tmp_path / "a")
    data, path = whole.read_bytes(), tmp_path / "cut.dcm"
    for end in range(132, len(data), 3):
        path.write_bytes(data[:end])
        with pytest.raises(AnnotationError, match=r"^cut\.dcm: "):
            read(path)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("undefined", [False, True], ids=["lengths", "no lengths"])
def test_a_cut_report_in_every_encoding(tmp_path: Path, syntax: str, undefined: bool) -> None:
    dataset = report(fracture("POLYLINE", RECTANGLE), evidence=[(CR, IMAGE)])
    dataset.file_meta.TransferSyntaxUID = syntax
    if undefined:
        without_lengths(dataset)
    whole = saved(dataset, tmp_path / "whole.dcm")
    found, _ = read(whole)
    assert len(found[0].findings) == 1
    data, path = whole.read_bytes(), tmp_path / "cut.dcm"
    for end in range(len(data) - 1, 300, -7):
        path.write_bytes(data[:end])
        with pytest.raises(AnnotationError, match=r"^cut\.dcm: "):
            read(path)


def test_a_deflated_report_is_refused(tmp_path: Path) -> None:
    dataset = report(fracture("CIRCLE", CIRCLE))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    with pytest.raises(AnnotationError, match=r"^a\.dcm: is a deflated DICOM file"):
        read(saved(dataset, tmp_path / "a.dcm"))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_damage_elsewhere_does_no_harm(tmp_path: Path, syntax: str) -> None:
    dataset = report(fracture("CIRCLE", CIRCLE))
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PatientWeight = "987"
    path = saved(dataset, tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes().replace(b"987 ", b"1,5 "))
    assert len(read(path)[0][0].findings) == 1


def test_a_damaged_report_among_others_is_told(tmp_path: Path) -> None:
    whole = saved(report(fracture("CIRCLE", CIRCLE)), tmp_path / "a.dcm")
    (tmp_path / "b.dcm").write_bytes(whole.read_bytes()[:-9])
    found, ledger = read(tmp_path)
    assert [annotation.source for annotation in found] == ["a.dcm"]
    assert [(e.source, e.reason) for e in ledger.image_entries] == [
        ("b.dcm", Reason.UNREADABLE_ANNOTATION)
    ]


def test_noise_in_a_report_raises_nothing_else(tmp_path: Path) -> None:
    whole = saved(report(fracture("POLYLINE", RECTANGLE), evidence=[(CR, IMAGE)]), tmp_path / "a")
    data, path = whole.read_bytes(), tmp_path / "noise.dcm"
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
            assert "\n" not in str(error)
            refused += 1
    assert 0 < refused < 300


def test_a_deep_report(tmp_path: Path) -> None:
    # Items of undefined length, one in the other: written by hand, since no writer goes so deep.
    head = saved(report(fracture("CIRCLE", CIRCLE)), tmp_path / "a.dcm").read_bytes()
    start = head.index(b"\x40\x00\x30\xa7SQ")
    opened = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path = tmp_path / "deep.dcm"
    path.write_bytes(head[:start] + opened * 20_000)
    with pytest.raises(AnnotationError, match=r"^deep\.dcm: is a damaged"):
        read(path)


def test_detection_is_by_the_sop_class(tmp_path: Path) -> None:
    path = saved(report(fracture("CIRCLE", CIRCLE)), tmp_path / "a.dcm")
    text = path.read_bytes()[:4096].decode("latin-1")
    assert dicom_sr.detect(Head(str(path), "a.dcm", text))
    assert not dicom_sr.detect(Head("", "a.dcm", text.replace(REPORT, CR.ljust(len(REPORT), "\0"))))
    assert not dicom_sr.detect(Head("", "a.json", '{"shapes": []}'))
    assert not dicom_sr.detect(Head("", "a", ""))


def radiograph(uid: str) -> Dataset:
    """An image as highdicom needs it to make a report of it."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = CR, uid
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.826.0.2", "1.2.826.0.3"
    made.PatientID, made.PatientName, made.PatientBirthDate, made.PatientSex = "P7", "", "", ""
    made.StudyID, made.AccessionNumber, made.StudyDate, made.StudyTime = "", "", "", ""
    made.ReferringPhysicianName, made.Modality = "", "CR"
    made.Rows, made.Columns = 100, 80
    return made


def measured(
    name: str, shape: str, points: list[list[float]], uid: str
) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    place = sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues[shape],
        graphic_data=np.array(points),
        source_image=sr.SourceImageForRegion(CR, uid),
    )
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(hd.UID(), name),
        referenced_region=place,
        finding_type=sr.CodedConcept("1", "99TEST", name),
    )


def test_a_report_that_highdicom_wrote(tmp_path: Path) -> None:
    observer = sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=hd.UID("1.2.3.4"), name="detector"
        ),
    )
    corners = [[10.0, 20.0], [30.0, 20.0], [30.0, 60.0], [10.0, 60.0], [10.0, 20.0]]
    ends = [[20.0, 40.0], [80.0, 40.0], [50.0, 30.0], [50.0, 50.0]]
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=[
            measured("Fracture", "POLYLINE", corners, IMAGE),
            measured("Cyst", "CIRCLE", [[50.0, 40.0], [53.0, 44.0]], IMAGE),
            measured("Mass", "ELLIPSE", ends, OTHER),
        ],
        title=codes.DCM.ImagingMeasurementReport,
    )
    document = sr.ComprehensiveSR(
        evidence=[radiograph(IMAGE), radiograph(OTHER)],
        content=content,
        series_instance_uid=hd.UID(),
        series_number=1,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="none",
    )
    found, ledger = read(saved(document, tmp_path / "report.dcm"))
    assert ledger.totals()["in"] == 3
    boxes = {(a.image, f.label): f.box for a in found for f in a.findings}
    assert boxes == {
        (IMAGE, "Fracture"): Box(10, 20, 30, 60),
        (IMAGE, "Cyst"): Box(45, 35, 55, 45),
        (OTHER, "Mass"): Box(20, 30, 80, 50),
    }
    assert {(a.reader, a.patient_id) for a in found} == {("detector", "P7")}


@pytest.mark.real_data
def test_the_real_report(lucency_data: Path) -> None:
    folder = lucency_data / "formats/dicom"
    for source in (folder, folder / "sr_document.dcm"):
        found, ledger = read(source)
        # dcmdump: one SCOORD, CIRCLE 58\52\58\41, so a radius of 11 around (58, 52).
        ((finding,),) = [annotation.findings for annotation in found]
        assert finding.label == "Spinal cord"
        assert finding.box == Box(47, 41, 69, 63)
        assert finding.attributes == {"finding_site": "Cervico-thoracic spine"}
        assert found[0].image == "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322"
        assert found[0].patient_id == "1CT1"
        assert ledger.totals()["in"] == 1
        assert ledger.image_entries == []


@pytest.mark.real_data
def test_real_images_are_no_annotations(lucency_data: Path, tmp_path: Path) -> None:
    for file in sorted((lucency_data / "dicom").glob("*.dcm")):
        shutil.copyfile(file, tmp_path / file.name)
    assert list(tmp_path.iterdir())
    found, ledger = read(tmp_path)
    assert found == [] and ledger.image_entries == []

"""DICOM structured reports: the regions of images that a report's findings were seen in.

PS3.16, TID 1500 "Measurement Report", and any other tree of content items, computer-aided
detection among them. Coordinates: PS3.3 section C.18.6, (column, row) in pixels.

A region is labelled, within its measurement group, by the nearest finding; else by the nearest
finding site, tracking identifier, or by what the region itself is called. Computer-aided detection
gives the centre of a finding besides its outline (TID 4021); the two are one box.
"""

import math
from collections.abc import Callable, Container, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from lucency.annotations import shapes
from lucency.annotations.dicom_documents import (
    Mark,
    Marks,
    instances,
    meaning,
    read_objects,
    storage_class,
)
from lucency.annotations.documents import finite, shown, text
from lucency.annotations.findings import NO_ATTRIBUTES, Finding, ImageAnnotation
from lucency.annotations.formats import Head
from lucency.annotations.geometry import Box, Point, box_around
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
else:
    Dataset = Any

_CLASSES = "1.2.840.10008.5.1.4.1.1.88."
# No images: reports, presentation states, segmentations, key objects, waveforms, documents.
_NO_IMAGES = tuple(f"1.2.840.10008.5.1.4.1.1.{number}." for number in (9, 11, 66, 67, 88, 104))

# Codes of concepts (PS3.16 annex D); SRT and SCT are old and new SNOMED.
_MEASUREMENT_GROUP = {("125007", "DCM")}
_FINDING = {("121071", "DCM"), ("111059", "DCM")}  # the second: of one image, in CAD reports
_FINDING_SITE = {("363698007", "SCT"), ("G-C0E3", "SRT"), ("G-C0E3", "SNM3")}
_TRACKING_IDENTIFIER = {("112039", "DCM")}
_CENTRE, _OUTLINE = ("111010", "DCM"), ("111041", "DCM")
_DEVICE_NAME, _DEVICE_UID = {("121013", "DCM")}, {("121012", "DCM")}

_Shape: TypeAlias = tuple[Box, tuple[Point, ...] | None]


def detect(head: Head) -> bool:
    """Whether the file is a structured report."""
    return storage_class(head.text).startswith(_CLASSES)


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield every image that a report refers to; other DICOM files are passed over.

    Each image of a region counts as one box. Images without regions are of unknown status.

    Raises
    ------
    AnnotationError
        The one document is unreadable; among several it is left out and told to the ledger.

    """
    yield from read_objects(
        source, ledger, kind="DICOM structured report", classes=(_CLASSES,), parse=_parse
    )


def _parse(root: Dataset) -> Marks:
    if "ContentSequence" not in root:
        raise AnnotationError("ContentSequence: must hold the report, got none")
    marks = [mark for path, index in _regions([root], "item 1") for mark in _marks(path, index)]
    return Marks(marks, images=list(_evidence(root)), reader=_device(root))


def _regions(path: list[Dataset], index: str) -> Iterator[tuple[list[Dataset], str]]:
    """The way from the root to every region, and its place as DICOM counts: ``item 1.8.1``."""
    if path[-1].get("ValueType") in ("SCOORD", "SCOORD3D"):
        yield path, index
    for number, item in enumerate(path[-1].get("ContentSequence") or (), 1):
        yield from _regions([*path, item], f"{index}.{number}")


def _marks(path: list[Dataset], index: str) -> Iterator[Mark]:
    """One mark for each image and frame that a region was selected from."""
    region, label = path[-1], _label(path)
    places = [
        (image, frame)
        for image, frames in _selected_from(region, path[0])
        for frame in frames or [""]
    ]
    for image, frame in places or [("", "")]:
        found: Finding | UnusableBox
        try:
            if not image and region.ValueType == "SCOORD":
                raise UnusableBox(Reason.UNKNOWN_IMAGE, f"{index}: was selected from no image")
            found = _finding(path, label, frame, where=index)
        except UnusableBox as problem:
            found = problem
        yield Mark(image, index, label, found)


def _selected_from(region: Dataset, root: Dataset) -> Iterator[tuple[str, list[str]]]:
    for item in region.get("ContentSequence") or ():
        source = item
        if "ReferencedContentItemIdentifier" in item:  # by reference (PS3.3 section C.17.3)
            source = root
            for number in item.ReferencedContentItemIdentifier[1:]:
                source = dict(enumerate(source.get("ContentSequence") or (), 1)).get(number, item)
        if source.get("ValueType") == "IMAGE":
            yield from instances(source.get("ReferencedSOPSequence"))


def _evidence(root: Dataset) -> Iterator[str]:
    """The images that the report is based on."""
    for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence"):
        for study in root.get(keyword) or ():
            for series in study.get("ReferencedSeriesSequence") or ():
                images = [
                    item
                    for item in series.get("ReferencedSOPSequence") or ()
                    if not str(item.get("ReferencedSOPClassUID")).startswith(_NO_IMAGES)
                ]
                yield from (image for image, _ in instances(images))


def _device(root: Dataset) -> str:
    """The program that made the report; people stay unnamed."""
    for concept in (_DEVICE_NAME, _DEVICE_UID):
        for item in root.ContentSequence:
            if _concept(item) in concept:
                return _value(item)
    return ""


def _label(path: list[Dataset]) -> str:
    group = [depth for depth, item in enumerate(path) if _concept(item) in _MEASUREMENT_GROUP]
    inner = path[group[-1] :] if group else path
    for concepts in (_FINDING, _FINDING_SITE, _TRACKING_IDENTIFIER):
        found = _said(inner, concepts)
        if found:
            return found
    return meaning(path[-1].get("ConceptNameCodeSequence"))


def _said(path: list[Dataset], concepts: Container[tuple[str, str]]) -> str:
    """The value of the nearest item that is about one of these concepts, or an empty text."""
    for holder in reversed(path):
        for item in (holder, *(holder.get("ContentSequence") or ())):
            if _concept(item) in concepts and _value(item):
                return _value(item)
    return ""


def _concept(item: Dataset) -> tuple[str, str]:
    for code in item.get("ConceptNameCodeSequence") or ():
        return str(code.get("CodeValue")), str(code.get("CodingSchemeDesignator"))
    return "", ""


def _value(item: Dataset) -> str:
    """The value of an item of type CODE, TEXT or UIDREF."""
    found = meaning(item.get("ConceptCodeSequence")) or item.get("TextValue") or item.get("UID")
    return text(str(found or "").strip()) or ""


def _finding(path: list[Dataset], label: str, frame: str, *, where: str) -> Finding:
    region = path[-1]
    kind = region.get("GraphicType")
    if kind == "POINT" and _concept(region) == _CENTRE and any(map(_has_outline, path[-2:-1])):
        raise UnusableBox(Reason.DUPLICATE, f"{where}: is the centre of the outline beside it")
    if region.ValueType == "SCOORD3D" or kind not in _SHAPES:
        what = "a region in space" if region.ValueType == "SCOORD3D" else shown(kind)
        raise UnusableBox(Reason.UNSUPPORTED_SHAPE, f"{where}: {what} cannot become a box")
    if not label:
        raise UnusableBox(Reason.MALFORMED, f"{where}: nothing says what was found")
    points = _points(region, where=f"{where}.GraphicData")
    try:
        box, polygon = _SHAPES[kind](points, where=f"{where}.GraphicData")
    except ValueError:  # a radius may overflow
        raise UnusableBox(
            Reason.NOT_FINITE, f"{where}.GraphicData: must be finite, got {shown(points)}"
        ) from None
    if box.width <= 0 or box.height <= 0:
        raise UnusableBox(
            Reason.ZERO_AREA, f"{where}.GraphicData: must span an area, got {shown(points)}"
        )
    said = {"frame": frame, "finding_site": _said(path, _FINDING_SITE)}
    attributes = {key: value for key, value in said.items() if value and value != label}
    return Finding(label, box, polygon=polygon, attributes=attributes or NO_ATTRIBUTES, index=where)


def _has_outline(holder: Dataset) -> bool:
    items = holder.get("ContentSequence") or ()
    return any(_concept(item) == _OUTLINE and item.get("ValueType") == "SCOORD" for item in items)


def _points(region: Dataset, *, where: str) -> list[Point]:
    r"""(x, y) in pixels from the top-left corner of the top-left pixel, as ours are.

    PS3.3 table C.18.6-1: 0.0\0.0 is the outer corner of that pixel, 1.0\1.0 its inner one.
    """
    try:
        data = region.get("GraphicData")
    except Exception:  # bytes that are no numbers; pydicom decodes them only here
        raise UnusableBox(Reason.MALFORMED, f"{where}: is damaged") from None
    values = list(data) if isinstance(data, Sequence) and not isinstance(data, str) else []
    if not values or len(values) % 2:
        raise UnusableBox(
            Reason.MALFORMED, f"{where}: must be pairs of column and row, got {shown(values)}"
        )
    numbers = [number for number in map(finite, values) if number is not None]
    if len(numbers) != len(values):
        raise UnusableBox(
            Reason.NOT_FINITE, f"{where}: must be finite numbers, got {shown(values)}"
        )
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _polyline(points: list[Point], *, where: str) -> _Shape:
    """An outline, closed or not; two points are a line."""
    polygon = tuple(points[:-1] if points[0] == points[-1] else points)
    if len(polygon) < 3:
        raise UnusableBox(Reason.UNSUPPORTED_SHAPE, f"{where}: a line cannot become a box")
    box = box_around(polygon)
    upright = len(polygon) == 4 and set(polygon) == set(shapes.corners(box))
    return box, None if upright else polygon


def _circle(points: list[Point], *, where: str) -> _Shape:
    """The centre and a point on the rim."""
    centre, rim = _exactly(2, points, "circle", where=where)
    radius = math.dist(centre, rim)
    box = shapes.ellipse_box(centre, radius, radius)
    return box, shapes.ellipse_outline(centre, radius, radius)


def _ellipse(points: list[Point], *, where: str) -> _Shape:
    """The ends of the major axis, then those of the minor one."""
    start, end, minor_start, minor_end = _exactly(4, points, "ellipse", where=where)
    radius_x, radius_y = math.dist(start, end) / 2, math.dist(minor_start, minor_end) / 2
    centre = _middle(start, end)
    if math.dist(centre, _middle(minor_start, minor_end)) > 1 + radius_x / 10:
        raise UnusableBox(
            Reason.MALFORMED, f"{where}: the axes must cross in the middle, got {shown(points)}"
        )
    degrees = math.degrees(math.atan2(end[1] - start[1], end[0] - start[0]))
    if min(radius_x, radius_y) == 0:
        return Box(*centre, *centre), None
    box = shapes.ellipse_box(centre, radius_x, radius_y, degrees)
    return box, shapes.ellipse_outline(centre, radius_x, radius_y, degrees)


_SHAPES: dict[str, Callable[..., _Shape]] = {
    "POLYLINE": _polyline,
    "CIRCLE": _circle,
    "ELLIPSE": _ellipse,
}


def _exactly(count: int, points: list[Point], what: str, *, where: str) -> list[Point]:
    if len(points) != count:
        raise UnusableBox(
            Reason.MALFORMED, f"{where}: a {what} has {count} points, got {shown(points)}"
        )
    return points


def _middle(start: Point, end: Point) -> Point:
    return (start[0] + end[0]) / 2, (start[1] + end[1]) / 2

"""COCO JSON: pixel boxes ``[x, y, width, height]``, all images of a set in one document.

Format: https://cocodataset.org/#format-data. Three optional keys of an image are honoured beyond
it: ``split``, ``patient_id`` and ``flags`` (image-level labels, ``{"tb": true}``).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lucency.annotations import documents
from lucency.annotations.coco_tables import CocoImage, category_names, images_by_id, key_of
from lucency.annotations.documents import finite, listing, mapping, shown
from lucency.annotations.findings import Finding, ImageAnnotation, LabelMap, Status
from lucency.annotations.formats import Head
from lucency.annotations.geometry import INF, Box, Point, box_around
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.annotations.masks import mask_from_coco
from lucency.annotations.shapes import joined
from lucency.annotations.sources import Source, SourceFile, read_each
from lucency.configs import atomic
from lucency.configs.errors import AnnotationError

DOCUMENT = "annotations.json"
_IMAGES = re.compile(r'"images"\s*:\s*\[')
_OTHERS = re.compile(r'"(?:annotations|categories)"\s*:\s*\[')


def detect(head: Head) -> bool:
    """Whether the file is a COCO document."""
    text = head.text
    return (
        text[:100].lstrip().startswith("{")
        and _OTHERS.search(text) is not None
        # In a large document the images may stand where detection does not look.
        and ('"category_id"' in text or _IMAGES.search(text) is not None)
    )


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images of one document, or of every JSON file below a folder.

    Images without annotations are confirmed negatives, unless the document has no categories
    or no ``annotations`` at all: nobody can have looked for anything then.

    Raises
    ------
    AnnotationError
        The one document is unreadable; among several it is left out and told to the ledger.

    """
    return read_each(source, ledger, ".json", document=_read_document)


def write(annotations: Iterable[ImageAnnotation], out: Path, *, label_map: LabelMap) -> None:
    """Write ``annotations.json``; category and image ids count from 1.

    Images of unknown status are not listed, since every reader would take them for negatives.

    Raises
    ------
    AnnotationError
        An image has no size, a label is not in ``label_map``, or an area is no finite number.

    """
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for annotation in annotations:
        if annotation.status is Status.UNKNOWN:
            continue
        image_id = len(images) + 1
        images.append(_image_entry(annotation, image_id))
        for finding in annotation.findings:
            if finding.label not in label_map:
                raise AnnotationError(f"{annotation.image}: {finding.label}: no such class")
            category_id = label_map.id_of(finding.label) + 1
            boxes.append(_box_entry(finding, len(boxes) + 1, image_id, category_id))
    categories = [{"id": number, "name": name} for number, name in enumerate(label_map, start=1)]
    document = {"images": images, "annotations": boxes, "categories": categories}
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    except ValueError:  # an area may overflow where an annotation claims an impossible size
        raise AnnotationError(f"{DOCUMENT}: an area is too large for a number") from None
    atomic.write_text(out / DOCUMENT, text)


def _image_entry(annotation: ImageAnnotation, image_id: int) -> dict[str, Any]:
    if annotation.size_wh is None:
        raise AnnotationError(f"{annotation.image}: COCO needs the image's size, which is unknown")
    width, height = annotation.size_wh
    entry: dict[str, Any] = {"id": image_id, "file_name": annotation.image}
    entry |= {"width": width, "height": height}
    optional = {
        "split": annotation.split,
        "patient_id": annotation.patient_id,
        "flags": dict(annotation.labels),
    }
    return entry | {key: value for key, value in optional.items() if value}


def _box_entry(finding: Finding, number: int, image_id: int, category_id: int) -> dict[str, Any]:
    box, polygon = finding.box, finding.polygon
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [box.x1, box.y1, box.width, box.height],
        "area": box.area,
        "segmentation": [[value for point in polygon for value in point]] if polygon else [],
        "iscrowd": 0,
    }


def _read_document(file: SourceFile, ledger: Ledger) -> Iterator[ImageAnnotation]:
    document = mapping(documents.read_json(file), where=file.name)
    if "images" not in document:
        raise AnnotationError(f"{file.name}: is no COCO document: it has no 'images'")
    names = category_names(document, where=file.name)
    images, clashing = images_by_id(document, where=file.name)
    raw = listing(document.get("annotations", []), where=f"{file.name}: annotations")
    reviewed = bool(names) and "annotations" in document
    del document
    segments = _panoptic(raw)
    ledger.expect(file.name, len(raw) if segments is None else len(segments))
    for image_id, file_names in clashing.items():
        for name in file_names:
            detail = f"{file.name}: the image id {image_id} stands for several files"
            ledger.leave_out(file.name, image=name, reason=Reason.AMBIGUOUS_IMAGE, detail=detail)
    if segments is not None:
        raw = [segment for _, segment in segments]
    positions = [position for position, _ in segments] if segments is not None else None
    findings, marked = _findings(raw, names, images, clashing, file.name, ledger, positions)
    split = documents.split_named(file.name.rpartition(".")[0].split("_")) or file.split
    for image_id, image in images.items():
        unmarked = Status.NEGATIVE if reviewed and image_id not in marked else Status.UNKNOWN
        found = tuple(findings.pop(image_id, ()))
        yield ImageAnnotation(
            image=image.name,
            source=file.name,
            size_wh=image.size_wh,
            findings=found,
            status=Status.ANNOTATED if found else unmarked,
            split=image.split or split,
            patient_id=image.patient_id,
            labels=image.labels,
        )


def _panoptic(raw: list[Any]) -> list[tuple[str, object]] | None:
    """The segments of panoptic annotations with their positions; None if these are others.

    https://cocodataset.org/#format-data: one annotation an image, a box for each segment.
    """
    if not any(isinstance(entry, dict) and "segments_info" in entry for entry in raw[:1]):
        return None
    segments: list[tuple[str, object]] = []
    for number, value in enumerate(raw):
        entry = value if isinstance(value, dict) else {}
        inner = entry.get("segments_info")
        if not isinstance(inner, list):
            segments.append((f"annotations[{number}]", entry))
            continue
        for place, segment in enumerate(inner):
            found = (
                {**segment, "image_id": entry.get("image_id")} if isinstance(segment, dict) else {}
            )
            segments.append((f"annotations[{number}].segments_info[{place}]", found))
    return segments


def _findings(
    raw: list[Any],
    names: Mapping[object, str],
    images: Mapping[object, CocoImage],
    clashing: Mapping[object, object],
    source: str,
    ledger: Ledger,
    positions: Sequence[str] | None,
) -> tuple[dict[object, list[Finding]], set[object]]:
    """The findings by image id, and the ids of all images that have any annotation.

    ``raw`` is emptied on the way, so that a document of a million boxes is not held twice.
    """
    findings: dict[object, list[Finding]] = {}
    marked: set[object] = set()
    count = len(raw)
    raw.reverse()
    for number in range(count):
        value = raw.pop()
        annotation = value if isinstance(value, dict) else {}
        where = positions[number] if positions else f"annotations[{number}]"
        label = names.get(key_of(annotation.get("category_id")), "")
        image_id = key_of(annotation.get("image_id"))
        image = images.get(image_id)
        try:
            if image is None:
                raise _without_image(annotation, clashing, where=where)
            marked.add(image_id)
            finding = _finding(annotation, label, where=where)
            if annotation.get("segmentation"):
                finding = _outlined(finding, annotation, source, image.name, ledger)
        except UnusableBox as problem:
            name = image.name if image else ""
            ledger.unusable(source, problem, image=name, index=where, label=label)
            continue
        if image_id in findings:
            findings[image_id].append(finding)
        else:
            findings[image_id] = [finding]
    return findings, marked


def _without_image(
    annotation: Mapping[str, Any], clashing: Mapping[object, object], *, where: str
) -> UnusableBox:
    image_id = annotation.get("image_id")
    if key_of(image_id) in clashing:
        detail = f"{where}.image_id: {image_id} stands for several files"
        return UnusableBox(Reason.AMBIGUOUS_IMAGE, detail)
    detail = f"{where}.image_id: no image has the id {shown(image_id)}"
    return UnusableBox(Reason.UNKNOWN_IMAGE, detail)


def _finding(annotation: Mapping[str, Any], label: str, *, where: str) -> Finding:
    if not label:
        found = shown(annotation.get("category_id"))
        raise UnusableBox(
            Reason.UNKNOWN_CLASS, f"{where}.category_id: no category has the id {found}"
        )
    if annotation.get("iscrowd"):
        raise UnusableBox(Reason.CROWD, f"{where}: marks a crowd, not one finding")
    bbox = annotation.get("bbox")
    if bbox:
        return Finding(label, _box(bbox, where=where), index=where)
    outlines = _outlines(annotation.get("segmentation"), where=f"{where}.segmentation")
    if not outlines:
        raise UnusableBox(Reason.NO_BOX, f"{where}: has neither a bbox nor a polygon")
    box = box_around([point for outline in outlines for point in outline])
    if box.width <= 0 or box.height <= 0:
        raise UnusableBox(Reason.ZERO_AREA, f"{where}.segmentation: must span an area")
    return Finding(label, box, polygon=joined(outlines), index=where)


def _outlined(
    finding: Finding, annotation: Mapping[str, Any], source: str, image: str, ledger: Ledger
) -> Finding:
    """The finding with its outline; one that cannot be used costs no box, and is told of."""
    if finding.polygon:
        return finding
    where = f"{finding.index}.segmentation"
    try:
        outlines = _outlines(annotation["segmentation"], where=where)
    except UnusableBox as problem:
        detail = f"{problem.detail}: its outline is left out, its box kept"
        ledger.note(source, image=image, reason=problem.reason, detail=detail)
        return finding
    return replace(finding, polygon=joined(outlines)) if outlines else finding


def _box(bbox: object, *, where: str) -> Box:
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise UnusableBox(
            Reason.MALFORMED, f"{where}.bbox: must be [x, y, width, height], got {shown(bbox)}"
        )
    x, y, width, height = bbox
    if type(x) is type(y) is type(width) is type(height) is float and width > 0 and height > 0:
        # Nearly all boxes of a set; infinity and NaN fail the comparison.
        right, bottom = x + width, y + height
        if -INF < x < right < INF and -INF < y < bottom < INF:
            return Box(x, y, right, bottom)
    x, y, width, height = map(finite, bbox)
    if x is None or y is None or width is None or height is None:
        raise UnusableBox(
            Reason.NOT_FINITE, f"{where}.bbox: must be finite numbers, got {shown(bbox)}"
        )
    if width <= 0 or height <= 0:
        raise UnusableBox(
            Reason.ZERO_AREA, f"{where}.bbox: width and height must be above 0, got {shown(bbox)}"
        )
    try:
        return Box(x, y, x + width, y + height)
    except ValueError:  # the sum of two finite numbers may overflow
        raise UnusableBox(
            Reason.NOT_FINITE, f"{where}.bbox: must be finite numbers, got {shown(bbox)}"
        ) from None


def _outlines(segmentation: object, *, where: str) -> list[tuple[Point, ...]]:
    """The polygons of an annotation; of a run-length mask, its outline."""
    if isinstance(segmentation, dict):
        try:
            outline = mask_from_coco(segmentation).outline()
        except ValueError as error:
            raise UnusableBox(Reason.MALFORMED, f"{where}: {error}") from None
        return [outline] if outline else []
    if not isinstance(segmentation, list):
        return []
    outlines = []
    for number, flat in enumerate(segmentation):
        if not isinstance(flat, list) or len(flat) < 6 or len(flat) % 2:
            raise UnusableBox(
                Reason.MALFORMED,
                f"{where}[{number}]: must be x and y of at least 3 points, got {shown(flat)}",
            )
        values = [value for value in map(finite, flat) if value is not None]
        if len(values) != len(flat):
            raise UnusableBox(
                Reason.NOT_FINITE,
                f"{where}[{number}]: must be finite numbers, got {shown(flat)}",
            )
        outlines.append(tuple(zip(values[::2], values[1::2], strict=True)))
    return outlines

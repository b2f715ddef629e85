"""Datumaro JSON, as Datumaro and CVAT write it: one document a subset, pixel coordinates.

Format: https://openvinotoolkit.github.io/datumaro/latest/docs/data-formats/datumaro_format.html
and https://docs.cvat.ai/docs/dataset_management/formats/format-datumaro/. CVAT says in the
attribute ``rotation`` by how many degrees a rectangle or ellipse is turned about its centre.
``group`` is kept as an attribute: what belongs together is not merged.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lucency.annotations import documents, marks
from lucency.annotations.documents import finite, listing, mapping, shown, whole
from lucency.annotations.findings import Finding, ImageAnnotation, Status
from lucency.annotations.formats import Head
from lucency.annotations.geometry import Point
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.annotations.marks import Mark
from lucency.annotations.masks import mask_from_coco
from lucency.annotations.shapes import is_closed
from lucency.annotations.sources import Source, SourceFile, read_each
from lucency.configs.errors import AnnotationError

_ITEMS = re.compile(r'"items"\s*:\s*\[')
_CATEGORIES = re.compile(r'"categories"\s*:\s*\{')
_LABEL = "label"
# Annotations that are about the whole image, or none that anybody drew.
_NOT_DRAWN = {_LABEL, "caption", "hash_key", "feature_vector", "tabular", "depth_annotation",
              "super_resolution_annotation"}  # fmt: skip


def detect(head: Head) -> bool:
    """Whether the file looks like a Datumaro document: items, and categories by their kind."""
    return (
        head.text[:200].lstrip().startswith("{")
        and _CATEGORIES.search(head.text) is not None
        and _ITEMS.search(head.text) is not None
    )


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images of every document; the split is the document's name (``train.json``).

    An item with an empty list of annotations is a confirmed negative, since exporters list what
    was annotated. One without the list, or with labels of the image alone, is unknown.

    Raises
    ------
    AnnotationError
        The one document is unreadable; among several it is left out and told to the ledger.

    """
    return read_each(source, ledger, ".json", document=_document)


@dataclass(frozen=True, slots=True)
class _Item:
    """One image; ``drawn`` are its geometric annotations by their position."""

    where: str
    name: str
    size_wh: tuple[int, int] | None
    drawn: Mapping[int, Any]
    labels: Mapping[str, bool]
    unmarked: Status


def _document(file: SourceFile, ledger: Ledger) -> Iterator[ImageAnnotation]:
    document = mapping(documents.read_json(file), where=file.name)
    if "items" not in document:
        raise AnnotationError(f"{file.name}: is no Datumaro document: it has no 'items'")
    names = _class_names(document.get("categories"), where=f"{file.name}: categories")
    values = listing(document["items"], where=f"{file.name}: items")
    items = [
        _item(value, names, f"items[{number}]", file.name) for number, value in enumerate(values)
    ]
    stem = file.name.rpartition("/")[2].removesuffix(".json")
    split = documents.split_named(stem.split("_")) or file.split
    ledger.expect(file.name, sum(len(item.drawn) for item in items))
    for item in items:
        findings = tuple(_findings(item, names, file.name, ledger))
        yield ImageAnnotation(
            image=item.name,
            source=file.name,
            size_wh=item.size_wh,
            findings=findings,
            status=Status.ANNOTATED if findings else item.unmarked,
            split=split,
            labels=item.labels,
        )


def _class_names(categories: object, *, where: str) -> list[str]:
    label = mapping(categories or {}, where=where).get(_LABEL) or {}
    labels = mapping(label, where=f"{where}.label").get("labels") or []
    names = []
    for number, entry in enumerate(listing(labels, where=f"{where}.label.labels")):
        position = f"{where}.label.labels[{number}]"
        found = mapping(entry, where=position).get("name")
        name = documents.text(found)
        if name is None:
            raise AnnotationError(f"{position}.name: must be a name, got {shown(found)}")
        names.append(name)
    return names


def _item(value: object, names: list[str], position: str, file_name: str) -> _Item:
    where = f"{file_name}: {position}"
    item = mapping(value, where=where)
    image = mapping(item.get("image") or item.get("media") or {}, where=f"{where}.image")
    # An image that lies where its id says has an empty path.
    name = documents.text(image.get("path")) or documents.text(item.get("id"))
    if name is None:
        raise AnnotationError(f"{where}.id: must be a name, got {shown(item.get('id'))}")
    size = image.get("size") or [None, None]
    if len(listing(size, where=f"{where}.image.size")) != 2:
        raise AnnotationError(f"{where}.image.size: must be [height, width], got {shown(size)}")
    height, width = size
    size_wh = documents.size_wh(width, height, where=f"{where}.image.size")
    found = item.get("annotations")
    annotations = [] if found is None else listing(found, where=f"{where}.annotations")
    drawn = {number: value for number, value in enumerate(annotations) if _is_drawn(value)}
    labels = {}
    for number, annotation in enumerate(annotations):
        if number not in drawn and annotation["type"] == _LABEL:
            label = _label(annotation.get("label_id"), names)
            if label is None:
                raise AnnotationError(
                    f"{where}.annotations[{number}].label_id: must be the number of a label, "
                    f"got {shown(annotation.get('label_id'))}"
                )
            labels[label] = True
    unmarked = Status.UNKNOWN if annotations or found is None else Status.NEGATIVE
    return _Item(
        f"{position}.annotations", name.replace("\\", "/"), size_wh, drawn, labels, unmarked
    )


def _is_drawn(annotation: object) -> bool:
    kind = annotation.get("type") if isinstance(annotation, dict) else None
    return not isinstance(kind, str) or kind not in _NOT_DRAWN


def _label(label_id: object, names: list[str]) -> str | None:
    number = whole(label_id)
    return names[number] if number is not None and 0 <= number < len(names) else None


def _findings(item: _Item, names: list[str], file_name: str, ledger: Ledger) -> Iterator[Finding]:
    for number, value in item.drawn.items():
        where = f"{item.where}[{number}]"
        annotation = value if isinstance(value, dict) else {}
        label = _label(annotation.get("label_id"), names)
        try:
            if label is None:
                raise UnusableBox(
                    Reason.UNKNOWN_CLASS,
                    f"{where}.label_id: must be the number of a label, "
                    f"got {shown(annotation.get('label_id'))}",
                )
            attributes = annotation.get("attributes")
            attributes = attributes if isinstance(attributes, dict) else {}
            if attributes.get("is_crowd") is True:
                raise UnusableBox(Reason.CROWD, f"{where}: marks a crowd, not one finding")
            box, outline = _mark(annotation, attributes.get("rotation"), where)
            yield Finding(label, box, outline, _texts(annotation, attributes), where)
        except UnusableBox as problem:
            ledger.unusable(file_name, problem, image=item.name, index=where, label=label or "")


def _mark(annotation: Mapping[str, Any], rotation: object, where: str) -> Mark:
    kind = annotation.get("type")
    degrees = 0.0
    if rotation is not None:
        (degrees,) = marks.numbers([rotation], where=f"{where}.attributes.rotation")
    if kind == "bbox":
        x, y, width, height = _numbers(annotation, "bbox", 4, where=where)
        return marks.rectangle(x, y, width, height, degrees=degrees, where=f"{where}.bbox")
    if kind == "rotated_bbox":
        x, y, width, height, turn = _numbers(annotation, "rotated_bbox", 5, where=where)
        return marks.rectangle(
            x - width / 2,
            y - height / 2,
            width,
            height,
            degrees=turn,
            where=f"{where}.rotated_bbox",
        )
    if kind == "ellipse":
        x1, y1, x2, y2 = _numbers(annotation, "points", 4, where=where)
        centre = (x1 + (x2 - x1) / 2, y1 + (y2 - y1) / 2)
        return marks.ellipse(
            centre, (x2 - x1) / 2, (y2 - y1) / 2, degrees=degrees, where=f"{where}.points"
        )
    if kind in ("polygon", "polyline"):
        points = _points(annotation, where=where)
        if kind == "polyline" and not is_closed(points):
            raise UnusableBox(
                Reason.UNSUPPORTED_SHAPE,
                f"{where}.points: an open line has no box, got {shown(annotation.get('points'))}",
            )
        return marks.polygon(points, where=f"{where}.points")
    if kind == "mask":
        return _mask(annotation.get("rle"), where=f"{where}.rle")
    raise UnusableBox(
        Reason.UNSUPPORTED_SHAPE, f"{where}.type: must be a shape with an area, got {shown(kind)}"
    )


def _numbers(annotation: Mapping[str, Any], key: str, count: int, *, where: str) -> list[float]:
    values = annotation.get(key)
    if not isinstance(values, list) or len(values) != count:
        raise UnusableBox(
            Reason.MALFORMED, f"{where}.{key}: must be {count} numbers, got {shown(values)}"
        )
    return marks.numbers(values, where=f"{where}.{key}")


def _points(annotation: Mapping[str, Any], *, where: str) -> list[Point]:
    values = annotation.get("points")
    if not isinstance(values, list) or len(values) % 2:
        raise UnusableBox(
            Reason.MALFORMED, f"{where}.points: must be x, y, x, y, …, got {shown(values)}"
        )
    flat = marks.numbers(values, where=f"{where}.points")
    return list(zip(flat[::2], flat[1::2], strict=True))


def _mask(rle: object, *, where: str) -> Mark:
    if not isinstance(rle, dict):
        raise UnusableBox(Reason.MALFORMED, f"{where}: must be run lengths, got {shown(rle)}")
    try:
        mask = mask_from_coco(rle)
    except ValueError as error:
        raise UnusableBox(Reason.MALFORMED, f"{where}: {error}") from None
    box = mask.box()
    if box is None:
        raise UnusableBox(Reason.ZERO_AREA, f"{where}: must hold a pixel, got an empty mask")
    return box, mask.outline()


def _texts(annotation: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for key, value in attributes.items():
        told = documents.text(value)
        if isinstance(value, bool) or finite(value) is not None:
            told = str(value).lower()
        if told and documents.text(key):
            found[key] = told
    if annotation.get("group") and whole(annotation["group"]) is not None:
        found["group_id"] = str(annotation["group"])
    return found

"""COCO JSON: pixel boxes ``[x, y, width, height]``, all images of a set in one document.

Format: https://cocodataset.org/#format-data. Three optional keys of an image are honoured beyond
it: ``split``, ``patient_id`` and ``flags`` (image-level labels, ``{"tb": true}``).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from lucency.annotations import documents
from lucency.annotations.documents import finite, listing, mapping, shown
from lucency.annotations.findings import Finding, ImageAnnotation, LabelMap, Status
from lucency.annotations.geometry import Box, Point, box_around
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.configs import atomic
from lucency.configs.errors import AnnotationError


def detect(path: Path) -> bool:
    """Whether ``path`` is a COCO document or a folder with one."""
    return any(_looks_like_coco(file) for file in _json_files(path))


def class_names(path: Path) -> tuple[str, ...] | None:
    """None: category ids may have gaps and any order."""
    return None


def embedded_image(path: Path) -> bytes | None:
    """None: COCO documents hold no images."""
    return None


def read(
    path: Path, ledger: Ledger, *, classes: tuple[str, ...] | None = None
) -> Iterator[ImageAnnotation]:
    """Yield the images of one document, or of every JSON file below a folder.

    Images without annotations are confirmed negatives, unless the document has no categories
    or no ``annotations`` at all: nobody can have looked for anything then.

    Raises
    ------
    AnnotationError
        The one document is unreadable; among several it is left out and told to the ledger.

    """
    if path.is_file():
        yield from _read_document(path, ledger)
        return
    for file in _json_files(path):
        split = documents.split_named([*file.relative_to(path).parent.parts, *file.stem.split("_")])
        try:
            yield from _read_document(file, ledger, split=split)
        except AnnotationError as error:
            reason = Reason.UNREADABLE_ANNOTATION
            ledger.leave_out(file, image="", reason=reason, detail=str(error))


def write(annotations: Iterable[ImageAnnotation], out: Path, *, label_map: LabelMap) -> None:
    """Write one document; category and image ids count from 1.

    Images of unknown status are not listed, since every reader would take them for negatives.

    Raises
    ------
    AnnotationError
        An image has no size, or a label is not in ``label_map``.

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
    atomic.write_text(out, json.dumps(document, ensure_ascii=False, allow_nan=False))


def _image_entry(annotation: ImageAnnotation, image_id: int) -> dict[str, Any]:
    if annotation.size_wh is None:
        raise AnnotationError(f"{annotation.image}: COCO needs the image's size, which is unknown")
    width, height = annotation.size_wh
    entry: dict[str, Any] = {"id": image_id, "file_name": annotation.image.as_posix()}
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


def _json_files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.json"))


def _looks_like_coco(path: Path) -> bool:
    try:
        text = documents.read_text(path)
    except AnnotationError:
        return False
    return '"images"' in text and ('"annotations"' in text or '"categories"' in text)


def _read_document(path: Path, ledger: Ledger, *, split: str = "") -> Iterator[ImageAnnotation]:
    document = mapping(documents.read_json(path), where=path.name)
    if "images" not in document:
        raise AnnotationError(f"{path.name}: is no COCO document: it has no 'images'")
    names = _category_names(document, where=path.name)
    images, clashing = _images_by_id(document, where=path.name)
    raw = listing(document.get("annotations", []), where=f"{path.name}: annotations")
    ledger.expect(path, len(raw))
    for image_id, file_names in clashing.items():
        reason = Reason.AMBIGUOUS_IMAGE
        for name in file_names:
            detail = f"{path.name}: the image id {image_id} stands for several files"
            ledger.leave_out(path, image=name, reason=reason, detail=detail)
    findings: dict[object, list[Finding]] = {}
    marked = set()
    for number, value in enumerate(raw):
        annotation = value if isinstance(value, dict) else {}
        index, label = f"annotations[{number}]", _label(annotation, names)
        image = images.get(_key(annotation.get("image_id")), {})
        try:
            if not image:
                raise _without_image(annotation, clashing, where=index)
            marked.add(image["id"])
            found = findings.setdefault(image["id"], [])
            found.append(_finding(annotation, label, where=index))
        except UnusableBox as problem:
            ledger.drop(
                path,
                image=image.get("file_name", ""),
                index=index,
                label=label,
                reason=problem.reason,
                detail=problem.detail,
            )
    reviewed = bool(names) and "annotations" in document
    for image_id, image in images.items():
        unmarked = Status.NEGATIVE if reviewed and image_id not in marked else Status.UNKNOWN
        yield _annotation(image, path, tuple(findings.get(image_id, ())), unmarked, split)


def _category_names(document: Mapping[str, Any], *, where: str) -> dict[object, str]:
    names: dict[object, str] = {}
    categories = listing(document.get("categories", []), where=f"{where}: categories")
    for number, value in enumerate(categories):
        position = f"{where}: categories[{number}]"
        category = mapping(value, where=position)
        name = documents.text(category.get("name"))
        if name is None:
            raise AnnotationError(
                f"{position}.name: must be a name, got {shown(category.get('name'))}"
            )
        category_id = _id(category, where=position)
        if names.setdefault(category_id, name) != name:
            raise AnnotationError(
                f"{position}.id: {category_id} stands for both '{names[category_id]}' and '{name}'"
            )
    return names


def _images_by_id(
    document: Mapping[str, Any], *, where: str
) -> tuple[dict[object, dict[str, Any]], dict[object, list[str]]]:
    """The images by id and, apart from them, the file names that share an id."""
    images: dict[object, dict[str, Any]] = {}
    names: dict[object, list[str]] = {}
    for number, value in enumerate(listing(document["images"], where=f"{where}: images")):
        position = f"{where}: images[{number}]"
        image = _image(mapping(value, where=position), where=position)
        same_id = names.setdefault(image["id"], [])
        if image["file_name"] not in same_id:
            same_id.append(image["file_name"])
            images[image["id"]] = image
    clashing = {image_id: shared for image_id, shared in names.items() if len(shared) > 1}
    return {key: image for key, image in images.items() if key not in clashing}, clashing


def _image(image: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    name = documents.text(image.get("file_name"))
    if name is None:
        found = shown(image.get("file_name"))
        raise AnnotationError(f"{where}.file_name: must be a file name, got {found}")
    return {
        "id": _id(image, where=where),
        "file_name": name.replace("\\", "/"),
        "size_wh": documents.size_wh(image.get("width"), image.get("height"), where=where),
        "split": documents.split(image.get("split"), where=where),
        "patient_id": documents.patient_id(image.get("patient_id"), where=where),
        "labels": documents.flags(image.get("flags") or {}, where=f"{where}.flags"),
    }


def _key(value: object) -> object:
    """An id as a dictionary key (1.0 equals 1), or None if it cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value != value:
        return None
    return value


def _id(entry: Mapping[str, Any], *, where: str) -> object:
    key = _key(entry.get("id"))
    if key is None:
        found = shown(entry.get("id"))
        raise AnnotationError(f"{where}.id: must be a number or a text, got {found}")
    return key


def _annotation(
    image: Mapping[str, Any],
    source: Path,
    findings: tuple[Finding, ...],
    unmarked: Status,
    split: str,
) -> ImageAnnotation:
    return ImageAnnotation(
        image=PurePosixPath(image["file_name"]),
        source=source,
        size_wh=image["size_wh"],
        findings=findings,
        status=Status.ANNOTATED if findings else unmarked,
        split=image["split"] or split,
        patient_id=image["patient_id"],
        labels=image["labels"],
    )


def _without_image(
    annotation: Mapping[str, Any], clashing: Mapping[object, object], *, where: str
) -> UnusableBox:
    image_id = annotation.get("image_id")
    if _key(image_id) in clashing:
        detail = f"{where}.image_id: {image_id} stands for several files"
        return UnusableBox(Reason.AMBIGUOUS_IMAGE, detail)
    detail = f"{where}.image_id: no image has the id {shown(image_id)}"
    return UnusableBox(Reason.UNKNOWN_IMAGE, detail)


def _label(annotation: Mapping[str, Any], names: Mapping[object, str]) -> str:
    return names.get(_key(annotation.get("category_id")), "")


def _finding(annotation: Mapping[str, Any], label: str, *, where: str) -> Finding:
    if not label:
        found = shown(annotation.get("category_id"))
        raise UnusableBox(
            Reason.UNKNOWN_CLASS, f"{where}.category_id: no category has the id {found}"
        )
    if annotation.get("iscrowd"):
        raise UnusableBox(Reason.CROWD, f"{where}: marks a crowd, not one finding")
    outlines = _outlines(annotation.get("segmentation"), where=f"{where}.segmentation")
    bbox = annotation.get("bbox")
    if bbox:
        box = _box(bbox, where=f"{where}.bbox")
    elif outlines:
        box = box_around([point for outline in outlines for point in outline])
    else:
        raise UnusableBox(Reason.NO_BOX, f"{where}: has neither a bbox nor a polygon")
    polygon = outlines[0] if len(outlines) == 1 else None
    return Finding(label, box, polygon=polygon, index=where)


def _box(bbox: object, *, where: str) -> Box:
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise UnusableBox(
            Reason.MALFORMED, f"{where}: must be [x, y, width, height], got {shown(bbox)}"
        )
    x, y, width, height = (finite(value) for value in bbox)
    if x is None or y is None or width is None or height is None:
        raise UnusableBox(Reason.NOT_FINITE, f"{where}: must be finite numbers, got {shown(bbox)}")
    if width <= 0 or height <= 0:
        raise UnusableBox(
            Reason.ZERO_AREA, f"{where}: width and height must be above 0, got {shown(bbox)}"
        )
    try:
        return Box(x, y, x + width, y + height)
    except ValueError:  # the sum of two finite numbers may overflow
        raise UnusableBox(
            Reason.NOT_FINITE, f"{where}: must be finite numbers, got {shown(bbox)}"
        ) from None


def _outlines(segmentation: object, *, where: str) -> list[tuple[Point, ...]]:
    """The polygons of an annotation; run-length masks have none."""
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

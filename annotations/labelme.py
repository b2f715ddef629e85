"""labelme JSON, versions 2 to 7: one document an image, pixel coordinates with EXIF applied.

Written after files of labelme 2, 4, 5 and 7 and its ``_label_file.py``
(https://github.com/wkentaro/labelme). An optional top-level ``patient_id`` and ``split`` are
honoured; top-level ``flags`` are image-level labels.
"""

import base64
import binascii
import json
import math
import struct
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

# How many points each shape that can become a box has; None: three or more.
_POINTS: dict[str, tuple[int, ...] | None] = {
    "rectangle": (2, 4),
    "oriented_rectangle": (4,),
    "circle": (2,),
    "mask": (2,),
    "polygon": None,
}
_IGNORED_FLAG = "__ignore__"  # labelme's own example flag: no label of the image


def detect(path: Path) -> bool:
    """Whether ``path`` is a labelme document or a folder with one."""
    return any(_looks_like_labelme(file) for file in _json_files(path))


def class_names(path: Path) -> tuple[str, ...] | None:
    """None: labelme knows no order of labels."""
    return None


def embedded_image(path: Path) -> bytes | None:
    """The image in ``imageData``, or None.

    Raises
    ------
    AnnotationError
        ``imageData`` is there but is not base64.

    """
    data = mapping(documents.read_json(path), where=path.name).get("imageData")
    if not isinstance(data, str) or not data:
        return None
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise AnnotationError(f"{path.name}: imageData: is not base64") from None


def read(
    path: Path, ledger: Ledger, *, classes: tuple[str, ...] | None = None
) -> Iterator[ImageAnnotation]:
    """Yield the image of one document, or of every JSON file below a folder.

    A document without shapes is a confirmed negative: somebody saved it.

    Raises
    ------
    AnnotationError
        The one document is unreadable; among several it is left out and told to the ledger.

    """
    if path.is_file():
        yield _read_document(path, ledger)
        return
    for file in _json_files(path):
        split = documents.split_named(file.relative_to(path).parent.parts)
        try:
            yield _read_document(file, ledger, split=split)
        except AnnotationError as error:
            reason = Reason.UNREADABLE_ANNOTATION
            ledger.leave_out(file, image="", reason=reason, detail=str(error))


def write(annotations: Iterable[ImageAnnotation], out: Path, *, label_map: LabelMap) -> None:
    """Write one document an image into the folder ``out``, named after the image.

    Images of unknown status get none, since an empty document says that there is nothing.

    Raises
    ------
    AnnotationError
        Two images would share a document, or a label is not in ``label_map``.

    """
    written: set[Path] = set()
    for annotation in annotations:
        if annotation.status is Status.UNKNOWN:
            continue
        file = out / f"{annotation.image.stem}.json"
        if file in written:
            raise AnnotationError(f"{annotation.image}: another image is also named {file.stem}")
        written.add(file)
        for finding in annotation.findings:
            if finding.label not in label_map:
                raise AnnotationError(f"{annotation.image}: {finding.label}: no such class")
        text = json.dumps(_document(annotation), ensure_ascii=False, indent=2, allow_nan=False)
        atomic.write_text(file, text)


def _document(annotation: ImageAnnotation) -> dict[str, Any]:
    width, height = annotation.size_wh or (None, None)
    document = {
        "version": "5.7.0",
        "flags": dict(annotation.labels),
        "shapes": [_shape(finding) for finding in annotation.findings],
        "imagePath": annotation.image.as_posix(),
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    optional = {"patient_id": annotation.patient_id, "split": annotation.split}
    return document | {key: value for key, value in optional.items() if value}


def _shape(finding: Finding) -> dict[str, Any]:
    box = finding.box
    corners: tuple[Point, ...] = ((box.x1, box.y1), (box.x2, box.y2))
    return {
        "label": finding.label,
        "points": [list(point) for point in finding.polygon or corners],
        "group_id": None,
        "description": finding.attributes.get("description", ""),
        "shape_type": "polygon" if finding.polygon else "rectangle",
        "flags": {},
        "mask": None,
    }


def _json_files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.json"))


def _looks_like_labelme(path: Path) -> bool:
    try:
        text = documents.read_text(path)
    except AnnotationError:
        return False
    return '"shapes"' in text and '"imagePath"' in text


def _read_document(path: Path, ledger: Ledger, *, split: str = "") -> ImageAnnotation:
    document = mapping(documents.read_json(path), where=path.name)
    if "shapes" not in document:
        raise AnnotationError(f"{path.name}: is no labelme document: it has no 'shapes'")
    raw = listing(document["shapes"], where=f"{path.name}: shapes")
    image = documents.text(document.get("imagePath"))
    if image is None:
        found = shown(document.get("imagePath"))
        raise AnnotationError(f"{path.name}: imagePath: must be a file name, got {found}")
    flags = documents.flags(document.get("flags") or {}, where=f"{path.name}: flags")
    size_wh = documents.size_wh(
        document.get("imageWidth"), document.get("imageHeight"), where=path.name
    )
    patient_id = documents.patient_id(document.get("patient_id"), where=path.name)
    split = documents.split(document.get("split"), where=path.name) or split
    image_path = PurePosixPath(image.replace("\\", "/"))
    ledger.expect(path, len(raw))
    findings = tuple(_findings(raw, path, str(image_path), ledger))
    unmarked = Status.UNKNOWN if raw else Status.NEGATIVE
    return ImageAnnotation(
        image=image_path,
        source=path,
        size_wh=size_wh,
        findings=findings,
        status=Status.ANNOTATED if findings else unmarked,
        split=split,
        patient_id=patient_id,
        labels={name: flag for name, flag in flags.items() if name != _IGNORED_FLAG},
    )


def _findings(raw: list[Any], path: Path, image: str, ledger: Ledger) -> Iterator[Finding]:
    for number, value in enumerate(raw):
        index = f"shapes[{number}]"
        shape = value if isinstance(value, dict) else {}
        label = documents.text(shape.get("label")) or ""
        try:
            yield _finding(shape, label, where=index)
        except UnusableBox as problem:
            ledger.drop(
                path,
                image=image,
                index=index,
                label=label,
                reason=problem.reason,
                detail=problem.detail,
            )


def _finding(shape: Mapping[str, Any], label: str, *, where: str) -> Finding:
    if not label:
        found = shown(shape.get("label"))
        raise UnusableBox(Reason.MALFORMED, f"{where}.label: must be a name, got {found}")
    kind = shape.get("shape_type") or "polygon"  # version 2 knew polygons alone
    if not isinstance(kind, str) or kind not in _POINTS:
        raise UnusableBox(
            Reason.UNSUPPORTED_SHAPE, f"{where}.shape_type: {shown(kind)} cannot become a box"
        )
    points = _points(shape.get("points"), kind, where=f"{where}.points")
    try:
        box = _box(shape, kind, points, where=where)
    except ValueError:  # a radius may overflow
        raise UnusableBox(
            Reason.NOT_FINITE, f"{where}.points: must be finite numbers, got {shown(points)}"
        ) from None
    if box.width <= 0 or box.height <= 0:
        raise UnusableBox(
            Reason.ZERO_AREA, f"{where}.points: must span an area, got {shown(points)}"
        )
    outline = kind in ("polygon", "oriented_rectangle")
    return Finding(
        label,
        box,
        polygon=points if outline else None,
        attributes=_attributes(shape),
        index=where,
    )


def _points(value: object, kind: str, *, where: str) -> tuple[Point, ...]:
    expected = _POINTS[kind]
    count = len(value) if isinstance(value, list) else -1
    if not isinstance(value, list) or not (count in expected if expected else count >= 3):
        wanted = " or ".join(map(str, expected)) if expected else "at least 3"
        raise UnusableBox(
            Reason.MALFORMED, f"{where}: a {kind} has {wanted} points, got {shown(value)}"
        )
    points = []
    for point in value:
        if not isinstance(point, list) or len(point) != 2:
            raise UnusableBox(Reason.MALFORMED, f"{where}: must be [x, y], got {shown(point)}")
        x, y = finite(point[0]), finite(point[1])
        if x is None or y is None:
            raise UnusableBox(
                Reason.NOT_FINITE, f"{where}: must be finite numbers, got {shown(point)}"
            )
        points.append((x, y))
    return tuple(points)


def _box(shape: Mapping[str, Any], kind: str, points: tuple[Point, ...], *, where: str) -> Box:
    around = box_around(points)
    if kind == "circle":
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        return Box(x - radius, y - radius, x + radius, y + radius)
    if kind == "mask":
        # The points are the first and the last pixel of the mask, both inside.
        width, height = around.width + 1, around.height + 1
        mask_wh = _png_size(shape.get("mask"))
        if mask_wh and max(abs(mask_wh[0] - width), abs(mask_wh[1] - height)) > 1:
            raise UnusableBox(
                Reason.MALFORMED,
                f"{where}.mask: is {mask_wh[0]} x {mask_wh[1]} px, "
                f"but its points span {width:g} x {height:g}",
            )
        width, height = mask_wh or (width, height)
        return Box(around.x1, around.y1, around.x1 + width, around.y1 + height)
    return around


def _png_size(mask: object) -> tuple[int, int] | None:
    """Width and height from the header of a base64 PNG, or None."""
    if not isinstance(mask, str):
        return None
    try:
        header = base64.b64decode(mask[:32])
        return struct.unpack(">II", header[16:24]) if header[:4] == b"\x89PNG" else None
    except (binascii.Error, ValueError, struct.error):
        return None


def _attributes(shape: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for key in ("description", "group_id"):
        if shape.get(key) not in (None, ""):
            found[key] = str(shape[key])
    flags = shape.get("flags")
    if isinstance(flags, dict):
        found |= {str(name): str(flag).lower() for name, flag in flags.items()}
    return found

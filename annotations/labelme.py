"""labelme JSON, versions 2 to 7: one document an image, pixel coordinates with EXIF applied.

Written after files of labelme 2, 4, 5 and 7 and its ``_label_file.py``
(https://github.com/wkentaro/labelme). An optional top-level ``patient_id`` and ``split`` are
honoured; top-level ``flags`` are image-level labels.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from lucency.annotations import documents
from lucency.annotations.documents import listing, mapping, shown
from lucency.annotations.findings import (
    NO_ATTRIBUTES,
    Finding,
    ImageAnnotation,
    LabelMap,
    Status,
)
from lucency.annotations.formats import Head
from lucency.annotations.geometry import Point
from lucency.annotations.labelme_shapes import shape_finding
from lucency.annotations.ledger import Ledger, UnusableBox
from lucency.annotations.sources import Source, SourceFile, read_each
from lucency.configs import atomic
from lucency.configs.errors import AnnotationError

# The flag by which `lucency prepare` asks annotators whether they have looked; no label either.
REVIEWED = "reviewed"
_UNREVIEWED = (
    "some documents have boxes and are not ticked as reviewed: these may be a model's proposals, "
    "which `lucency collect` would leave out"
)
_IGNORED_FLAG = "__ignore__"  # labelme's own example flag: no label of the image


def detect(head: Head) -> bool:
    """Whether the file is a labelme document."""
    return '"shapes"' in head.text and '"imagePath"' in head.text


def embedded_image(path: Path) -> bytes | None:
    """The image in ``imageData``, or None.

    Raises
    ------
    AnnotationError
        ``imageData`` is there but is not base64.

    """
    file = SourceFile(str(path), path.name)
    data = mapping(documents.read_json(file), where=path.name).get("imageData")
    if not isinstance(data, str) or not data:
        return None
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise AnnotationError(f"{path.name}: imageData: is not base64") from None


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the image of one document, or of every JSON file below a folder.

    A document without shapes is a confirmed negative, since somebody saved it; but not one whose
    flag ``reviewed`` says that nobody has looked yet.

    Raises
    ------
    AnnotationError
        The one document is unreadable; among several it is left out and told to the ledger.

    """
    return read_each(source, ledger, ".json", document=_read_document)


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
        file = out / f"{PurePosixPath(annotation.image).stem}.json"
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
        "imagePath": annotation.image,
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


def _read_document(file: SourceFile, ledger: Ledger) -> Iterator[ImageAnnotation]:
    document = documents.read_json(file)
    where = file.name
    if not isinstance(document, dict) or "shapes" not in document:
        raise AnnotationError(f"{where}: is no labelme document: it has no 'shapes'")
    raw = listing(document["shapes"], where=f"{where}: shapes")
    image = documents.text(document.get("imagePath"))
    if image is None:
        found = shown(document.get("imagePath"))
        raise AnnotationError(f"{where}: imagePath: must be a file name, got {found}")
    flags = document.get("flags") or NO_ATTRIBUTES
    reviewed = True
    if flags:
        flags = documents.flags(flags, where=f"{where}: flags")
        reviewed = flags.pop(REVIEWED, True)
        flags.pop(_IGNORED_FLAG, None)
    size_wh = documents.size_wh(
        document.get("imageWidth"), document.get("imageHeight"), where=where
    )
    patient_id, split = "", file.split
    if "patient_id" in document:
        patient_id = documents.patient_id(document["patient_id"], where=where)
    if "split" in document:
        split = documents.split(document["split"], where=where) or split
    image = image.replace("\\", "/")
    ledger.expect(where, len(raw))
    findings = tuple(_findings(raw, where, image, ledger))
    unmarked = Status.UNKNOWN if raw or not reviewed else Status.NEGATIVE
    if findings and not reviewed and _UNREVIEWED not in ledger.hints:
        ledger.hints.append(_UNREVIEWED)
    yield ImageAnnotation(
        image=image,
        source=where,
        size_wh=size_wh,
        findings=findings,
        status=Status.ANNOTATED if findings else unmarked,
        split=split,
        patient_id=patient_id,
        labels=flags,
    )


def _findings(raw: list[Any], source: str, image: str, ledger: Ledger) -> Iterator[Finding]:
    for number, value in enumerate(raw):
        shape = value if isinstance(value, dict) else {}
        label = documents.text(shape.get("label")) or ""
        try:
            yield shape_finding(shape, label, where=_index(number))
        except UnusableBox as problem:
            ledger.unusable(source, problem, image=image, index=_index(number), label=label)


@cache
def _index(number: int) -> str:
    # The same few texts for all documents of a set.
    return f"shapes[{number}]"

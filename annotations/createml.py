"""CreateML JSON: the centre and size of each box in pixels, all images in one document.

Format: https://developer.apple.com/documentation/createml/building-an-object-detector-data-source.
Older documents have ``imagefilename`` for ``image`` and ``annotation`` for ``annotations``.
Image-level labels are a ``label``, a list ``labels`` or names among the annotations, as in
CreateML's image classifiers, or ``labels`` with true and false as we write them. The format has
no polygons and no sizes.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lucency.annotations import documents, marks
from lucency.annotations.documents import listing, mapping, shown
from lucency.annotations.findings import Finding, ImageAnnotation, LabelMap, Status
from lucency.annotations.formats import Head
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.annotations.sources import Source, SourceFile, read_each
from lucency.configs import atomic
from lucency.configs.errors import AnnotationError

_IMAGE_KEYS = ("image", "imagefilename")
_LIST_KEYS = ("annotations", "annotation")
_LABEL_STUDIO = ('"result"', '"annotation_id"', '"completed_by"', '"data"')
_NO_BOXES = re.compile(r'"annotations?"\s*:\s*\[\s*(\]|"[^"\\]*"\s*[,\]])')


def detect(head: Head) -> bool:
    """Whether the file looks like a CreateML document: a list of images with centres of boxes."""
    text = head.text
    if not text[:200].lstrip().startswith("[") or not any(
        f'"{key}"' in text for key in _IMAGE_KEYS
    ):
        return False
    if any(key in text for key in _LABEL_STUDIO):
        return False
    return '"coordinates"' in text or _NO_BOXES.search(text) is not None


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images of every document.

    An image with an empty list is a confirmed negative. One without a list, or with image-level
    labels in it alone, is unknown: it comes from a classifier's set.

    Raises
    ------
    AnnotationError
        The one document is unreadable; among several it is left out and told to the ledger.

    """
    return read_each(source, ledger, ".json", document=_document)


def write(annotations: Iterable[ImageAnnotation], out: Path, *, label_map: LabelMap) -> None:
    """Write ``annotations.json`` into the folder ``out``; images of unknown status are left out.

    Raises
    ------
    AnnotationError
        A label is not in ``label_map``.

    """
    entries = []
    for annotation in annotations:
        if annotation.status is Status.UNKNOWN:
            continue
        for finding in annotation.findings:
            if finding.label not in label_map:
                raise AnnotationError(f"{annotation.image}: {finding.label}: no such class")
        entry: dict[str, Any] = {
            "image": annotation.image,
            "annotations": [_entry(finding) for finding in annotation.findings],
        }
        if annotation.labels:
            entry["labels"] = dict(annotation.labels)
        entries.append(entry)
    text = json.dumps(entries, ensure_ascii=False, allow_nan=False)
    atomic.write_text(out / "annotations.json", text)


def _entry(finding: Finding) -> dict[str, Any]:
    box = finding.box
    coordinates = {
        "x": (box.x1 + box.x2) / 2,
        "y": (box.y1 + box.y2) / 2,
        "width": box.width,
        "height": box.height,
    }
    return {"label": finding.label, "coordinates": coordinates}


@dataclass(frozen=True, slots=True)
class _Image:
    """One entry of a document; ``boxes`` are the annotations that should be boxes, by position."""

    where: str
    name: str
    boxes: Mapping[int, Any]
    labels: Mapping[str, bool]
    unmarked: Status


def _document(file: SourceFile, ledger: Ledger) -> Iterator[ImageAnnotation]:
    entries = listing(documents.read_json(file), where=file.name)
    images = [_image(entry, f"[{number}]", file.name) for number, entry in enumerate(entries)]
    ledger.expect(file.name, sum(len(image.boxes) for image in images))
    for image in images:
        findings = tuple(_findings(image, file.name, ledger))
        yield ImageAnnotation(
            image=image.name,
            source=file.name,
            size_wh=None,
            findings=findings,
            status=Status.ANNOTATED if findings else image.unmarked,
            split=file.split,
            labels=image.labels,
        )


def _image(value: object, position: str, file_name: str) -> _Image:
    where = f"{file_name}: {position}"
    entry = mapping(value, where=where)
    key = next((key for key in _IMAGE_KEYS if key in entry), "image")
    name = documents.text(entry.get(key))
    if name is None:
        raise AnnotationError(f"{where}.{key}: must be a file name, got {shown(entry.get(key))}")
    list_key = next((key for key in _LIST_KEYS if entry.get(key) is not None), "")
    items = listing(entry[list_key], where=f"{where}.{list_key}") if list_key else []
    boxes = {number: item for number, item in enumerate(items) if documents.text(item) is None}
    named = [item for number, item in enumerate(items) if number not in boxes]
    labels = dict.fromkeys(named, True) | _labels(entry, where=where)
    unmarked = Status.NEGATIVE if list_key and not items else Status.UNKNOWN
    return _Image(f"{position}.{list_key}", name.replace("\\", "/"), boxes, labels, unmarked)


def _labels(entry: Mapping[str, Any], *, where: str) -> dict[str, bool]:
    found = entry.get("labels")
    if isinstance(found, dict):
        return documents.flags(found, where=f"{where}.labels")
    names = [entry.get("label"), *(found if isinstance(found, list) else [])]
    for name in names:
        if name is not None and documents.text(name) is None:
            raise AnnotationError(f"{where}.label: must be a name, got {shown(name)}")
    return {name: True for name in names if name is not None}


def _findings(image: _Image, file_name: str, ledger: Ledger) -> Iterator[Finding]:
    for number, value in image.boxes.items():
        index = f"{image.where}[{number}]"
        label = documents.text(value.get("label")) if isinstance(value, dict) else None
        try:
            yield _finding(value, index)
        except UnusableBox as problem:
            ledger.unusable(file_name, problem, image=image.name, index=index, label=label or "")


def _finding(value: object, where: str) -> Finding:
    if not isinstance(value, dict):
        raise UnusableBox(Reason.MALFORMED, f"{where}: must be an object, got {shown(value)}")
    label = marks.label(value.get("label"), where=f"{where}.label")
    position = f"{where}.coordinates"
    if value.get("coordinates") is None:
        raise UnusableBox(Reason.NO_BOX, f"{position}: must be a box, got {shown(value)}")
    centre_x, centre_y, width, height = marks.keyed_numbers(
        value["coordinates"], ("x", "y", "width", "height"), where=position
    )
    box, _ = marks.rectangle(
        centre_x - width / 2, centre_y - height / 2, width, height, where=position
    )
    return Finding(label, box, index=where)

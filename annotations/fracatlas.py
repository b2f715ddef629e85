"""FracAtlas: ``dataset.csv`` for all images, joined with the COCO file of the fractured ones.

Source: Abedeen et al., FracAtlas, Scientific Data 10:521, 2023, and
https://doi.org/10.6084/m9.figshare.22363012. The COCO file lists only images with fractures, so
what makes an image a negative is ``fractured`` = 0 in ``dataset.csv``.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from lucency.annotations import coco, documents
from lucency.annotations.documents import shown
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.formats import Head
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import Source
from lucency.annotations.table_images import image_path, read_tables
from lucency.annotations.tables import Table, first_cells
from lucency.configs.errors import AnnotationError

_PARTS = ("hand", "leg", "hip", "shoulder")
_VIEWS = ("frontal", "lateral", "oblique")
_FURTHER = ("mixed", "hardware", "multiscan", "fracture_count")


def detect(head: Head) -> bool:
    """Whether the first row names the image, the body parts and the fracture."""
    return {"image_id", "hand", "leg", "fractured"}.issubset(first_cells(head.text))


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images, with the boxes of the COCO document below the folder of ``dataset.csv``.

    An image is a negative if it is not fractured; a fractured one without boxes is unknown.
    """
    return read_tables(source, ledger, holds=_holds_labels, document=partial(_document, source))


def _holds_labels(table: Table) -> bool:
    return not {"fractured", *_PARTS}.isdisjoint(table.header)


def _document(source: Source, table: Table, ledger: Ledger) -> Iterator[ImageAnnotation]:
    listed = _listed(table)
    marked: defaultdict[str, list[ImageAnnotation]] = defaultdict(list)
    for document in _coco_documents(Path(table.file.path).parent):
        for annotation in coco.read(replace(source, path=document), ledger):
            marked[annotation.image.rpartition("/")[2]].append(annotation)
    ledger.expect(table.name, 0)
    for name, entry in listed.items():
        annotations = marked.pop(name.rpartition("/")[2], [])
        for annotation in annotations:
            yield _joined(annotation, entry, ledger)
        if not annotations:
            if entry.status is Status.UNKNOWN:
                detail = "is fractured, but no COCO document has its boxes"
                ledger.note(table.name, image=name, reason=Reason.UNKNOWN_STATUS, detail=detail)
            yield entry
    for annotations in marked.values():
        yield from annotations


def _joined(marks: ImageAnnotation, entry: ImageAnnotation, ledger: Ledger) -> ImageAnnotation:
    """The boxes with what ``dataset.csv`` says; an image that lost a box is no negative."""
    status = marks.status
    if status is Status.ANNOTATED and entry.status is Status.NEGATIVE:
        detail = "is not fractured by dataset.csv, but has boxes: these are kept"
        ledger.note(marks.source, image=marks.image, reason=Reason.CONTRADICTION, detail=detail)
    elif status is Status.NEGATIVE and entry.status is Status.UNKNOWN:
        status = Status.UNKNOWN
    return replace(marks, status=status, labels=entry.labels, extra=entry.extra)


def _listed(table: Table) -> dict[str, ImageAnnotation]:
    """The images of ``dataset.csv`` by name, without boxes."""
    image, fractured = table.column("image_id"), table.column("fractured")
    flags = [(name, table.find(name)) for name in (*_PARTS, *_VIEWS)]
    further = [(name, table.find(name)) for name in _FURTHER]
    listed = {}
    for where, cells in table.full_rows():
        name = image_path(cells[image])
        if name is None or name in listed:
            told = f"{where}: must name an image, and each once, got {shown(cells[image])}"
            raise AnnotationError(f"{table.name}: {told}")
        broken = table.flag(cells[fractured], where)
        shown_here = {n for n, c in flags if c is not None and table.flag(cells[c], where)}
        extra = {
            "body_part": ", ".join(part for part in _PARTS if part in shown_here),
            "view": ", ".join(view for view in _VIEWS if view in shown_here),
        }
        extra |= {n: documents.text(cells[c].strip()) or "" for n, c in further if c is not None}
        listed[name] = ImageAnnotation(
            image=name,
            source=table.name,
            size_wh=None,
            findings=(),
            status=Status.UNKNOWN if broken else Status.NEGATIVE,
            labels={"fractured": broken},
            extra={key: value for key, value in extra.items() if value},
        )
    return listed


def _coco_documents(folder: Path) -> list[Path]:
    found = []
    for file in Source(folder).files(".json"):
        try:
            text = documents.read_text(file)
        except AnnotationError:
            continue
        if coco.detect(Head(file.path, file.name, text)):
            found.append(Path(file.path))
    return found

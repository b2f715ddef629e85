"""GRAZPEDWRI-DX ``dataset.csv``: patients, projections and image-level labels of wrist radiographs.

Source: Nagy et al., A pediatric wrist trauma X-ray dataset (GRAZPEDWRI-DX) for machine learning,
Scientific Data 9:222, 2022. A label's column is 1 where it holds and empty where it does not
(``initial_exam`` is empty for follow-up studies).

The set's boxes are handed out as Pascal VOC, YOLO and Supervisely. The Pascal VOC documents below
the folder of ``dataset.csv``, or else the YOLO files, are joined with it. An image without either
is of unknown status, since without a visible fracture it may still have marks.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from lucency.annotations import documents, voc, yolo
from lucency.annotations.documents import shown
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.formats import Head
from lucency.annotations.ledger import Ledger
from lucency.annotations.sources import Source, SourceFile
from lucency.annotations.table_images import image_path, read_tables
from lucency.annotations.tables import Table, first_cells
from lucency.annotations.xml_documents import decode_xml
from lucency.configs.errors import AnnotationError

_LABELS = (
    "fracture_visible",
    "initial_exam",
    "cast",
    "metal",
    "osteopenia",
    "diagnosis_uncertain",
)


def detect(head: Head) -> bool:
    """Whether the first row names the columns."""
    return {"filestem", "patient_id", "fracture_visible"}.issubset(first_cells(head.text))


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images, with the boxes of their Pascal VOC or YOLO files."""
    return read_tables(source, ledger, holds=_holds_labels, document=partial(_document, source))


def _holds_labels(table: Table) -> bool:
    return "filestem" in table.header


def _document(source: Source, table: Table, ledger: Ledger) -> Iterator[ImageAnnotation]:
    listed = _listed(table)
    ledger.expect(table.name, 0)
    marked = _marked(source, Path(table.file.path).parent, ledger)
    if marked is None:
        ledger.hints.append(
            f"{table.name} has patients and image-level labels, but no boxes, and there are no "
            "Pascal VOC or YOLO files of the set below its folder"
        )
    for marks in marked or ():
        stem = marks.image.rpartition("/")[2].removesuffix(".png")
        entry = listed.pop(stem, None)
        yield marks if entry is None else _joined(marks, entry)
    yield from listed.values()


def _joined(marks: ImageAnnotation, entry: ImageAnnotation) -> ImageAnnotation:
    return replace(
        marks,
        patient_id=entry.patient_id,
        labels=entry.labels,
        extra={**marks.extra, **entry.extra},
    )


def _listed(table: Table) -> dict[str, ImageAnnotation]:
    """The images of the table by their stems, without boxes."""
    stem, patient = table.column("filestem"), table.column("patient_id")
    columns = [(name, table.find(name)) for name in _LABELS]
    labels = [(name, column) for name, column in columns if column is not None]
    told = {stem, patient, *(column for _, column in labels)}
    extra = [(title, n) for n, title in enumerate(table.titles) if n not in told and title]
    listed: dict[str, ImageAnnotation] = {}
    for where, cells in table.full_rows():
        image = image_path(cells[stem])
        if image is None or image in listed:
            message = f"must name an image, and each once, got {shown(cells[stem])}"
            raise AnnotationError(f"{table.name}: {where}: {message}")
        listed[image] = ImageAnnotation(
            image=image,
            source=table.name,
            size_wh=None,
            findings=(),
            status=Status.UNKNOWN,
            patient_id=documents.text(cells[patient].strip()) or "",
            labels={n: table.flag(cells[c], where, blank=False) for n, c in labels},
            extra={n: cells[c].strip() for n, c in extra if documents.text(cells[c])},
        )
    return listed


def _marked(source: Source, folder: Path, ledger: Ledger) -> Iterator[ImageAnnotation] | None:
    """The images of the Pascal VOC documents or of the YOLO set below a folder, if there are."""
    for file in Source(folder).files(".xml"):
        if voc.detect(_head(file)):
            return voc.read(replace(source, path=folder), ledger)
    for file in Source(folder).files(".yaml", ".yml"):
        if yolo.detect(_head(file)):
            return yolo.read(replace(source, path=Path(file.path)), ledger)
    return None


def _head(file: SourceFile) -> Head:
    try:
        decode = decode_xml if file.name.lower().endswith(".xml") else documents.decode
        text = decode(documents.read_bytes(file), name=file.name)
    except AnnotationError:
        text = ""
    return Head(file.path, file.name, text)

"""RSNA Pneumonia Detection Challenge: ``patientId,x,y,width,height,Target``.

Source: https://www.kaggle.com/c/rsna-pneumonia-detection-challenge, and Shih et al., Augmenting
the National Institutes of Health chest radiograph dataset with expert annotations of possible
pneumonia, Radiology: Artificial Intelligence 1(1), 2019. Boxes are pixels of images of
1024 × 1024; each is a lung opacity suspicious of pneumonia. Readers looked at every image, so a
row with target 0 is a negative, also where the image is not normal. ``class`` of
``stage_2_detailed_class_info.csv`` beside the table tells these apart.
"""

import os
from collections.abc import Iterator

from lucency.annotations.documents import shown
from lucency.annotations.findings import Finding, ImageAnnotation
from lucency.annotations.formats import Head
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.annotations.sources import Source, SourceFile
from lucency.annotations.table_images import Entry, collect, read_tables, sized_box
from lucency.annotations.tables import Table, first_cells, is_blank, read_table

_COLUMNS = {"patientid", "x", "y", "width", "height", "target"}
_SIZE = (1024, 1024)
_LABEL = "pneumonia"
_CLASSES = "detailed_class_info"


def detect(head: Head) -> bool:
    """Whether the first row names the columns."""
    return _COLUMNS.issubset(first_cells(head.text))


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images, one a patient."""
    return read_tables(source, ledger, holds=_holds_boxes, document=_document, beside=_CLASSES)


def _holds_boxes(table: Table) -> bool:
    return not {"x", "y", "width", "height", "target"}.isdisjoint(table.header)


def _document(table: Table, ledger: Ledger) -> Iterator[ImageAnnotation]:
    image, target = table.column("patientid"), table.column("target")
    columns = table.columns("x", "y", "width", "height")
    classes = _classes(table.file)

    def take(cells: list[str], where: str, entry: Entry) -> Finding | None:
        if not entry.patient_id:
            entry.patient_id, entry.size_wh = entry.image, _SIZE
            if entry.image in classes:
                entry.extra["class"] = classes[entry.image]
        stated = table.number(cells[target], where) if cells[target].strip() else None
        if stated != 1 and is_blank(cells, columns):
            entry.negative = entry.negative or stated == 0
            if stated not in (0, None):
                raise _refused_target(cells[target], where)
            return None
        if stated != 1:
            raise _refused_target(cells[target], where)
        return Finding(_LABEL, sized_box(table.four(cells, columns, where), where), index=where)

    images = collect(table, take, image=image, label=target, label_name=lambda _: _LABEL)
    yield from images.annotations(ledger)


def _refused_target(cell: str, where: str) -> UnusableBox:
    detail = f"{where}: Target must be 1 with a box and 0 without, got {shown(cell)}"
    return UnusableBox(Reason.MALFORMED, detail)


def _classes(file: SourceFile) -> dict[str, str]:
    """The class of every patient, if the table of classes is there."""
    folder = os.path.dirname(file.path) or "."  # noqa: PTH120
    try:
        beside = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return {}
    classes: dict[str, str] = {}
    for name in beside:
        if _CLASSES in name.lower() and name.lower().endswith(".csv"):
            table = read_table(SourceFile(os.path.join(folder, name), name))  # noqa: PTH118
            patient, column = table.column("patientid"), table.column("class")
            for _, cells in table.full_rows():
                classes[cells[patient].strip()] = cells[column].strip()
    return classes

"""TensorFlow object detection CSV: ``filename,width,height,class,xmin,ymin,xmax,ymax`` in pixels.

Format: https://tensorflow-object-detection-api-tutorial.readthedocs.io (training, partitioning of
the data set), and Roboflow's export of that name. The columns may stand in any order.
"""

from collections.abc import Iterator

from lucency.annotations.findings import Finding, ImageAnnotation
from lucency.annotations.formats import Head
from lucency.annotations.ledger import Ledger
from lucency.annotations.sources import Source
from lucency.annotations.table_images import (
    Entry,
    collect,
    corner_box,
    read_tables,
    split_by_name,
    state_size,
)
from lucency.annotations.tables import Table, first_cells, is_blank

_COLUMNS = {"filename", "class", "xmin", "ymin", "xmax", "ymax"}


def detect(head: Head) -> bool:
    """Whether the first row names the file, the class and the corners."""
    return _COLUMNS.issubset(first_cells(head.text))


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images; one that is listed without a class and a box is of unknown status."""
    return read_tables(source, ledger, holds=_holds_boxes, document=_document)


def _holds_boxes(table: Table) -> bool:
    return not {"xmin", "ymin", "xmax", "ymax"}.isdisjoint(table.header)


def _document(table: Table, ledger: Ledger) -> Iterator[ImageAnnotation]:
    image, label = table.column("filename"), table.column("class")
    corners = table.columns("xmin", "ymin", "xmax", "ymax")
    width, height = table.find("width"), table.find("height")
    split = split_by_name(table.file)

    def take(cells: list[str], where: str, entry: Entry) -> Finding | None:
        if not entry.split:
            entry.split = split
        if width is not None and height is not None:
            state_size(table, cells, (width, height), entry, where)
        if not cells[label] and is_blank(cells, corners):
            return None
        box = corner_box(table.four(cells, corners, where), where)
        return Finding(table.label(cells[label], where), box, index=where)

    yield from collect(table, take, image=image, label=label).annotations(ledger)

"""RetinaNet CSV: ``path,x1,y1,x2,y2,class`` in pixels, without a header.

Format: https://github.com/fizyr/keras-retinanet#csv-datasets. A path with five empty cells is a
negative. The list of classes beside it (``class,id``) is not needed.
"""

import dataclasses
import re
from collections.abc import Iterator, Sequence

from lucency.annotations.findings import Finding, ImageAnnotation
from lucency.annotations.formats import Head
from lucency.annotations.ledger import Ledger
from lucency.annotations.sources import Source
from lucency.annotations.table_images import Entry, collect, corner_box, read_tables, split_by_name
from lucency.annotations.tables import Table, first_cells, is_blank

_CORNERS = (1, 2, 3, 4)
_TITLES = (
    ["x1", "y1", "x2", "y2"],
    ["xmin", "ymin", "xmax", "ymax"],
    ["x_min", "y_min", "x_max", "y_max"],
)
# These tables have titles that say the same, and columns in any order.
_OTHERS = ({"filename", "class"}, {"image_id", "class_name"}, {"imageid", "labelname"})
_LABEL = 5
_WIDTH = 6
_FILE_NAME = re.compile(r"\.[A-Za-z]\w{1,4}$")
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")


def detect(head: Head) -> bool:
    """Whether the first row is a file name with four numbers and a class, or with nothing."""
    cells = first_cells(head.text)
    return _has_title(cells) or _is_row(cells)


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images; those with five empty cells are negatives."""
    return read_tables(source, ledger, holds=_holds_boxes, document=_document, header=False)


def _has_title(cells: Sequence[str]) -> bool:
    """Some write a header all the same."""
    titles = [cell.lower() for cell in cells]
    others = any(names.issubset(titles) for names in _OTHERS)
    return len(titles) == _WIDTH and titles[1:5] in _TITLES and not others


def _is_row(cells: Sequence[str]) -> bool:
    if len(cells) != _WIDTH or not _FILE_NAME.search(cells[0]):
        return False
    return not any(cells[1:]) or all(_NUMBER.fullmatch(cell) for cell in cells[1:5])


def _holds_boxes(table: Table) -> bool:
    # Two cells are the list of classes; any other width is this table, damaged in its first row.
    return len(table.titles) > 2


def _document(table: Table, ledger: Ledger) -> Iterator[ImageAnnotation]:
    table = dataclasses.replace(table, width=_WIDTH)
    if _has_title(table.titles):
        next(table.rows)
    split = split_by_name(table.file)

    def take(cells: list[str], where: str, entry: Entry) -> Finding | None:
        entry.split = split
        if not cells[_LABEL].strip() and is_blank(cells, _CORNERS):
            entry.negative = True
            return None
        box = corner_box(table.four(cells, _CORNERS, where), where)
        return Finding(table.label(cells[_LABEL], where), box, index=where)

    yield from collect(table, take, image=0, label=_LABEL).annotations(ledger)

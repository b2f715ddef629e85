"""AutoML Vision CSV: ``set,path,label,`` and corners as fractions of the image, without a header.

Format: https://cloud.google.com/vision/automl/object-detection/docs/csv-format. The corners are
two, ``x,y,,,x,y,,``, or four, ``x,y,x,y,x,y,x,y``, from the top left clockwise; a table with
``x,y,x,y`` is read, too. A row whose cells for label and corners are empty is an image without
objects; one without these cells is an image that nobody has labelled. Vertex AI's rows may lack
the set. Of ``gs://bucket/folder/1.png`` the image is ``folder/1.png``.
"""

import dataclasses
from collections.abc import Iterator

from lucency.annotations.documents import shown, split_named
from lucency.annotations.findings import Finding, ImageAnnotation
from lucency.annotations.formats import NORMALISED, Head
from lucency.annotations.geometry import Box, Point, box_around
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.annotations.sources import Source
from lucency.annotations.table_images import Entry, collect, corner_box, image_path, read_tables
from lucency.annotations.tables import Table, first_cells

_SETS = frozenset(
    {"train", "training", "validate", "validation", "test", "testing", "unassigned", ""}
)
_IMAGE, _LABEL, _CORNERS = 1, 2, 3
_BUCKET = "gs://"


def detect(head: Head) -> bool:
    """Whether the first row is a set and the address of a file in a bucket, or has corners."""
    cells = _with_set(first_cells(head.text))
    if len(cells) < 2 or cells[0] not in _SETS or any(cell[:1].isalpha() for cell in cells[3:]):
        return False
    return cells[1].startswith(_BUCKET) or ("." in cells[1] and len(cells) in (7, 11))


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images; those without label and corners are negatives."""
    return read_tables(source, ledger, holds=_holds_boxes, document=_document, header=False)


def _holds_boxes(table: Table) -> bool:
    cells = _with_set(table.header)
    if len(cells) < 2 or cells[0] not in _SETS:
        return False
    return len(cells) > 2 or cells[1].startswith(_BUCKET)


def _with_set(cells: list[str]) -> list[str]:
    """A row with the set's cell, which may be missing where the image is in a bucket."""
    return ["", *cells] if cells and cells[0].lstrip().startswith(_BUCKET) else cells


def _document(table: Table, ledger: Ledger) -> Iterator[ImageAnnotation]:
    rows = ((line, _with_set(cells)) for line, cells in table.rows)
    table = dataclasses.replace(table, rows=rows)

    def take(cells: list[str], where: str, entry: Entry) -> Finding | None:
        entry.size_wh = NORMALISED
        _take_split(cells[0].strip().lower(), where, entry)
        corners = [cell.strip() for cell in cells[_CORNERS:]]
        label = cells[_LABEL] if len(cells) > _LABEL else ""
        if not label.strip() and not any(corners):
            entry.negative = entry.negative or len(cells) > _CORNERS
            return None
        points = _points(table, corners, where)
        box, polygon = _box(points, where)
        return Finding(table.label(label, where), box, polygon, index=where)

    images = collect(table, take, image=_IMAGE, label=_LABEL, image_name=_image_name)
    yield from images.annotations(ledger)


def _image_name(cell: str) -> str | None:
    name = image_path(cell)
    if name is not None and name.startswith(_BUCKET):
        return name.removeprefix(_BUCKET).partition("/")[2] or None
    return name


def _take_split(named: str, where: str, entry: Entry) -> None:
    split = {"validate": "val", "testing": "test"}.get(named) or split_named([named])
    if named not in _SETS or (entry.split and split and entry.split != split):
        detail = f"{where}: must be one set of TRAIN, VALIDATION, TEST, got {shown(named)}"
        raise UnusableBox(Reason.MALFORMED, detail)
    entry.split = entry.split or split


def _points(table: Table, corners: list[str], where: str) -> list[Point]:
    pairs = list(zip(corners[::2], corners[1::2], strict=False))
    filled = [pair for pair in pairs if any(pair)]
    if not filled:
        raise UnusableBox(Reason.NO_BOX, f"{where}: must have a box, got none")
    if len(filled) not in (2, 4) or len(corners) not in (4, 8):
        detail = f"{where}: must have 2 or 4 corners in 8 cells, got {shown(corners)}"
        raise UnusableBox(Reason.MALFORMED, detail)
    return [(table.number(x, where), table.number(y, where)) for x, y in filled]


def _box(points: list[Point], where: str) -> tuple[Box, tuple[Point, ...] | None]:
    """The upright box of two or four corners; the outline if they are no upright rectangle."""
    if len(points) == 2:
        (x1, y1), (x2, y2) = points
        return corner_box((x1, y1, x2, y2), where), None
    try:
        box = box_around(points)
    except ValueError:
        detail = f"{where}: must be finite numbers, got {shown(points)}"
        raise UnusableBox(Reason.NOT_FINITE, detail) from None
    checked = corner_box((box.x1, box.y1, box.x2, box.y2), where)
    upright = {(box.x1, box.y1), (box.x2, box.y1), (box.x2, box.y2), (box.x1, box.y2)}
    return checked, None if set(points) == upright else tuple(points)

"""NIH ChestX-ray14 ``BBox_List_2017.csv``: pixel boxes in images of 1024 × 1024.

Source: https://nihcc.app.box.com/v/ChestXray-NIHCC and Wang et al., ChestX-ray8, CVPR 2017. The
header's last title, ``Bbox [x,y,w,h]``, has commas but no quotes, so it falls into four columns;
tools that know better quote it or write x, y, w and h. Images are ``<patient>_<number>.png``.

``Data_Entry_2017*.csv`` beside it tells of every image of the set who it shows and what its
report mentions; of images without a box, which nobody looked at for boxes, it is not read.
"""

import os
from collections.abc import Iterator, Sequence

from lucency.annotations import documents
from lucency.annotations.findings import Finding, ImageAnnotation
from lucency.annotations.formats import Head
from lucency.annotations.ledger import Ledger
from lucency.annotations.sources import Source, SourceFile
from lucency.annotations.table_images import Entry, TableImages, collect, read_tables, sized_box
from lucency.annotations.tables import FourColumns, Table, first_cells, read_table
from lucency.configs.errors import AnnotationError

_SIZE = (1024, 1024)
_ENTRIES = "data_entry"
_EXTRA = {
    "patient age": "age",
    "patient gender": "sex",
    "patient sex": "sex",
    "view position": "view_position",
    "follow-up #": "follow_up",
}


def detect(head: Head) -> bool:
    """Whether the first row names the image, the finding and the box."""
    cells = first_cells(head.text)
    return "image index" in cells and "finding label" in cells and _box_columns(cells) is not None


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images that have boxes."""
    return read_tables(source, ledger, holds=_holds_boxes, document=_document, beside=_ENTRIES)


def _holds_boxes(table: Table) -> bool:
    return "finding label" in table.header or _box_columns(table.header) is not None


def _box_columns(header: Sequence[str]) -> FourColumns | None:
    titles = [title.removeprefix("bbox").strip(" []") for title in header]
    for number, title in enumerate(titles):
        if "".join(title.split()) == "x,y,w,h":
            return number, number + 1, number + 2, number + 3
    if all(titles.count(name) == 1 for name in "xywh"):
        return titles.index("x"), titles.index("y"), titles.index("w"), titles.index("h")
    return None


def _document(table: Table, ledger: Ledger) -> Iterator[ImageAnnotation]:
    image, label = table.column("image index"), table.column("finding label")
    columns = _box_columns(table.header)
    if columns is None:
        raise AnnotationError(f"{table.name}: line 1: must have columns Bbox [x,y,w,h], got none")
    table = table.widened(1 + max(image, label, *columns))

    def take(cells: list[str], where: str, entry: Entry) -> Finding:
        if not entry.patient_id:
            entry.size_wh = _SIZE
            entry.patient_id = entry.image.rpartition("/")[2].partition("_")[0]
        box = sized_box(table.four(cells, columns, where), where)
        return Finding(table.label(cells[label], where), box, index=where)

    images = collect(table, take, image=image, label=label)
    _describe(images, table.file)
    yield from images.annotations(ledger)


def _describe(images: TableImages, file: SourceFile) -> None:
    """Take over what the tables of entries beside ``file`` say of its images."""
    folder = os.path.dirname(file.path) or "."  # noqa: PTH120
    described = {entry.image.rpartition("/")[2]: entry for entry in images}
    for name in sorted(os.listdir(folder)):  # noqa: PTH208
        if not (_ENTRIES in name.lower() and name.lower().endswith(".csv")):
            continue
        table = read_table(SourceFile(os.path.join(folder, name), name))  # noqa: PTH118
        image, said = table.column("image index"), table.column("finding labels")
        extra = [(n, _EXTRA[title]) for n, title in enumerate(table.header) if title in _EXTRA]
        known: set[str] = set()
        mentioned: dict[str, list[str]] = {}
        for _, cells in table.full_rows():
            labels = [label.strip() for label in cells[said].split("|") if label.strip()]
            known.update(labels)
            entry = described.get(cells[image].strip())
            if entry is not None:
                mentioned[cells[image].strip()] = labels
                texts = ((key, documents.text(cells[column].strip())) for column, key in extra)
                entry.extra.update((key, text) for key, text in texts if text is not None)
        for key, labels in mentioned.items():
            described[key].labels = {label: label in labels for label in sorted(known)}

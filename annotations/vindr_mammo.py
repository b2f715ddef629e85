"""VinDr-Mammo ``finding_annotations.csv``: corners in pixels of the original DICOM image.

Source: https://physionet.org/content/vindr-mammo/ and Nguyen et al., Scientific Data 10:277,
2023. ``finding_categories`` is a list as Python prints it. A box of several categories stays one
box: its label is the first category, and the attribute ``categories`` holds all of them. An
image with ``['No Finding']`` was read twice and is a negative.
"""

import re
from collections.abc import Callable, Iterator

from lucency.annotations import documents
from lucency.annotations.documents import shown
from lucency.annotations.findings import Finding, ImageAnnotation
from lucency.annotations.formats import Head
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.annotations.sources import Source
from lucency.annotations.table_images import Entry, collect, corner_box, read_tables, state_size
from lucency.annotations.tables import Table, first_cells, is_blank

_COLUMNS = {"image_id", "finding_categories", "xmin", "ymin", "xmax", "ymax"}
_EXTRA = ("laterality", "view_position", "breast_birads", "breast_density", "series_id")
_NO_FINDING = "no finding"
_LISTED = re.compile(r"""\s*(?:'([^'"]*)'|"([^"]*)")\s*""")


def detect(head: Head) -> bool:
    """Whether the first row names the columns."""
    return _COLUMNS.issubset(first_cells(head.text))


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images; the study is the patient, since each exam is of another one."""
    return read_tables(source, ledger, holds=_holds_boxes, document=_document)


def _holds_boxes(table: Table) -> bool:
    return not (_COLUMNS - {"image_id"}).isdisjoint(table.header)


def _document(table: Table, ledger: Ledger) -> Iterator[ImageAnnotation]:
    image, listed = table.column("image_id"), table.column("finding_categories")
    corners = table.columns("xmin", "ymin", "xmax", "ymax")
    size = table.find("width"), table.find("height")
    birads = table.find("finding_birads")
    describe = _describer(table)
    known: dict[str, tuple[str, ...]] = {}

    def take(cells: list[str], where: str, entry: Entry) -> Finding | None:
        if not entry.extra:
            describe(cells, entry)
        if size[0] is not None and size[1] is not None:
            state_size(table, cells, (size[0], size[1]), entry, where)
        cell = cells[listed]
        if cell not in known:
            known[cell] = _categories(cell, where)
        categories = known[cell]
        if not categories and is_blank(cells, corners):
            entry.negative = True
            return None
        box = corner_box(table.four(cells, corners, where), where)
        attributes = {"categories": ", ".join(categories)}
        if birads is not None and not is_blank(cells, (birads,)):
            attributes["finding_birads"] = cells[birads].strip()
        label = table.label(categories[0] if categories else "", where)
        return Finding(label, box, attributes=attributes, index=where)

    def label_name(cell: str) -> str:
        return next(iter(known.get(cell, ())), "")

    images = collect(table, take, image=image, label=listed, label_name=label_name)
    yield from images.annotations(ledger)


def _describer(table: Table) -> Callable[[list[str], Entry], None]:
    """A function that takes over what a row says of its image."""
    found = [(name, table.find(name)) for name in _EXTRA]
    extra = [(name, column) for name, column in found if column is not None]
    study, split = table.find("study_id"), table.find("split")

    def describe(cells: list[str], entry: Entry) -> None:
        texts = ((name, documents.text(cells[column].strip())) for name, column in extra)
        entry.extra.update((name, text) for name, text in texts if text is not None)
        if study is not None:
            entry.patient_id = documents.text(cells[study].strip()) or ""
        if split is not None:
            entry.split = documents.split_named([cells[split].strip()])

    return describe


def _categories(cell: str, where: str) -> tuple[str, ...]:
    """The categories of ``['Mass', 'Asymmetry']`` without 'No Finding'."""
    inner = cell.strip()
    if inner.startswith("[") and inner.endswith("]"):
        matches = [_LISTED.fullmatch(part) for part in inner[1:-1].split(",")]
        names = [match[1] or match[2] for match in matches if match]
        if len(names) != len(matches) or not all(names):
            detail = f"{where}: must be a list of categories, got {shown(cell)}"
            raise UnusableBox(Reason.MALFORMED, detail)
    else:
        names = [inner]
    return tuple(name for name in names if name.lower() != _NO_FINDING)

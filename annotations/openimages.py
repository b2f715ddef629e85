"""OpenImages V4 to V7: boxes as fractions of the image, and image-level labels.

Format: https://storage.googleapis.com/openimages/web/download_v7.html (annotation formats).
Classes are machine ids such as ``/m/01yrx``; their names are in ``*class-descriptions*.csv``
beside the table (``*classes-description*.csv`` of the challenges), and without it the ids
themselves are the classes. A box around a group (``IsGroupOf``) is a crowd.

Some write the table in pixels. It is taken for one if more than half of its boxes reach beyond
2, which no fraction should; a hint says so.
"""

import os
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from lucency.annotations.documents import shown
from lucency.annotations.findings import Finding, ImageAnnotation
from lucency.annotations.formats import NORMALISED, Head
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.annotations.sources import Source, SourceFile
from lucency.annotations.table_images import (
    Entry,
    TableImages,
    collect,
    corner_box,
    image_path,
    read_tables,
    split_by_name,
)
from lucency.annotations.tables import Table, first_cells, is_blank, read_table
from lucency.configs.errors import AnnotationError

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_CLASSES = "description"
_ATTRIBUTES = ("IsOccluded", "IsTruncated", "IsDepiction", "IsInside")


def detect(head: Head) -> bool:
    """Whether the first row names the columns of boxes or of image-level labels."""
    header = set(first_cells(head.text))
    return {"imageid", "labelname"} <= header and (
        header.issuperset(_CORNERS) or ("confidence" in header and "maskpath" not in header)
    )


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images of boxes, and those of image-level labels with unknown status.

    Lists of images and classes are passed over, and so are masks, whose boxes stand in the table
    of boxes.
    """
    return read_tables(
        source, ledger, holds=_holds_annotations, document=_document, beside=_CLASSES
    )


def _holds_annotations(table: Table) -> bool:
    header = table.header
    return not set(_CORNERS).isdisjoint(header) or (
        "confidence" in header and "maskpath" not in header
    )


def _document(table: Table, ledger: Ledger) -> Iterator[ImageAnnotation]:
    names = _class_names(table.file)
    if set(_CORNERS).isdisjoint(table.header):
        return _image_labels(table, names, ledger)
    images = _boxes(table, names)
    if _in_pixels(images):
        ledger.hints.append(f"{table.name}: its boxes are taken as pixels, not as fractions")
        for entry in images:
            entry.size_wh = None
    return images.annotations(ledger)


def _boxes(table: Table, names: Mapping[str, str]) -> TableImages:
    image, label = table.column("imageid"), table.column("labelname")
    corners = table.columns(*_CORNERS)
    group = table.find("isgroupof")
    told = [(name, table.find(name.lower())) for name in _ATTRIBUTES]
    columns = [(name, column) for name, column in told if column is not None]
    known: dict[tuple[str, ...], Mapping[str, str]] = {}
    split = split_by_name(table.file)

    def label_name(cell: str) -> str:
        return names.get(cell.strip(), cell.strip())

    def take(cells: list[str], where: str, entry: Entry) -> Finding | None:
        entry.split, entry.size_wh = split, NORMALISED
        if not cells[label] and is_blank(cells, corners):
            return None
        box = corner_box(table.four(cells, corners, where), where)
        name = table.label(label_name(cells[label]), where)
        if group is not None and cells[group].strip() in ("1", "1.0"):
            raise UnusableBox(Reason.CROWD, f"{where}: marks a group, not one object")
        values = tuple([cells[column] for _, column in columns])
        if values not in known:
            # -1 stands for unknown, 0 for no.
            pairs = zip(columns, values, strict=True)
            known[values] = MappingProxyType({n: "1" for (n, _), v in pairs if v.strip() == "1"})
        return Finding(name, box, attributes=known[values], index=where)

    return collect(table, take, image=image, label=label, label_name=label_name)


def _in_pixels(images: TableImages) -> bool:
    beyond = total = 0
    for entry in images:
        for finding in entry.findings:
            total += 1
            beyond += finding.box.x2 > 2 or finding.box.y2 > 2
    return 2 * beyond > total


def _image_labels(
    table: Table, names: Mapping[str, str], ledger: Ledger
) -> Iterator[ImageAnnotation]:
    """Labels that people confirmed (1) or denied (0); the guesses between are left out."""
    image, label = table.column("imageid"), table.column("labelname")
    confidence = table.column("confidence")
    images = TableImages(table)
    unsure: set[tuple[str, str]] = set()
    for where, cells in table.full_rows():
        name = image_path(cells[image])
        if name is None:
            told = f"{where}: must name an image, got {shown(cells[image])}"
            raise AnnotationError(f"{table.name}: {told}")
        entry = images.entry(name)
        entry.split = split_by_name(table.file)
        try:
            class_name = table.label(names.get(cells[label].strip(), cells[label]), where)
            sure = table.number(cells[confidence], where)
        except UnusableBox as problem:
            raise AnnotationError(f"{table.name}: {problem.detail}") from None
        if sure in (0, 1) and entry.labels.setdefault(class_name, sure == 1) == (sure == 1):
            continue
        unsure.add((name, class_name))
    for name, class_name in unsure:
        images.entry(name).labels.pop(class_name, None)
    if unsure:
        told = "neither confirmed nor denied, or both, and left out"
        ledger.hints.append(f"{table.name}: {len(unsure)} image-level labels are {told}")
    return images.annotations(ledger)


def _class_names(file: SourceFile) -> dict[str, str]:
    folder = os.path.dirname(file.path) or "."  # noqa: PTH120
    names: dict[str, str] = {}
    try:
        beside = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return names
    for entry in beside:
        if _CLASSES in entry.lower() and entry.lower().endswith(".csv"):
            table = read_table(SourceFile(os.path.join(folder, entry), entry), header=False)  # noqa: PTH118
            for _, cells in table.rows:
                if len(cells) > 1 and cells[1].strip():
                    names[cells[0].strip()] = cells[1].strip()
    return names

"""VinDr-CXR: boxes of several readers in pixels of the original DICOM image.

Source: https://physionet.org/content/vindr-cxr/ and Nguyen et al., Scientific Data 9:429, 2022;
``train.csv`` of Kaggle's VinBigData challenge has the same columns. Three readers marked every
training image on their own, five agreed on each test image. A row "No finding" says that its
reader found nothing.

``image_labels_*.csv`` beside ``annotations_*.csv`` gives image-level labels. One holds where more
than half of the image's readers set it, so that "No finding" cannot stand beside a finding.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial

from lucency.annotations.documents import size_wh, split_named
from lucency.annotations.findings import Finding, ImageAnnotation
from lucency.annotations.formats import Head
from lucency.annotations.ledger import Ledger, UnusableBox
from lucency.annotations.sources import Source, SourceFile
from lucency.annotations.table_images import (
    Entry,
    TableImages,
    collect,
    corner_box,
    image_path,
    read_tables,
    state_size,
)
from lucency.annotations.tables import Table, first_cells, read_table
from lucency.configs.errors import AnnotationError

_CORNERS = ("x_min", "y_min", "x_max", "y_max")
_NO_FINDING = "no finding"
_BOXES, _LABELS = "annotations", "image_labels"
_SIZES = "_meta"
_WIDTH, _HEIGHT = ("width", "image_width", "dim1"), ("height", "image_height", "dim0")


def detect(head: Head) -> bool:
    """Whether the first row names the columns of boxes or of image-level labels."""
    header = set(first_cells(head.text))
    return "image_id" in header and (
        {"class_name", *_CORNERS} <= header or {_NO_FINDING, "cardiomegaly"} <= header
    )


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield one annotation an image and reader."""
    return read_tables(
        source,
        ledger,
        holds=_holds_annotations,
        document=partial(_document, source),
        beside=_SIZES,
    )


def _holds_annotations(table: Table) -> bool:
    return not {"class_name", *_CORNERS, _NO_FINDING}.isdisjoint(table.header)


def _document(source: Source, table: Table, ledger: Ledger) -> Iterator[ImageAnnotation]:
    if set(_CORNERS).isdisjoint(table.header) and _NO_FINDING in table.header:
        if source.path.is_dir() and _beside(table.file, _LABELS, _BOXES):
            return iter(())  # read together with the boxes
        images, labels = TableImages(table), _image_labels(table)
    else:
        images = _boxes(table)
        file = _beside(table.file, _BOXES, _LABELS)
        labels = _image_labels(read_table(file)) if file else {}
    split, sizes = _split(table.file), _sizes(table.file)
    marked = {entry.image for entry in images}
    for name in labels:
        if name not in marked:
            images.entry(name)
    for entry in images:
        entry.split = split
        entry.labels = dict(labels.get(entry.image, {}))
        entry.size_wh = entry.size_wh or sizes.get(entry.image)
    return images.annotations(ledger)


def _boxes(table: Table) -> TableImages:
    image, label = table.column("image_id"), table.column("class_name")
    corners, reader = table.columns(*_CORNERS), table.find("rad_id")
    width, height = table.find(*_WIDTH), table.find(*_HEIGHT)

    def take(cells: list[str], where: str, entry: Entry) -> Finding | None:
        if width is not None and height is not None:
            state_size(table, cells, (width, height), entry, where)
        name = table.label(cells[label], where)
        if name.lower() == _NO_FINDING:
            # Some fill the empty cells with 0, 0, 1, 1.
            entry.negative = True
            return None
        return Finding(name, corner_box(table.four(cells, corners, where), where), index=where)

    return collect(table, take, image=image, label=label, reader=reader)


def _image_labels(table: Table) -> Mapping[str, Mapping[str, bool]]:
    """For every image, what more than half of its readers say."""
    image, about = table.column("image_id"), {table.column("image_id"), table.find("rad_id")}
    columns = [number for number in range(table.width) if number not in about]
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0] * len(columns))
    readers: defaultdict[str, int] = defaultdict(int)
    for where, cells in table.full_rows():
        name = image_path(cells[image])
        if name is None:
            continue
        count = counts[name]
        readers[name] += 1
        for number, column in enumerate(columns):
            count[number] += table.flag(cells[column], where)
    return {
        name: {
            table.titles[column]: 2 * votes > readers[name]
            for column, votes in zip(columns, count, strict=True)
        }
        for name, count in counts.items()
    }


def _sizes(file: SourceFile) -> Mapping[str, tuple[int, int]]:
    """Width and height of the DICOM images, if a table beside ``file`` has them."""
    folder = os.path.dirname(file.path) or "."  # noqa: PTH120
    sizes: dict[str, tuple[int, int]] = {}
    for name in sorted(os.listdir(folder)):  # noqa: PTH208
        if not name.lower().endswith(f"{_SIZES}.csv"):
            continue
        table = read_table(SourceFile(os.path.join(folder, name), name))  # noqa: PTH118
        image, width, height = table.find("image_id"), table.find(*_WIDTH), table.find(*_HEIGHT)
        if image is None or width is None or height is None:
            continue
        for where, cells in table.full_rows():
            try:
                wide, high = table.number(cells[width], where), table.number(cells[height], where)
            except UnusableBox as problem:
                raise AnnotationError(f"{name}: {problem.detail}") from None
            size = size_wh(wide, high, where=f"{name}: {where}")
            if size is not None:
                sizes[cells[image].strip()] = size
    return sizes


def _beside(file: SourceFile, old: str, new: str) -> SourceFile | None:
    """The table beside ``file`` that belongs to it: annotations_train, image_labels_train."""
    folder, name = os.path.split(file.path)
    path = os.path.join(folder, name.replace(old, new))  # noqa: PTH118
    if old not in name or not os.path.isfile(path):  # noqa: PTH113
        return None
    return SourceFile(path, name.replace(old, new))


def _split(file: SourceFile) -> str:
    # Kaggle's train.csv is all that it has, and no split.
    stem = file.name.rpartition("/")[2].rpartition(".")[0].lower()
    named = stem.removeprefix(f"{_BOXES}_").removeprefix(f"{_LABELS}_")
    return split_named([named]) if named != stem else ""

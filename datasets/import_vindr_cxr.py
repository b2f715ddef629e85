"""VinDr-CXR: chest radiographs with boxes of three readers in training, of five agreed in test.

Source: Nguyen et al., VinDr-CXR, Scientific Data 9:429, 2022. PhysioNet hands out the whole set,
Kaggle (VinBigData Chest X-ray Abnormalities Detection) the training part with ``train.csv``, where
nothing is said of a split, and test images without labels.

``image_labels_*.csv`` has 22 local and 6 global labels by reader. A label holds where more than
half of an image's readers set it. An image without boxes is a negative only if all its readers say
"No finding": one reader may see a disease and mark no place.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from lucency.annotations import vindr_cxr
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.ledger import Ledger
from lucency.annotations.sources import Source, SourceFile
from lucency.annotations.tables import read_table
from lucency.datasets.listed_images import ListedImages, image_stem
from lucency.datasets.public_sets import PublicSet
from lucency.datasets.set_files import column_name

PUBLIC_SET = PublicSet(
    name="vindr-cxr",
    title="VinDr-CXR",
    where="https://physionet.org/content/vindr-cxr/1.0.0/",
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    citation="Nguyen HQ, Lam K, Le LT, et al. VinDr-CXR: An open dataset of chest X-rays with "
    "radiologist's annotations. Scientific Data 9, 429 (2022). doi:10.1038/s41597-022-01498-w; "
    "version 1.0.0, PhysioNet (2021), doi:10.13026/3akn-b287",
    contents="18,000 chest radiographs with 22 findings as boxes and 6 diagnoses",
    # No classes: Kaggle has 14 of PhysioNet's 22, and the order of both is that of the alphabet.
)
_TABLES = (
    ("annotations_train.csv", "image_labels_train.csv"),
    ("annotations_test.csv", "image_labels_test.csv"),
)
_KAGGLE = "train.csv"
# The two parts differ in one title.
_RENAMED = {"other_diseases": "other_disease"}


def read(folder: Path, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield every image once for each of its readers; see `public_sets.PublicReader`."""
    files = ListedImages(PUBLIC_SET, folder, ledger)
    parts = [(files.table(boxes), files.table(labels)) for boxes, labels in _TABLES]
    if not any(itertools.chain(*parts)):
        parts = [(files.needed_table(_KAGGLE, *itertools.chain(*_TABLES)), None)]
    for annotation in files.placed(_images(parts, ledger)):
        yield replace(annotation, extra={"body_part": "chest", "view": "PA", **annotation.extra})


def _images(
    parts: Iterable[tuple[SourceFile | None, SourceFile | None]], ledger: Ledger
) -> Iterator[ImageAnnotation]:
    for boxes, labels in parts:
        table = boxes or labels
        if table is None:
            continue
        healthy = _healthy(labels) if labels else {}
        marked = vindr_cxr.read(Source(Path(table.path)), ledger)
        for image, group in itertools.groupby(marked, key=lambda marks: marks.image):
            readers = list(group)
            status = _status(readers, healthy.get(image_stem(image)), ledger)
            yield from (_named(marks, status) for marks in readers)


def _status(
    readers: list[ImageAnnotation], healthy: list[bool] | None, ledger: Ledger
) -> Status | None:
    """The status of an image without boxes; None leaves each reader's own."""
    if any(marks.findings for marks in readers) or healthy is None:
        return None
    lost = any(ledger.lost_boxes(marks.source, marks.image) for marks in readers)
    return Status.NEGATIVE if all(healthy) and not lost else Status.UNKNOWN


@cache
def _column(title: str) -> str:
    name = column_name(title)
    return _RENAMED.get(name, name)


def _named(marks: ImageAnnotation, status: Status | None) -> ImageAnnotation:
    """The same with the names of our columns."""
    extra = {**marks.extra, **({"official_split": marks.split} if marks.split else {})}
    return replace(
        marks,
        status=status or marks.status,
        split="",
        labels={_column(title): flag for title, flag in marks.labels.items()},
        extra=extra,
    )


def _healthy(file: SourceFile) -> Mapping[str, list[bool]]:
    """For every image, whether each of its readers says "No finding"."""
    table = read_table(file)
    image, column = table.column("image_id"), table.column("no finding")
    said: defaultdict[str, list[bool]] = defaultdict(list)
    for where, cells in table.full_rows():
        said[image_stem(cells[image].strip())].append(table.flag(cells[column], where))
    return said

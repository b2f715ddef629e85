"""FracAtlas: all images of ``dataset.csv`` with the boxes of its COCO document.

Source: Abedeen et al., Scientific Data 10:521, 2023. The set holds its annotations four times
(``Annotations/{COCO JSON,PASCAL VOC,VGG JSON,YOLO}``); the COCO document is taken, which has the
outlines, and its boxes are counted against ``fracture_count``. The official split
(``Utilities/Fracture Split/{train,valid,test}.csv``) lists the fractured images alone.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lucency.annotations import fracatlas
from lucency.annotations.documents import shown
from lucency.annotations.findings import ImageAnnotation
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import Source, SourceFile
from lucency.annotations.tables import read_table
from lucency.datasets.public_sets import PublicSet
from lucency.datasets.set_files import (
    files_below,
    images_below,
    last_part,
    not_the_set,
    official_splits,
    once,
    stem_of,
)

PUBLIC_SET = PublicSet(
    name="fracatlas",
    title="FracAtlas",
    where="https://doi.org/10.6084/m9.figshare.22363012",
    licence="CC BY 4.0",
    citation="Abedeen I, Rahman MA, Prottyasha FZ, Ahmed T, Chowdhury TM, Shatabda S. FracAtlas: "
    "a dataset for fracture classification, localization and segmentation of musculoskeletal "
    "radiographs. Scientific Data 10:521, 2023. https://doi.org/10.1038/s41597-023-02432-4",
    contents="4,083 bone radiographs of hand, leg, hip and shoulder, 717 with 922 fractures as "
    "boxes",
    classes=("fractured",),
)
_TABLE = "dataset.csv"
_COUNT = "fracture_count"


def read(folder: Path, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield every image of ``dataset.csv``; raises `AnnotationError` where there is none."""
    tables = files_below(folder, ".csv")
    table = next((file for file in tables if _is_the_table(file)), None)
    if table is None:
        expected = f"a table {_TABLE} with the columns image_id, hand, leg and fractured"
        raise not_the_set(folder, PUBLIC_SET.title, expected)
    lists = [file for file in tables if "split" in file.name.lower().rpartition("/")[0]]
    splits = official_splits(lists)
    files = images_below(folder)
    paths = {last_part(image).lower(): image for image in once(files, _names(files), ledger)}
    for annotation in fracatlas.read(Source(Path(table.path)), ledger):
        name = last_part(annotation.image)
        split = splits.get(stem_of(name), "")
        extra = dict(annotation.extra) | ({"official_split": split} if split else {})
        _compare(annotation, ledger)
        yield replace(annotation, image=paths.get(name.lower(), name), extra=extra)


def _is_the_table(file: SourceFile) -> bool:
    if last_part(file.name).lower() != _TABLE:
        return False
    return {"image_id", "hand", "leg", "fractured"}.issubset(read_table(file).header)


def _names(images: list[str]) -> list[str]:
    return [last_part(image).lower() for image in images]


def _compare(annotation: ImageAnnotation, ledger: Ledger) -> None:
    """Tell of an image with more or fewer boxes than its row in the table counts."""
    stated = annotation.extra.get(_COUNT, "")
    if stated and stated != str(len(annotation.findings)):
        detail = f"{_COUNT} is {shown(stated)}, but it has {len(annotation.findings)} boxes"
        ledger.note(
            annotation.source,
            image=annotation.image,
            reason=Reason.CONTRADICTION,
            detail=detail,
        )

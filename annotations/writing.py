"""Writing a YOLO data set: images linked, label files, ``data.yaml``, ``dataset.csv``, ledger."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from lucency.annotations.assembly import AssembledImage
from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import COLUMNS, UNSPLIT, Dataset, ImageRecord, write_tables
from lucency.annotations.yolo import label_line
from lucency.configs import atomic

LEDGER_JSON = "ledger.json"
# Images of unknown status stand apart: Ultralytics takes an image without a label file in
# `images/train` for a negative.
UNKNOWN_FOLDER = "unknown"

_SUFFIX_OF_KIND = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif", "dicom": ".dcm"}
_KEPT_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm"})


def plan_dataset(images: Sequence[AssembledImage], root: Path, *, label_map: LabelMap) -> Dataset:
    """The table of the set as it will stand in ``root``, in the order of ``images``."""
    names = _file_names(images)
    labels = sorted({label for entry in images for label in entry.labels})
    records = tuple(_record(entry, name, labels) for entry, name in zip(images, names, strict=True))
    return Dataset(root, label_map, records)


def write_dataset(
    dataset: Dataset, images: Sequence[AssembledImage], *, ledger: Mapping[str, Any]
) -> None:
    """Write the set into a new folder, complete or not at all.

    Raises
    ------
    ConfigError
        The folder exists already.

    """
    with atomic.new_folder(dataset.root) as partial:
        folders = {record.image.parent for record in dataset.records}
        for folder in folders:
            (partial / folder).mkdir(parents=True)
            if folder.name != UNKNOWN_FOLDER:
                partial.joinpath("labels", *folder.parts[1:]).mkdir(parents=True)
        written = Dataset(partial, dataset.label_map, dataset.records)
        for record, entry in zip(dataset.records, images, strict=True):
            _place(entry, partial / record.image)
            if entry.status is not Status.UNKNOWN:
                size_wh = (record.width, record.height)
                lines = (label_line(f, size_wh, dataset.label_map) for f in entry.findings)
                written.label_path(record).write_text("".join(lines), encoding="utf-8")
        write_tables(written)
        text = json.dumps(ledger, ensure_ascii=False, indent=1)
        atomic.write_text(partial / LEDGER_JSON, text + "\n")


def _record(entry: AssembledImage, name: str, labels: Sequence[str]) -> ImageRecord:
    unknown = entry.status is Status.UNKNOWN
    split = UNSPLIT if unknown else entry.split or UNSPLIT
    width, height = entry.image.size_wh
    return ImageRecord(
        image=PurePosixPath("images", UNKNOWN_FOLDER if unknown else split, name),
        split=split,
        patient_id=entry.patient_id,
        status=entry.status,
        width=width,
        height=height,
        sha256=entry.image.sha256,
        source=entry.source,
        extra={_column(label): _truth(entry.labels.get(label)) for label in labels},
    )


def _truth(value: bool | None) -> str:
    return "" if value is None else str(int(value))


def _column(label: str) -> str:
    return f"{label}_label" if label in COLUMNS else label


def _file_names(images: Sequence[AssembledImage]) -> list[str]:
    """File names whose stems differ over the whole set, so that no split can make two collide.

    Where stems are equal, the names of the folders above are put in front, then a number.
    """
    stems = Counter(entry.image.path.stem for entry in images)
    taken: set[str] = {stem for stem, count in stems.items() if count == 1}
    names = []
    for entry in images:
        path = entry.image.path
        stem = path.stem
        if stems[stem] > 1:
            stem = _free(f"{path.parent.name}_{stem}" if path.parent.name else stem, taken)
            taken.add(stem)
        suffix = path.suffix if path.suffix.lower() in _KEPT_SUFFIXES else ""
        if not suffix:  # a DICOM file named by its UID: the last number is no suffix
            suffix = _SUFFIX_OF_KIND[entry.image.header.kind]
        names.append(f"{stem}{suffix}")
    return names


def _free(stem: str, taken: set[str]) -> str:
    number, found = 1, stem
    while found in taken:
        number += 1
        found = f"{stem}-{number}"
    return found


def _place(entry: AssembledImage, target: Path) -> None:
    """Link the image, so that a set costs no space; copy it where it lies on another disk."""
    if entry.image.data is not None:
        target.write_bytes(entry.image.data)
        return
    source = os.path.realpath(entry.image.path)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)

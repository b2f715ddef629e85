"""Probabilities as a table, anyone's or our own: read onto the images of a set, and written.

``image`` names the image, by its path in the set or by its file name where that is unique, and each
further column that is called as a label of the set holds that label's probability. Ours have
``patient``, ``split``, and of each label ``<label>_truth`` and, of a calibrated model,
``<label>_raw`` as well; ``<label>`` is then the calibrated one.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.documents import shown
from lucency.annotations.ledger import UnusableBox
from lucency.annotations.records import Dataset, ImageRecord
from lucency.annotations.sources import SourceFile
from lucency.annotations.tables import Table, read_table
from lucency.classification.predictions import Probabilities
from lucency.configs import atomic
from lucency.configs.errors import DatasetError
from lucency.datasets.labelled import LabelledSplit

IMAGE = "image"
TRUTH, RAW = "_truth", "_raw"
_OURS = ("patient", "split")
_NAMED = 8


@dataclass(frozen=True)
class ProbabilityTable:
    """Probabilities by image of the set (its path below the root), columns as ``labels``.

    ``raw`` is empty where the table has no uncalibrated ones; ``notes`` say what was left out.
    """

    labels: tuple[str, ...]
    values: Mapping[str, NDArray[np.float64]]
    raw: Mapping[str, NDArray[np.float64]]
    notes: tuple[str, ...]

    def of(self, records: Sequence[ImageRecord], *, where: str) -> Probabilities:
        """Those of some images; raises `DatasetError` where the table has not all of them."""
        names = [str(record.image) for record in records]
        lost = [name for name in names if name not in self.values]
        if lost:
            raise DatasetError(
                f"{where}: has no row for {len(lost)} of {len(names)} images that are to be "
                f"measured, '{lost[0]}' first; add them, or name the split that the rows are of "
                "with --split"
            )
        raw = np.array([self.raw[name] for name in names]) if self.raw else None
        return Probabilities(np.array([self.values[name] for name in names]), raw)


def read_probabilities(path: Path, dataset: Dataset) -> ProbabilityTable:
    """Read a table of probabilities and match its images and labels with those of a set.

    Raises
    ------
    AnnotationError
        The file cannot be read or is no table.
    DatasetError
        It lacks a column, a cell is no probability, an image stands twice, or nothing in it is of
        the set.

    """
    table = read_table(SourceFile(str(path), path.name))
    if table.titles.count(IMAGE) != 1:
        raise DatasetError(
            f"{path}: must have one column '{IMAGE}' and one for each label's probability, has "
            f"{_listed(table.titles)}; rename them"
        )
    labels = _labels(table, dataset, where=str(path))
    # Raw ones count only where all labels have them: they are one network's answer.
    with_raw = all(f"{label}{RAW}" in table.titles for label in labels)
    of_name = _records_by_name(dataset.records)
    values: dict[str, NDArray[np.float64]] = {}
    raw: dict[str, NDArray[np.float64]] = {}
    strange: list[str] = []
    image_column = table.titles.index(IMAGE)
    for line, cells in table.full_rows():
        record = _record(cells[image_column], of_name)
        if record is None:
            strange.append(cells[image_column])
            continue
        name = str(record.image)
        if name in values:
            raise DatasetError(f"{path}: {line}: '{name}' stands here again; keep one row of it")
        values[name] = _numbers(table, cells, labels, where=f"{path}: {line}")
        if with_raw:
            titles = [f"{label}{RAW}" for label in labels]
            raw[name] = _numbers(table, cells, titles, where=f"{path}: {line}")
    if not values:
        raise DatasetError(
            f"{path}: no row is of an image of {dataset.root}: the first calls its image "
            f"{shown(strange[0]) if strange else 'nothing'}; use the paths of its dataset.csv"
        )
    notes = [*_left_out(table, labels), *_strange(strange), *_only_calls(labels, values)]
    return ProbabilityTable(labels, values, raw, tuple(notes))


def write_probabilities(path: Path, parts: Sequence[tuple[LabelledSplit, Probabilities]]) -> None:
    """Write what a model says of one or more splits, of the same labels, one below the other.

    Figures are written with all their digits, so that what is read again gives the same ones.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    labels = parts[0][0].labels
    with_raw = all(found.raw is not None for _, found in parts)
    suffixes = (TRUTH, RAW, "") if with_raw else (TRUTH, "")
    writer.writerow([IMAGE, *_OURS, *(f"{label}{part}" for label in labels for part in suffixes)])
    for split, found in parts:
        for row, record in enumerate(split.records):
            cells: list[str] = []
            for column in range(len(labels)):
                known = split.targets[row, column]
                cells.append("" if np.isnan(known) else f"{known:.0f}")
                if with_raw and found.raw is not None:
                    cells.append(repr(float(found.raw[row, column])))
                cells.append(repr(float(found.values[row, column])))
            writer.writerow([str(record.image), record.patient_id, record.split, *cells])
    atomic.write_text(path, out.getvalue())


def label_columns(dataset: Dataset) -> tuple[str, ...]:
    """The columns of ``dataset.csv`` that say 1 or 0, where they say anything, by name."""
    known: dict[str, bool] = {}
    for record in dataset.records:
        for name, cell in record.extra.items():
            if cell.strip():
                known[name] = known.get(name, True) and record.label(name) is not None
    return tuple(sorted(name for name, is_label in known.items() if is_label))


def _labels(table: Table, dataset: Dataset, *, where: str) -> tuple[str, ...]:
    known = label_columns(dataset)
    labels = tuple(title for title in table.titles if title in known)
    if not labels:
        raise DatasetError(
            f"{where}: none of its columns {_listed(table.titles)} is a label of {dataset.root}, "
            f"whose labels are {_listed(known)}; name each column of probabilities as the label"
        )
    twice = [label for label in labels if table.titles.count(label) > 1]
    if twice:
        raise DatasetError(f"{where}: has several columns '{twice[0]}'; keep one of them")
    return labels


def _numbers(
    table: Table, cells: list[str], titles: Sequence[str], *, where: str
) -> NDArray[np.float64]:
    values = []
    for title in titles:
        cell = cells[table.titles.index(title)]
        try:
            value = table.number(cell.strip(), where)
        except UnusableBox:
            value = np.nan
        if not 0.0 <= value <= 1.0:
            raise DatasetError(f"{where}: {title}: must be from 0 to 1, got {shown(cell)}")
        values.append(value)
    return np.array(values, dtype=np.float64)


def _records_by_name(records: Sequence[ImageRecord]) -> dict[str, ImageRecord]:
    """The images of a set by path, file name and stem; a name that two share says nothing."""
    found: dict[str, list[ImageRecord]] = defaultdict(list)
    for record in records:
        for name in {str(record.image), record.image.name, record.image.stem}:
            found[name].append(record)
    return {name: those[0] for name, those in found.items() if len(those) == 1}


def _record(cell: str, of_name: Mapping[str, ImageRecord]) -> ImageRecord | None:
    path = PurePosixPath(cell.strip().replace("\\", "/"))
    return next((of_name[n] for n in (str(path), path.name, path.stem) if n in of_name), None)


def _left_out(table: Table, labels: Sequence[str]) -> list[str]:
    """The note on columns that are no label of the set: a misspelt label would be among them."""
    used = {IMAGE, *_OURS, *(f"{label}{suffix}" for label in labels for suffix in ("", TRUTH, RAW))}
    rest = [title for title in table.titles if title and title not in used]
    return [f"Columns that are no labels of the set were left out: {_listed(rest)}."] * bool(rest)


def _strange(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    return [
        f"{len(names)} rows of images that the set does not have, or has twice by this name, were "
        f"left out ({shown(names[0])} first)."
    ]


def _only_calls(labels: Sequence[str], values: Mapping[str, NDArray[np.float64]]) -> list[str]:
    table = np.array(list(values.values()))
    columns = np.flatnonzero(np.isin(table, (0.0, 1.0)).all(axis=0))
    return [
        f"Of '{labels[column]}' every value is 0 or 1: these are calls, or the truth itself, and "
        "no probabilities."
        for column in columns.tolist()
    ]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (", ".join(f"'{name}'" for name in names[:_NAMED]) or "none") + more

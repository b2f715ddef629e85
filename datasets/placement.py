"""Moving a set's files to where a new split wants them, so that a crash loses nothing.

First a journal says what is to happen; then every file is linked to its new place; then tables
and lock are written; then the old places are emptied; then the journal goes. Each step can be done
again, so an interrupted split is finished by doing all of them again from the journal.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import Any

from lucency.annotations.findings import Status
from lucency.annotations.naming import UNKNOWN_FOLDER
from lucency.annotations.records import (
    DATA_YAML,
    DATASET_CSV,
    Dataset,
    ImageRecord,
    data_yaml,
    dataset_csv,
)
from lucency.configs import atomic
from lucency.configs.errors import DatasetError
from lucency.datasets.split import SplitPlan
from lucency.datasets.split_lock import LOCK, Origin, lock_text

JOURNAL = ".split-journal.json"
_WRITTEN = frozenset({DATA_YAML, DATASET_CSV, LOCK})


def apply_split(plan: SplitPlan, *, origin: Origin | None = None) -> Dataset:
    """Move images and labels into the folders of their splits, rewrite the tables, lock the split.

    ``plan`` is what `split.split_dataset` or `split.keep_splits` gives; ``origin`` what the lock
    is to tell of patients and near-duplicates. Returns the set as it lies on disk afterwards.

    Raises
    ------
    DatasetError
        An image is missing, or an earlier split was interrupted
        (see `finish_interrupted_split`).

    """
    dataset = plan.dataset
    if (dataset.root / JOURNAL).exists():
        raise DatasetError(f"{dataset.root}: an earlier split was interrupted; finish it first")
    placed = replace(dataset, records=_placed(dataset))
    # Of a split with images of unknown status alone there is no folder.
    splits = {record.split for record in placed.records if record.status is not Status.UNKNOWN}
    texts = {
        DATA_YAML: data_yaml(placed.label_map, splits),
        DATASET_CSV: dataset_csv(placed.records),
        LOCK: lock_text(plan, placed.records, origin),
    }
    journal = {"moves": _moves(dataset, placed), "texts": texts}
    atomic.write_text(dataset.root / JOURNAL, json.dumps(journal))
    _carry_out(dataset.root, journal)
    return placed


def finish_interrupted_split(root: Path) -> bool:
    """Finish what a killed `apply_split` began; returns whether there was anything to finish.

    Raises
    ------
    DatasetError
        The journal cannot be read.

    """
    path = root / JOURNAL
    if not path.exists():
        return False
    try:
        journal = json.loads(path.read_bytes())
        _carry_out(root, journal)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DatasetError(
            f"{path}: the interrupted split cannot be finished: {error}; put back what is missing, "
            "or make the set again"
        ) from None
    return True


def _placed(dataset: Dataset) -> tuple[ImageRecord, ...]:
    """The records with their new image paths, no two of them with one label file."""
    # Paths that stay where they are, and every old path: a new one must differ from them all.
    taken = {_stem(record.image) for record in dataset.records}
    placed = []
    for record in dataset.records:
        below = record.image.parts[2:] or record.image.parts[1:]
        unknown = record.status is Status.UNKNOWN
        image = PurePosixPath("images", UNKNOWN_FOLDER if unknown else record.split, *below)
        if image != record.image:
            image = _free(image, record.sha256, taken=taken, root=dataset.root)
            taken.add(_stem(image))
        placed.append(replace(record, image=image))
    return tuple(placed)


def _free(
    image: PurePosixPath, sha256: str, *, taken: Set[PurePosixPath], root: Path
) -> PurePosixPath:
    """The path itself or, where another image or label file has it, one with a longer name."""
    suffixes = chain(("", f"_{sha256[:12]}"), (f"_{sha256[:12]}_{n}" for n in count(2)))
    names = (image.with_stem(image.stem + suffix) for suffix in suffixes)
    return next(name for name in names if _stem(name) not in taken and not _occupied(root, name))


def _stem(image: PurePosixPath) -> PurePosixPath:
    return image.with_suffix("")


def _occupied(root: Path, image: PurePosixPath) -> bool:
    label = root.joinpath("labels", *image.parts[1:]).with_suffix(".txt")
    return os.path.lexists(root / image) or os.path.lexists(label)


def _moves(dataset: Dataset, placed: Dataset) -> list[tuple[str, str]]:
    """Old and new path below the root of every file that moves."""
    moves = []
    for old, new in zip(dataset.records, placed.records, strict=True):
        if not dataset.image_path(old).is_file():
            raise DatasetError(
                f"{dataset.image_path(old)}: stands in {DATASET_CSV} but not on disk"
            )
        if old.image == new.image:
            continue
        moves.append((str(old.image), str(new.image)))
        label, target = dataset.label_path(old), placed.label_path(new)
        if label.is_file():
            root = dataset.root
            moves.append((label.relative_to(root).as_posix(), target.relative_to(root).as_posix()))
    return moves


def _carry_out(root: Path, journal: Mapping[str, Any]) -> None:
    for path in (PurePosixPath(path) for move in journal["moves"] for path in move):
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"'{path}' is outside the set")
    if not _WRITTEN.issuperset(journal["texts"]):
        raise ValueError(f"'{min(journal['texts'].keys() - _WRITTEN)}' is none of the tables")
    moves = [(root / old, root / new) for old, new in journal["moves"]]
    for old, new in moves:
        _link(old, new)
    for name, text in journal["texts"].items():
        atomic.write_text(root / name, text)
    for old, _ in moves:
        old.unlink(missing_ok=True)
    _remove_empty({old.parent for old, _ in moves}, root)
    (root / JOURNAL).unlink()


def _link(old: Path, new: Path) -> None:
    if os.path.lexists(new):  # done before the interruption
        return
    new.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(old, new)
    except OSError:  # a file system without hard links
        partial = new.with_name(f".{new.name}.partial")
        shutil.copy2(old, partial)
        partial.replace(new)


def _remove_empty(folders: Iterable[Path], root: Path) -> None:
    for folder in sorted(folders, reverse=True):
        while folder.is_dir() and folder.parent != root and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent  # noqa: PLW2901 - climbs up to images/ or labels/

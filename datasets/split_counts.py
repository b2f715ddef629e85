"""Counting what stands in each split, or in each fold: images, patients, classes and labels."""

from collections.abc import Mapping, Sequence

from lucency.annotations.findings import Status
from lucency.annotations.records import SPLITS, UNSPLIT, Dataset, ImageRecord
from lucency.datasets.participants import FOLD, image_labels, participants

IMAGES, PATIENTS = "images", "patients"


def count_splits(
    dataset: Dataset, *, columns: Sequence[str] = ()
) -> tuple[tuple[str, ...], Mapping[str, tuple[int, ...]]]:
    """The names of the parts, and for each thing counted its number in every part.

    Counted are images, never boxes: all, those with each class, confirmed negatives, those with
    each image-level label and each value of ``columns``; and patients, where an image without one
    is a patient of its own. Parts are the splits or, in a set with folds, each fold.
    """
    used = {record.image for record in participants(dataset)}
    parts: dict[str, list[ImageRecord]] = {name: [] for name in _part_names(dataset)}
    for record in dataset.records:
        part = _part(record) if record.image in used else UNSPLIT
        parts.setdefault(part if part in parts else UNSPLIT, []).append(record)
    counts = [_counts(dataset, records, columns) for records in parts.values()]
    rows = {row: tuple(each[row] for each in counts) for row in counts[0]}
    return tuple(parts), {row: its for row, its in rows.items() if any(its) or row == IMAGES}


def _part(record: ImageRecord) -> str:
    fold = record.extra.get(FOLD, "")
    if not fold:
        return record.split
    return f"fold {fold} (val)" if record.split == "val" else f"fold {fold}"


def _part_names(dataset: Dataset) -> tuple[str, ...]:
    """The splits, or the folds and what is held out for testing."""
    if not any(record.extra.get(FOLD) for record in dataset.records):
        return SPLITS
    divided = sorted({(int(f), _part(r)) for r in dataset.records if (f := r.extra.get(FOLD))})
    folds = tuple(name for _, name in divided)
    return (*folds, "test") if dataset.in_split("test") else folds


def lacking(dataset: Dataset) -> Mapping[str, tuple[str, ...]]:
    """The parts without any image of a class or label that others have; of those with images."""
    parts, rows = count_splits(dataset)
    wanted = {name: counts for name, counts in rows.items() if name not in (IMAGES, PATIENTS)}
    missing = {
        part: tuple(name for name, counts in wanted.items() if not counts[number])
        for number, part in enumerate(parts)
        if rows[IMAGES][number] and part != UNSPLIT
    }
    return {part: names for part, names in missing.items() if names}


def _counts(
    dataset: Dataset, records: Sequence[ImageRecord], columns: Sequence[str]
) -> dict[str, int]:
    labels = image_labels(dataset.records)
    shown = [{finding.label for finding in dataset.findings(record)} for record in records]
    counts = {
        IMAGES: len(records),
        PATIENTS: len({record.patient_id or str(record.image) for record in records}),
    }
    for name in dataset.label_map:
        counts[f"images with {name}"] = sum(name in found for found in shown)
    negatives = sum(record.status is Status.NEGATIVE for record in records)
    counts["images without findings"] = negatives
    for name in labels:
        counts[f"label {name}"] = sum(record.label(name) is True for record in records)
    values = {name: sorted({r.extra.get(name, "") for r in dataset.records}) for name in columns}
    for name, its in values.items():
        for value in its:
            if value.strip():
                found = sum(record.extra.get(name, "") == value for record in records)
                counts[f"{name} {value}"] = found
    return counts

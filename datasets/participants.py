"""Which images take part in training and evaluation, and so in the split of a set.

All of which something is known: boxes, that there are none, or an image-level label. Files of
images without boxes stay in ``images/unknown/``, since a detector would take them for negatives.
"""

from collections.abc import Iterable

from lucency.annotations.findings import Status
from lucency.annotations.records import Dataset, ImageRecord

FOLD = "fold"  # the column that `folds` writes, of whole numbers and so no label


def image_labels(records: Iterable[ImageRecord]) -> tuple[str, ...]:
    """The further columns that hold an image-level label: 0, 1 or nothing in every row."""
    columns: dict[str, set[str]] = {}
    for record in records:
        for name, value in record.extra.items():
            columns.setdefault(name, set()).add(value.strip())
    return tuple(
        sorted(
            name
            for name, values in columns.items()
            if name != FOLD and values - {""} and values <= {"", "0", "1"}
        )
    )


def participants(dataset: Dataset) -> tuple[ImageRecord, ...]:
    """The images with boxes, the confirmed negatives, and those with an image-level label."""
    labels = image_labels(dataset.records)
    return tuple(
        record
        for record in dataset.records
        if record.status is not Status.UNKNOWN
        or any(record.label(name) is not None for name in labels)
    )

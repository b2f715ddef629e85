"""Counting a set: images and boxes by split and class, image-level labels, patients."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lucency.annotations.findings import Status
from lucency.annotations.records import SPLITS, Dataset, ImageRecord
from lucency.datasets.histograms import whole_numbers
from lucency.datasets.survey_boxes import BoxTable

# Columns of the table that describe an image; a further one of 0 and 1 alone is a label.
METADATA = (
    "body_part",
    "view",
    "laterality",
    "sex",
    "age",
    "site",
    "manufacturer",
    "official_split",
    "study",
)
_MOST_IMAGES_LISTED = 10
_LARGEST = 5


@dataclass(frozen=True)
class SplitCount:
    """One split: its images by status, how many a label is known of, boxes, and patients."""

    name: str
    images: int
    share: float
    annotated: int
    negative: int
    unknown: int
    labelled: int
    boxes: int
    patients: int


@dataclass(frozen=True)
class ClassCount:
    """One class: its boxes, the images that have some, and both by split."""

    name: str
    boxes: int
    images: int
    boxes_by_split: Mapping[str, int]
    images_by_split: Mapping[str, int]


@dataclass(frozen=True)
class LabelCount:
    """One image-level label: images with it, without it, and of which it is not known."""

    name: str
    positive: int
    negative: int
    unknown: int
    positive_by_split: Mapping[str, int]
    negative_by_split: Mapping[str, int]

    @property
    def share(self) -> float | None:
        """The share of positives among the images of which it is known."""
        known = self.positive + self.negative
        return self.positive / known if known else None


@dataclass(frozen=True)
class PatientCount:
    """How many patients there are, who is of none, and how many images each has.

    ``from_table`` and ``from_dicom`` count the images whose patient stands in the table, or in
    the DICOM file alone; ``largest`` are patients with the most images.
    """

    patients: int
    from_table: int
    from_dicom: int
    unnamed: int
    images_each: Mapping[str, int]
    median_images: float | None
    largest: tuple[tuple[str, int], ...]


def splits_of(dataset: Dataset) -> tuple[str, ...]:
    """The splits that have images: train, val, test, then whatever else the table says."""
    there = {record.split for record in dataset.records}
    further = sorted(there - set(SPLITS))
    return (*(split for split in SPLITS if split in there), *further)


def label_columns(records: Sequence[ImageRecord]) -> tuple[str, ...]:
    """The image-level labels: columns that hold nothing but 0, 1 and empty fields."""
    values: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for name, value in record.extra.items():
            values[name].add(value.strip())
    return tuple(
        name
        for name in sorted(values)
        if name not in METADATA and values[name] - {""} and values[name] <= {"0", "1", ""}
    )


def count_splits(
    dataset: Dataset, table: BoxTable, *, labels: Sequence[str], patients: Sequence[str]
) -> tuple[SplitCount, ...]:
    """Count each split; ``patients`` are those of the images, in the order of the table.

    An image whose patient is not known counts as a patient of its own.
    """
    boxes = Counter(dataset.records[number].split for number in table.records.tolist())
    counts = []
    for split in splits_of(dataset):
        there = [(r, p) for r, p in zip(dataset.records, patients, strict=True) if r.split == split]
        statuses = Counter(record.status for record, _ in there)
        counts.append(
            SplitCount(
                name=split,
                images=len(there),
                share=round(len(there) / len(dataset.records), 6),
                annotated=statuses[Status.ANNOTATED],
                negative=statuses[Status.NEGATIVE],
                unknown=statuses[Status.UNKNOWN],
                labelled=sum(is_labelled(record, labels) for record, _ in there),
                boxes=boxes[split],
                patients=len({p or f"\0{record.image}" for record, p in there}),
            )
        )
    return tuple(counts)


def is_labelled(record: ImageRecord, labels: Iterable[str]) -> bool:
    """Whether any of the image-level ``labels`` is known of an image."""
    return any(record.label(name) is not None for name in labels)


def count_classes(dataset: Dataset, table: BoxTable) -> tuple[ClassCount, ...]:
    """Count the boxes of each class, in the order of the classes."""
    splits = splits_of(dataset)
    counts = []
    for class_id, name in enumerate(dataset.label_map):
        numbers = table.records[table.class_ids == class_id].tolist()
        boxes = Counter(dataset.records[number].split for number in numbers)
        images = Counter(dataset.records[number].split for number in set(numbers))
        by_split = {split: boxes[split] for split in splits}
        images_by_split = {split: images[split] for split in splits}
        counts.append(ClassCount(name, len(numbers), len(set(numbers)), by_split, images_by_split))
    return tuple(counts)


def count_labels(dataset: Dataset, labels: Sequence[str]) -> tuple[LabelCount, ...]:
    """Count the image-level labels."""
    splits = splits_of(dataset)
    counts = []
    for name in labels:
        values = Counter((record.label(name), record.split) for record in dataset.records)
        totals = {value: sum(values[value, s] for s in splits) for value in (True, False, None)}
        positives = {split: values[True, split] for split in splits}
        negatives = {split: values[False, split] for split in splits}
        counts.append(
            LabelCount(name, totals[True], totals[False], totals[None], positives, negatives)
        )
    return tuple(counts)


def count_patients(dataset: Dataset, patients: Sequence[str]) -> PatientCount:
    """Count the patients; ``patients`` are those of the images, in the order of the table."""
    from_table = sum(bool(record.patient_id) for record in dataset.records)
    named = Counter(patient for patient in patients if patient)
    images = sorted(named.values())
    middle = len(images) // 2
    median = (images[middle] + images[~middle]) / 2 if images else None
    largest = sorted(named.items(), key=lambda pair: (-pair[1], pair[0]))[:_LARGEST]
    return PatientCount(
        patients=len(named),
        from_table=from_table,
        from_dicom=named.total() - from_table,
        unnamed=len(patients) - named.total(),
        images_each=whole_numbers(images, most=_MOST_IMAGES_LISTED),
        median_images=median,
        largest=tuple(largest),
    )


def imbalance(counts: Iterable[int]) -> float | None:
    """How many times the most frequent is as frequent as the least; None below two that occur."""
    there = [count for count in counts if count]
    return round(max(there) / min(there), 2) if len(there) > 1 else None

"""What to mend or to know before training, from the figures of a survey."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lucency.annotations.problems import Severity
from lucency.annotations.records import SPLITS, Dataset
from lucency.configs.errors import DatasetError
from lucency.datasets.leakage import check_leakage
from lucency.datasets.shortcuts import LEAST_IMAGES, Association, strongest
from lucency.datasets.survey_counts import ClassCount, LabelCount, PatientCount, SplitCount
from lucency.datasets.survey_duplicates import DuplicateGroup
from lucency.datasets.survey_metadata import OLDEST_YEARS, Column
from lucency.datasets.survey_pixels import (
    NO_DIGEST,
    OTHER_DIGEST,
    OTHER_SIZE,
    FileProblem,
    PixelSurvey,
)
from lucency.datasets.training_resolution import Recommendation

# Below this a detector has too few examples, and a test too few to measure.
FEW_BOXES = 50
# From here on training needs weights, or more of the rare class.
_IMBALANCED = 10.0
_NAMED = 3


@dataclass(frozen=True)
class Concern:
    """One thing to mend or to know; ``section`` is where the page tells more."""

    severity: Severity
    title: str
    detail: str
    section: str


@dataclass(frozen=True)
class Found:
    """The figures that concerns are drawn from."""

    splits: tuple[SplitCount, ...]
    classes: tuple[ClassCount, ...]
    labels: tuple[LabelCount, ...]
    pixels: PixelSurvey
    file_problems: tuple[FileProblem, ...]
    unreadable_label_files: tuple[str, ...]
    duplicates: tuple[DuplicateGroup, ...]
    patients: PatientCount
    columns: tuple[Column, ...]
    associations: tuple[Association, ...]
    resolution: Recommendation


def concerns(dataset: Dataset, found: Found, *, patients: Sequence[str]) -> tuple[Concern, ...]:
    """All concerns, errors first; ``patients`` are those of the images, in the table's order."""
    listed = [
        *_files(found),
        *_splits(dataset, found, patients),
        *_duplicates(found.duplicates),
        *_classes(found),
        *_shortcuts(found.associations),
        *_pixels(found.pixels),
        *_columns(found.columns),
        *_resolution(found.resolution),
    ]
    order = list(Severity)
    return tuple(sorted(listed, key=lambda concern: order.index(concern.severity)))


def _files(found: Found) -> Iterator[Concern]:
    kinds = {OTHER_SIZE: "differs", OTHER_DIGEST: "changed", NO_DIGEST: "undigested"}
    groups: dict[str, list[FileProblem]] = defaultdict(list)
    for problem in found.file_problems:
        groups[kinds.get(problem.fault, "unreadable")].append(problem)
    titles = {
        "unreadable": "that cannot be decoded",
        "differs": "of another size than the table says",
        "changed": "changed since the set was made",
        "undigested": "without a digest in the table",
    }
    for kind, title in titles.items():
        if groups[kind]:
            names = _names(problem.image for problem in groups[kind])
            yield Concern(
                Severity.ERROR, f"{_counted(len(groups[kind]), 'image')} {title}", names, "files"
            )
    if found.unreadable_label_files:
        count = _counted(len(found.unreadable_label_files), "label file")
        detail = found.unreadable_label_files[0]
        yield Concern(Severity.ERROR, f"{count} that cannot be read", detail, "files")


def _splits(dataset: Dataset, found: Found, patients: Sequence[str]) -> Iterator[Concern]:
    if not dataset.records:
        yield Concern(Severity.ERROR, "The set is empty", "dataset.csv names no image.", "splits")
        return
    torn = _torn(dataset, patients)
    if torn:
        title = f"{_counted(len(torn), 'patient')} in more than one split"
        yield Concern(Severity.ERROR, title, _names(torn), "splits")
    used = [split for split in found.splits if split.name in SPLITS]
    outside = sum(
        split.annotated + split.negative for split in found.splits if split.name not in SPLITS
    )
    if not used:
        title, detail = "The set is not split", "lucency split divides it by patient."
        yield Concern(Severity.WARNING, title, detail, "splits")
    elif outside:
        title = f"{_counted(outside, 'image')} of known status in no split"
        yield Concern(Severity.ERROR, title, "Run lucency split again.", "splits")
    elif not torn:
        yield from _refused(dataset, found.duplicates)
    unnamed = found.patients.unnamed
    if unnamed:
        whose = "No image names its patient"
        if unnamed < len(patients):
            whose = f"{unnamed:,} of {len(patients):,} images name no patient"
        detail = (
            "Each of them counts as a patient of its own, so a patient may stand in two splits "
            "unseen. With --patient-pattern or --patients, lucency split learns who it is."
        )
        yield Concern(Severity.WARNING, whose, detail, "splits")


def _refused(dataset: Dataset, duplicates: Iterable[DuplicateGroup]) -> Iterator[Concern]:
    """Why training would refuse the set, where nothing else here says so already."""
    try:
        check_leakage(dataset)
    except DatasetError as error:
        if not any(group.leaks and group.identical for group in duplicates):
            detail = str(error).replace(str(dataset.root), dataset.root.name)
            yield Concern(Severity.ERROR, "Training refuses this set", detail, "splits")


def _torn(dataset: Dataset, patients: Sequence[str]) -> list[str]:
    """The patients in two splits, with where their images are."""
    splits: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for record, patient in zip(dataset.records, patients, strict=True):
        if patient and record.split in SPLITS:
            splits[patient][record.split] += 1
    return [
        f"{patient} ({', '.join(f'{counts[s]} in {s}' for s in SPLITS if s in counts)})"
        for patient, counts in splits.items()
        if len(counts) > 1
    ]


def _duplicates(groups: Sequence[DuplicateGroup]) -> Iterator[Concern]:
    leaks = [group for group in groups if group.leaks]
    if leaks:
        title = f"{_counted(len(leaks), 'exposure')} in more than one split"
        names = _names(" = ".join(group.images) for group in leaks)
        detail = f"They make test figures too good: {names}"
        yield Concern(Severity.ERROR, title, detail, "duplicates")
    contrary = [group for group in groups if group.labels_differ or group.boxes_differ]
    if contrary:
        title = f"{_counted(len(contrary), 'exposure')} labelled in two ways"
        detail = _names(" = ".join(group.images) for group in contrary)
        yield Concern(Severity.WARNING, title, detail, "duplicates")
    strangers = [group for group in groups if group.patients_differ]
    if strangers:
        title = f"{_counted(len(strangers), 'exposure')} under two patients"
        detail = _names(" = ".join(group.images) for group in strangers)
        yield Concern(Severity.WARNING, title, detail, "duplicates")
    rest = len(groups) - len({*leaks, *contrary, *strangers})
    if rest:
        title = f"{_counted(rest, 'exposure')} in the set more than once"
        detail = "In one split and labelled alike: a repeated image weighs more than the others."
        yield Concern(Severity.NOTE, title, detail, "duplicates")


def _classes(found: Found) -> Iterator[Concern]:
    boxes = {count.name: count.boxes for count in found.classes}
    positives = {count.name: min(count.positive, count.negative) for count in found.labels}
    if not any(boxes.values()) and not positives:
        detail = "There are neither boxes nor image-level labels."
        yield Concern(Severity.ERROR, "Nothing to learn from", detail, "classes")
        return
    few = {name: count for name, count in boxes.items() if count < FEW_BOXES}
    if any(boxes.values()) and few:
        title = f"{_counted(len(few), 'class')} with fewer than {FEW_BOXES} boxes"
        detail = ", ".join(f"{name} {count}" for name, count in few.items())
        yield Concern(Severity.WARNING, title, detail, "classes")
    rare = [count for count in found.labels if positives[count.name] < FEW_BOXES]
    if rare:
        title = f"{_counted(len(rare), 'label')} with fewer than {FEW_BOXES} images of one kind"
        detail = ", ".join(f"{c.name}: {c.positive} with, {c.negative} without" for c in rare)
        yield Concern(Severity.WARNING, title, detail, "classes")
    yield from _missing_from_splits(found)
    there = [count for count in boxes.values() if count]
    if len(there) > 1 and max(there) >= _IMBALANCED * min(there):
        title = "The classes are imbalanced"
        times = f"{max(there) / min(there):,.0f}"
        detail = f"The most frequent has {times} times as many boxes as the least frequent."
        yield Concern(Severity.NOTE, title, detail, "classes")
    if there and not any(split.negative for split in found.splits):
        detail = "No image is known to show nothing, so false alarms cannot be measured."
        yield Concern(Severity.NOTE, "There are no negatives", detail, "classes")


def _missing_from_splits(found: Found) -> Iterator[Concern]:
    for split in found.splits:
        if split.name not in SPLITS:
            continue
        missing = [c.name for c in found.classes if c.boxes and not c.boxes_by_split[split.name]]
        missing += [
            count.name
            for count in found.labels
            if count.positive and not count.positive_by_split[split.name]
        ]
        if missing:
            title = f"Nothing of {_names(missing)} in {split.name}"
            detail = "It can neither be learnt nor measured there."
            yield Concern(Severity.WARNING, title, detail, "classes")


def _shortcuts(associations: Sequence[Association]) -> Iterator[Concern]:
    for target, association in strongest(associations).items():
        shares = [(p / n, value) for value, n, p in association.groups if n >= LEAST_IMAGES]
        low, high = min(shares), max(shares)
        detail = (
            f"{high[0]:.0%} of the images with {association.property} “{high[1]}” have it, "
            f"{low[0]:.0%} of those with “{low[1]}”, so a model may learn the "
            f"{association.property} instead (AUC of that alone: {association.auc:.2f})."
        )
        title = f"{target} follows the {association.property}"
        yield Concern(Severity.WARNING, title, detail, "shortcuts")


def _pixels(pixels: PixelSurvey) -> Iterator[Concern]:
    if pixels.blank:
        title = f"{_counted(len(pixels.blank), 'image')} of one single value"
        yield Concern(Severity.WARNING, title, _names(pixels.blank), "pixels")
    outliers = (*pixels.darkest, *pixels.brightest)
    if outliers:
        title = f"{_counted(len(outliers), 'image')} of unusual exposure"
        detail = f"{len(pixels.darkest):,} dark and {len(pixels.brightest):,} bright."
        yield Concern(Severity.NOTE, title, detail, "pixels")
    inverted = sum(kind.images for kind in pixels.kinds if "MONOCHROME1" in kind.name)
    if 0 < inverted < pixels.readable:
        title = f"{_counted(inverted, 'image')} of MONOCHROME1 among others"
        detail = "Lucency shows bone bright in all of them; other programs may not."
        yield Concern(Severity.NOTE, title, detail, "pixels")


def _columns(columns: Iterable[Column]) -> Iterator[Concern]:
    for column in columns:
        if column.implausible:
            title = f"{_counted(column.implausible, 'image')} with an implausible age"
            detail = f"Below 0 or above {OLDEST_YEARS} years."
            yield Concern(Severity.NOTE, title, detail, "metadata")


def _resolution(resolution: Recommendation) -> Iterator[Concern]:
    if not resolution.enough:
        title = "Many boxes are small at any resolution"
        yield Concern(Severity.WARNING, title, resolution.reason, "resolution")


def _names(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _NAMED:,} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + more


def _counted(count: int, noun: str) -> str:
    plural = "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{plural * (count != 1)}"

"""What is wrong with a set as a whole: its classes, splits and negatives."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from lucency.annotations.census import Census
from lucency.annotations.checked_images import CheckedImage
from lucency.annotations.findings import Status
from lucency.annotations.image_checks import where_they_are
from lucency.annotations.problems import Problem
from lucency.annotations.records import SPLITS

# Below ten findings in a test set, the 95 % interval of a sensitivity is wider than 50 points.
LEAST_BOXES = 10
LEAST_SHARE = 0.01


def check_classes(
    labels: Iterable[str], census: Census, readers: Mapping[str, Mapping[str, int]]
) -> Iterator[Problem]:
    """Names that are nearly the same, and classes with too few boxes or annotators.

    ``labels`` are all that occur, also in boxes that cannot be used; ``readers`` gives for each
    label how many boxes each annotator drew.
    """
    yield from _similar_names(sorted(set(labels)))
    yield from _rare_classes(census)
    totals: Counter[str] = Counter()
    for counts in readers.values():
        totals.update(counts)
    for label, counts in sorted(readers.items()):
        only = [reader for reader, count in counts.items() if count]
        if len(totals) > 1 and len(only) == 1:
            others = totals.total() - totals[only[0]]
            text = (
                f"'{label}': {_boxes(counts[only[0]])}, all by {only[0]}; none by "
                f"{_counted(len(totals) - 1, 'other annotator')}, who drew {_boxes(others)}"
            )
            yield Problem("one-annotator-class", text, label=label)


def check_splits(images: Sequence[CheckedImage], census: Census) -> Iterator[Problem]:
    """Splits without images or without a class, images outside them, patients in two of them."""
    there = census.splits
    if not there:
        return
    for split in ("train", "val"):
        if split not in there:
            yield Problem("empty-split", f"{split}: has no images; there are {', '.join(there)}")
    for label, count in census.classes.items():
        for split in there:
            if count.boxes and not count.by_split[split]:
                spread = ", ".join(f"{count.by_split[name]} in {name}" for name in there)
                text = f"'{label}': none of its {_boxes(count.boxes)} is in {split} ({spread})"
                yield Problem("class-missing-from-split", text, label=label)
    patients: defaultdict[str, list[CheckedImage]] = defaultdict(list)
    for image in images:
        entry = image.entry
        if entry.status is Status.UNKNOWN:
            continue
        if entry.split not in SPLITS:
            yield Problem("in-no-split", "is in no split", image.name, entry.source)
        elif entry.patient_id:
            patients[entry.patient_id].append(image)
    for patient, group in patients.items():
        if len({image.entry.split for image in group}) > 1:
            text = f"patient '{patient}': {where_they_are(group)}"
            yield Problem("patient-in-two-splits", text, group[0].name)


def check_negatives(census: Census) -> Iterator[Problem]:
    """A set whose every image shows something."""
    annotated = census.status(Status.ANNOTATED)
    if annotated and not census.status(Status.NEGATIVE):
        text = f"{_counted(annotated, 'image')} with findings, none known to have none"
        yield Problem("no-negatives", text)


def _similar_names(labels: Sequence[str]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for label in labels:
        keys = _name_keys(label)
        other = next((first[key] for key in keys if key in first), None)
        if other is not None:
            yield Problem("similar-names", f"'{other}' and '{label}'", label=label)
        for key in keys:
            first.setdefault(key, label)


def _name_keys(label: str) -> list[str]:
    """The name without case, spaces and dashes, as it stands and in the singular."""
    plain = unicodedata.normalize("NFKC", label).casefold()
    key = "".join(letter for letter in plain if not letter.isspace() and letter not in "-_")
    keys = [key or label]
    if len(key) > 3:
        for ending, singular in (("ies", "y"), ("es", "is"), ("es", ""), ("s", "")):
            if key.endswith(ending) and not key.endswith("ss"):
                keys.append(key.removesuffix(ending) + singular)
    return keys


def _rare_classes(census: Census) -> Iterator[Problem]:
    total = census.boxes
    largest = max(census.classes, key=lambda label: census.classes[label].boxes, default="")
    for label, count in census.classes.items():
        if not count.boxes:
            yield Problem("unused-class", f"'{label}' has no box", label=label)
        elif count.boxes < LEAST_BOXES or count.boxes < LEAST_SHARE * total:
            text = f"'{label}': {_boxes(count.boxes)}"
            if label != largest:
                times = census.classes[largest].boxes / count.boxes
                text += f", {count.boxes / total:.2%} of all; '{largest}' has {times:,.0f} times "
                text += "as many"
            yield Problem("rare-class", text, label=label)


def _boxes(count: int) -> str:
    return f"{count:,} box{'es' * (count != 1)}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"

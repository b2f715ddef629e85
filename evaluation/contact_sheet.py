"""Which images of a data set to look at first, and their pictures with boxes."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lucency.annotations.findings import Finding, Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import DatasetError, ImageError
from lucency.datasets.display import display
from lucency.datasets.parallel import in_order
from lucency.datasets.radiographs import read_radiograph
from lucency.datasets.survey_counts import is_labelled, splits_of
from lucency.evaluation.pictures import BoxKind, DrawnBox, draw_boxes, encode_jpeg

PICTURES = 40
PICTURE_PX = 256
_QUALITY = 80
# Of labels that an image does not have, so many are named.
_MOST_ABSENT = 3
_TOLD = ("body_part", "view", "site")


@dataclass(frozen=True)
class SheetPicture:
    """One image as JPEG, with its name and a line on what is known of it.

    ``picture`` is None where the image cannot be decoded.
    """

    image: str
    note: str
    picture: bytes | None


def contact_sheet(
    dataset: Dataset, *, labels: Sequence[str], unreadable: frozenset[str], seed: int = 0
) -> Mapping[str, tuple[SheetPicture, ...]]:
    """About 40 images by split: as many of each class, of negatives, and of each label.

    The ``seed`` and the images' digests decide, and not the order of the table.
    """
    splits = splits_of(dataset)
    sheets = {}
    for number, split in enumerate(splits):
        quota = PICTURES // len(splits) + (number < PICTURES % len(splits))
        there = [r for r in dataset.in_split(split) if str(r.image) not in unreadable]
        chosen = _spread(dataset, there, labels, quota, seed)
        sheets[split] = pictures_of(dataset, chosen, labels=labels)
    return {split: pictures for split, pictures in sheets.items() if pictures}


def pictures_of(
    dataset: Dataset, records: Iterable[ImageRecord], *, labels: Sequence[str]
) -> tuple[SheetPicture, ...]:
    """Pictures of these images, in their order."""

    def picture(record: ImageRecord) -> SheetPicture:
        findings = _findings(dataset, record)
        note = _note(record, findings, labels)
        try:
            radiograph = read_radiograph(dataset.image_path(record))
        except ImageError:
            return SheetPicture(str(record.image), note, None)
        image = display(radiograph, DisplaySpec()).image
        named = len({finding.label for finding in findings}) > 1
        boxes = [DrawnBox(f.box, BoxKind.TRUTH, f.label if named else "") for f in findings]
        longest = min(PICTURE_PX, max(image.shape))
        drawn = draw_boxes(image, boxes, longest_side=longest)
        return SheetPicture(str(record.image), note, encode_jpeg(drawn, quality=_QUALITY))

    return tuple(in_order(picture, records))


def _spread(
    dataset: Dataset,
    records: Sequence[ImageRecord],
    labels: Sequence[str],
    quota: int,
    seed: int,
) -> list[ImageRecord]:
    """Take one image of each stratum in turn, until there are enough."""

    def order(record: ImageRecord) -> str:
        identity = record.sha256 or str(record.image)
        return hashlib.sha256(f"{seed} {identity}".encode()).hexdigest()

    of_image = {record.image: _strata(dataset, record, labels) for record in records}
    strata: defaultdict[str, list[ImageRecord]] = defaultdict(list)
    for record in sorted(records, key=order):
        for stratum in of_image[record.image]:
            strata[stratum].append(record)
    chosen: dict[str, ImageRecord] = {}
    queues = [iter(strata[name]) for name in sorted(strata)]
    while queues and len(chosen) < quota:
        for queue in list(queues):
            found = _next_new(queue, chosen)
            if found is None:
                queues.remove(queue)
            elif len(chosen) < quota:
                chosen[str(found.image)] = found
    return sorted(chosen.values(), key=lambda r: (min(of_image[r.image]), order(r)))


def _next_new(
    queue: Iterator[ImageRecord], chosen: Mapping[str, ImageRecord]
) -> ImageRecord | None:
    return next((record for record in queue if str(record.image) not in chosen), None)


def _strata(dataset: Dataset, record: ImageRecord, labels: Sequence[str]) -> set[str]:
    """What an image is an example of: its classes, its labels, or neither."""
    found = {f"class {finding.label}" for finding in _findings(dataset, record)}
    found |= {f"label {name}" for name in labels if record.label(name)}
    healthy = record.status is Status.NEGATIVE or is_labelled(record, labels)
    return found or {"negative" if healthy else "unknown"}


def _findings(dataset: Dataset, record: ImageRecord) -> tuple[Finding, ...]:
    """The boxes; none where the label file cannot be read, which the survey tells elsewhere."""
    try:
        return dataset.findings(record)
    except DatasetError:
        return ()


def _note(record: ImageRecord, findings: Sequence[Finding], labels: Sequence[str]) -> str:
    counts = Counter(finding.label for finding in findings)
    parts = [f"{count} {name}" if count > 1 else name for name, count in sorted(counts.items())]
    parts += [name for name in labels if record.label(name) and name not in counts]
    if not findings and record.status is Status.NEGATIVE:
        parts.insert(0, "negative")
    if not parts:
        parts = [f"no {name}" for name in labels if record.label(name) is False][:_MOST_ABSENT]
    parts += [record.extra[name] for name in _TOLD if record.extra.get(name)]
    return ", ".join(parts) or "nothing is known of it"

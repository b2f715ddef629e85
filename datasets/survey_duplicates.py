"""Images that show the same exposure, and what is wrong where their splits or labels differ."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lucency.annotations.findings import Status
from lucency.annotations.matching import DEFAULT_IOU, match
from lucency.annotations.records import SPLITS, Dataset, ImageRecord
from lucency.configs.errors import DatasetError
from lucency.datasets.near_duplicates import near_duplicates
from lucency.datasets.survey_boxes import BoxTable

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class DuplicateGroup:
    """Two or more images of one exposure, by their paths in the table, with their splits.

    ``identical`` files have equal digests. ``labels_differ`` is set where one has a finding or a
    label that another is known not to have, ``boxes_differ`` where the boxes of identical files
    do not match (same class, IoU 0.5) or those of others differ in number, ``patients_differ``
    where two patients are named.
    """

    images: tuple[str, ...]
    splits: tuple[str, ...]
    identical: bool
    labels_differ: bool
    boxes_differ: bool
    patients_differ: bool

    @property
    def leaks(self) -> bool:
        """Whether they stand in different splits."""
        return len(set(self.splits) & set(SPLITS)) > 1

    @property
    def rank(self) -> int:
        """The worst first: 0 for a leak, 1 for labels that differ, and so on to 4 for nothing."""
        faults = (self.leaks, self.labels_differ, self.boxes_differ, self.patients_differ)
        return next((number for number, fault in enumerate(faults) if fault), len(faults))


def find_duplicates(
    dataset: Dataset,
    table: BoxTable,
    *,
    labels: Sequence[str],
    workers: int | None = None,
    progress: Progress | None = None,
) -> tuple[DuplicateGroup, ...]:
    """The groups of near-duplicates, the worst first, then in the order of the table."""
    # Images go by their digests: those that have none would all be one.
    compared = replace(dataset, records=tuple(r for r in dataset.records if r.sha256))
    found = near_duplicates(compared, workers=workers, progress=progress)
    classes = _classes(dataset, table)
    groups = []
    for group in found.groups:
        identical = len({record.sha256 for record in group}) == 1 and bool(group[0].sha256)
        labels_differ = _labels_differ(group, classes, labels)
        groups.append(
            DuplicateGroup(
                images=tuple(str(record.image) for record in group),
                splits=tuple(record.split for record in group),
                identical=identical,
                labels_differ=labels_differ,
                boxes_differ=not labels_differ and _boxes_differ(dataset, group, identical),
                patients_differ=len({r.patient_id for r in group if r.patient_id}) > 1,
            )
        )
    return tuple(sorted(groups, key=lambda group: group.rank))


def _classes(dataset: Dataset, table: BoxTable) -> Mapping[str, frozenset[int]]:
    """The classes of the boxes of each image."""
    found: dict[str, set[int]] = {str(record.image): set() for record in dataset.records}
    for number, class_id in zip(table.records.tolist(), table.class_ids.tolist(), strict=True):
        found[str(dataset.records[number].image)].add(class_id)
    return {image: frozenset(ids) for image, ids in found.items()}


def _labels_differ(
    group: Sequence[ImageRecord], classes: Mapping[str, frozenset[int]], labels: Sequence[str]
) -> bool:
    known = [record for record in group if record.status is not Status.UNKNOWN]
    if len({(record.status, classes[str(record.image)]) for record in known}) > 1:
        return True
    return any(len({record.label(name) for record in group} - {None}) > 1 for name in labels)


def _boxes_differ(dataset: Dataset, group: Sequence[ImageRecord], identical: bool) -> bool:
    """Whether boxes do not match, or their number where pictures may be turned or cut."""
    known = [record for record in group if record.status is Status.ANNOTATED]
    try:
        boxes = [dataset.findings(record) for record in known]
    except DatasetError:  # told of as a label file that cannot be read
        return False
    if not identical:
        return len({tuple(sorted(found.label for found in there)) for there in boxes}) > 1
    for other in boxes[1:]:
        matching = match(boxes[0], other, iou=DEFAULT_IOU)
        if matching.relabelled or matching.only_first or matching.only_second:
            return True
    return False

"""Groups of images that must stay on one side of a split, and what each of them holds."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from lucency.annotations.findings import Status
from lucency.annotations.records import DATASET_CSV, Dataset, ImageRecord
from lucency.configs.errors import ConfigError
from lucency.datasets.participants import image_labels
from lucency.datasets.stratify import IMAGES

# Stratified without being asked for, where the set has them.
USUAL_COLUMNS = ("body_part", "site")
MOST_VALUES = 50

# The stratum of which every group has one, so that each split has its share of patients too, and
# not a few with many images.
GROUPS = "groups"

_ID_DIGITS = 16


@dataclass(frozen=True)
class Group:
    """Images of one patient, one picture or one exposure, directly or through each other.

    ``group_id`` is a digest of what the files hold and names nobody; ``order`` decides between
    equals; ``strata`` counts the images by what is balanced: ``class fracture``, ``negative``,
    ``label tb``, ``site=delhi``, and all of them.
    """

    group_id: str
    order: str
    records: tuple[ImageRecord, ...]
    strata: Mapping[str, int]


def group_images(
    dataset: Dataset,
    records: Sequence[ImageRecord],
    *,
    alike: Iterable[Sequence[ImageRecord]] = (),
    columns: Sequence[str] = (),
    seed: int,
) -> list[Group]:
    """Join ``records`` by patient, SHA-256 and the groups ``alike``; ordered by the seed.

    Neither the order of the records nor their file names have a say, as long as the table has
    their digests.
    """
    labels = image_labels(records)
    partly = [name for name in labels if any(r.label(name) is None for r in records)]
    groups = []
    for members in _together(records, alike):
        strata = Counter(
            stratum
            for record in members
            for stratum in _strata(dataset, record, labels=labels, partly=partly, columns=columns)
        )
        strata[GROUPS] = 1
        identity = min(r.patient_id or r.sha256 or r.image.name for r in members)
        order = hashlib.sha256(f"{seed}\0{identity}".encode()).hexdigest()
        contents = "\n".join(sorted(r.sha256 or r.image.name for r in members))
        group_id = hashlib.sha256(contents.encode()).hexdigest()[:_ID_DIGITS]
        groups.append(Group(group_id, order, members, strata))
    return sorted(groups, key=lambda group: (group.order, group.group_id))


def stratified_columns(records: Sequence[ImageRecord], wanted: Sequence[str]) -> tuple[str, ...]:
    """The columns to stratify over: ``wanted``, and of `USUAL_COLUMNS` those that can be.

    Raises
    ------
    ConfigError
        There is no such column, or it has more than `MOST_VALUES` values.

    """
    known = sorted({name for record in records for name in record.extra})
    for name in wanted:
        if name not in known:
            found = ", ".join(known) or "none"
            raise ConfigError(
                f"--stratify: {DATASET_CSV} has no column '{name}'; its further columns: {found}"
            )
        count = len(_values(records, name))
        if count > MOST_VALUES:
            raise ConfigError(
                f"--stratify: column '{name}' has {count} values, {MOST_VALUES} at most can be "
                "balanced; name a column of categories"
            )
    usual = [
        name
        for name in USUAL_COLUMNS
        if name in known and 1 < len(_values(records, name)) <= MOST_VALUES
    ]
    return tuple(dict.fromkeys([*usual, *wanted]))


def _values(records: Sequence[ImageRecord], name: str) -> set[str]:
    return {record.extra.get(name, "").strip() for record in records} - {""}


def _together(
    records: Sequence[ImageRecord], alike: Iterable[Sequence[ImageRecord]]
) -> list[tuple[ImageRecord, ...]]:
    parent = list(range(len(records)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    look: dict[PurePosixPath, list[int]] = defaultdict(list)
    for number, alike_records in enumerate(alike):
        for record in alike_records:
            look[record.image].append(number)
    first: dict[Hashable, int] = {}
    for index, record in enumerate(records):
        for key in _ties(record, look):
            parent[root(index)] = root(first.setdefault(key, index))
    groups: dict[int, list[ImageRecord]] = defaultdict(list)
    for index, record in enumerate(records):
        groups[root(index)].append(record)
    return [tuple(members) for members in groups.values()]


def _ties(record: ImageRecord, look: Mapping[PurePosixPath, list[int]]) -> Iterator[Hashable]:
    if record.patient_id:
        yield "patient", record.patient_id
    if record.sha256:
        yield "sha256", record.sha256
    for number in look.get(record.image, ()):
        yield "alike", number


def _strata(
    dataset: Dataset,
    record: ImageRecord,
    *,
    labels: Sequence[str],
    partly: Sequence[str],
    columns: Sequence[str],
) -> set[str]:
    strata = {IMAGES} | {f"class {finding.label}" for finding in dataset.findings(record)}
    if record.status is Status.NEGATIVE:
        strata.add("negative")
    strata |= {f"label {name}" for name in labels if record.label(name)}
    # Where a label is known of some images only, those without it are to be balanced as well.
    strata |= {f"label {name} absent" for name in partly if record.label(name) is False}
    values = {name: record.extra.get(name, "").strip() for name in columns}
    return strata | {f"{name}={value}" for name, value in values.items() if value}

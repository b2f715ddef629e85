"""Splitting a set into train, val and test by patient, with like shares of every class.

There is no random generator: the order in which groups are placed comes from a hash of the seed
and of what identifies them, so neither file order nor file names decide.
"""

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from lucency.annotations.findings import Status
from lucency.annotations.records import SPLITS, UNSPLIT, Dataset, ImageRecord
from lucency.configs.errors import ConfigError, DatasetError, LeakageError
from lucency.datasets.patients import file_name, read_rows
from lucency.datasets.stratify import IMAGES, stratify

RATIOS = (0.70, 0.15, 0.15)
_HEADINGS = frozenset(
    {"image", "images", "imageid", "imagename", "imagepath", "imageindex", "id", "name", "path"}
    | {"file", "filename", "filepath", "filestem"}
)


@dataclass(frozen=True)
class _Group:
    """Images that must stay together: of one patient, or identical to one of theirs.

    ``strata`` counts its images by what is balanced: ``class fracture``, ``negative``,
    ``label tb``, and all of them. ``split`` is set where the caller fixed it.
    """

    order: str
    records: tuple[ImageRecord, ...]
    strata: Mapping[str, int]
    split: str


def split_dataset(
    dataset: Dataset,
    *,
    ratios: tuple[float, float, float] = RATIOS,
    seed: int = 0,
    assigned: Mapping[str, str] | None = None,
) -> Dataset:
    """Give every image a split; nothing on disk changes (see `placement.apply_split`).

    Images of one patient, and images with the same SHA-256, stay together. ``assigned`` (image
    file name → split) is honoured, and all images of such a patient follow; the others are
    distributed by ``ratios`` (train, val, test). Images of unknown status stay outside, since
    a trainer would take them for negatives.

    Raises
    ------
    ConfigError
        The ratios are not three numbers of at least 0 with a sum above 0.
    DatasetError
        A name in ``assigned`` fits several images, or none of the names fits any.
    LeakageError
        ``assigned`` puts one patient, or identical images, into two splits.

    """
    shares = _shares(ratios)
    fixed = _fixed_splits(dataset, assigned or {})
    known = [record for record in dataset.records if record.status is not Status.UNKNOWN]
    groups = _groups(dataset, known, fixed, seed=seed)
    splits = {id(group): group.split for group in groups if group.split}
    free = [group for group in groups if not group.split]
    placed = stratify([group.strata for group in free], shares)
    splits |= {id(group): split for group, split in zip(free, placed, strict=True)}
    _fill_empty_splits(groups, splits, shares)
    of_image = {record.image: splits[id(group)] for group in groups for record in group.records}
    records = tuple(
        replace(record, split=of_image.get(record.image, UNSPLIT)) for record in dataset.records
    )
    return replace(dataset, records=records)


def read_assignments(lists: Iterable[tuple[str, Path]]) -> dict[str, str]:
    """Read lists of images, as data sets publish their official splits.

    ``lists`` are pairs of split and file; the first column of each file, CSV or plain text,
    names images, below a heading such as ``image_id`` or without one.

    Raises
    ------
    ConfigError
        A split is not train, val or test.
    DatasetError
        A file cannot be read.
    LeakageError
        One image stands in the lists of two splits.

    """
    assigned: dict[str, str] = {}
    for split, path in lists:
        if split not in SPLITS:
            raise ConfigError(f"{split}={path}: must be one of {', '.join(SPLITS)}, got '{split}'")
        for number, row in enumerate(read_rows(path)):
            name = file_name(row[0])
            if number == 0 and re.sub(r"[\W_]", "", name).lower() in _HEADINGS:
                continue
            if assigned.setdefault(name, split) != split:
                raise LeakageError(
                    f"{path}: {name} stands in the list of {assigned[name]} as well as of {split}"
                )
    return assigned


def unmatched(dataset: Dataset, assigned: Mapping[str, str]) -> tuple[str, ...]:
    """The names in ``assigned`` that fit no image of the set, in their order."""
    names = {record.image.name for record in dataset.records}
    names |= {record.image.stem for record in dataset.records}
    return tuple(name for name in assigned if name not in names)


def _shares(ratios: Sequence[float]) -> dict[str, float]:
    numbers = [float(ratio) for ratio in ratios]
    usable = all(math.isfinite(number) and number >= 0 for number in numbers)
    if len(numbers) != len(SPLITS) or not usable or sum(numbers) <= 0:
        raise ConfigError(
            f"ratios: must be three numbers of at least 0 for {', '.join(SPLITS)}, such as "
            f"70/15/15, got {'/'.join(f'{number:g}' for number in numbers)}"
        )
    total = sum(numbers)
    return {split: n / total for split, n in zip(SPLITS, numbers, strict=True) if n > 0}


def _fixed_splits(dataset: Dataset, assigned: Mapping[str, str]) -> dict[PurePosixPath, str]:
    """The images that ``assigned`` names, by file name or, failing that, without its suffix."""
    by_name: dict[str, list[PurePosixPath]] = defaultdict(list)
    by_stem: dict[str, list[PurePosixPath]] = defaultdict(list)
    for record in dataset.records:
        by_name[record.image.name].append(record.image)
        by_stem[record.image.stem].append(record.image)
    fixed: dict[PurePosixPath, str] = {}
    for name, split in assigned.items():
        if split not in SPLITS:
            raise ConfigError(f"{name}: split must be one of {', '.join(SPLITS)}, got '{split}'")
        found = by_name.get(name) or by_stem.get(name, [])
        if len(found) > 1:
            raise DatasetError(
                f"{dataset.root}: '{name}' fits {found[0]} and {found[1]}; rename one of them"
            )
        fixed.update(dict.fromkeys(found, split))
    if assigned and not fixed:
        raise DatasetError(
            f"{dataset.root}: none of the {len(assigned)} assigned names is an image of this set, "
            f"the first is '{next(iter(assigned))}'"
        )
    return fixed


def _groups(
    dataset: Dataset,
    records: Sequence[ImageRecord],
    fixed: Mapping[PurePosixPath, str],
    *,
    seed: int,
) -> list[_Group]:
    labels = _image_level_labels(records)
    groups = []
    for members in _together(records):
        strata = Counter(
            stratum for record in members for stratum in _strata(dataset, record, labels)
        )
        identity = min(r.patient_id or r.sha256 or r.image.name for r in members)
        order = hashlib.sha256(f"{seed}\0{identity}".encode()).hexdigest()
        groups.append(_Group(order, members, strata, _agreed_split(dataset, members, fixed)))
    return sorted(groups, key=lambda group: group.order)


def _together(records: Sequence[ImageRecord]) -> list[tuple[ImageRecord, ...]]:
    """Records joined by the same patient or the same SHA-256, directly or through others."""
    parent = list(range(len(records)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[tuple[str, str], int] = {}
    for index, record in enumerate(records):
        for key in (("patient", record.patient_id), ("sha256", record.sha256)):
            if key[1]:
                parent[root(index)] = root(first.setdefault(key, index))
    groups: dict[int, list[ImageRecord]] = defaultdict(list)
    for index, record in enumerate(records):
        groups[root(index)].append(record)
    return [tuple(members) for members in groups.values()]


def _agreed_split(
    dataset: Dataset, members: Sequence[ImageRecord], fixed: Mapping[PurePosixPath, str]
) -> str:
    """The split that the caller fixed for these images, or an empty text."""
    placed = [record for record in members if record.image in fixed]
    splits = {fixed[record.image] for record in placed}
    if len(splits) <= 1:
        return splits.pop() if splits else ""
    one = placed[0]
    other = next(record for record in placed if fixed[record.image] != fixed[one.image])
    why = f"patient '{one.patient_id}'" if one.patient_id else "the same image"
    raise LeakageError(
        f"{dataset.root}: {why} is assigned to {fixed[one.image]} ({one.image.name}) and to "
        f"{fixed[other.image]} ({other.image.name}); assign both to one split"
    )


def _image_level_labels(records: Sequence[ImageRecord]) -> list[str]:
    """The further columns that hold image-level labels: only 0, 1 or nothing, and some of each."""
    names = sorted({name for record in records for name in record.extra})
    found = {name: {record.extra.get(name, "").strip() for record in records} for name in names}
    return [name for name in names if found[name] - {""} == {"0", "1"}]


def _strata(dataset: Dataset, record: ImageRecord, labels: Sequence[str]) -> set[str]:
    strata = {f"class {finding.label}" for finding in dataset.findings(record)} or {"negative"}
    return strata | {IMAGES} | {f"label {name}" for name in labels if record.label(name)}


def _fill_empty_splits(
    groups: Sequence[_Group], splits: dict[int, str], shares: Mapping[str, float]
) -> None:
    """Give each split with a share one group at least, as long as another can spare one."""
    for split in shares:
        held = Counter(splits.values())
        if held[split]:
            continue
        spare = [g for g in groups if not g.split and held[splits[id(g)]] > 1]
        if spare:
            most = max(held[splits[id(group)]] for group in spare)
            donors = [group for group in spare if held[splits[id(group)]] == most]
            splits[id(min(donors, key=lambda g: (len(g.records), g.order)))] = split

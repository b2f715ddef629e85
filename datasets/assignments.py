"""Official splits: lists of images as data sets publish them, and the column ``official_split``.

Published lists divide images, and now and then a patient or a picture stands on both sides. Then
all its images go to the side that is evaluated, test before val before train: figures stay
comparable with those published for the test set, and training only loses what it may not see.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lucency.annotations.records import DATASET_CSV, SPLITS, Dataset, ImageRecord
from lucency.configs.errors import ConfigError, DatasetError, LeakageError
from lucency.datasets.patients import file_name, read_rows

OFFICIAL_SPLIT = "official_split"
_HEADINGS = frozenset(
    {"image", "images", "imageid", "imagename", "imagepath", "imageindex", "id", "name", "path"}
    | {"file", "filename", "filepath", "filestem"}
)


@dataclass(frozen=True)
class Overruled:
    """An image whose official split, ``listed``, gave way to that of its patient or picture."""

    image: PurePosixPath
    listed: str
    split: str


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
            if name and assigned.setdefault(name, split) != split:
                raise LeakageError(
                    f"{path}: {name} stands in the list of {assigned[name]} as well as of {split}"
                )
    return assigned


def unmatched(dataset: Dataset, assigned: Mapping[str, str]) -> tuple[str, ...]:
    """The names in ``assigned`` that fit no image of the set, in their order."""
    names = {record.image.name for record in dataset.records}
    names |= {record.image.stem for record in dataset.records}
    return tuple(name for name in assigned if name not in names)


def listed_splits(
    dataset: Dataset, assigned: Mapping[str, str], *, honour_official: bool
) -> dict[PurePosixPath, str]:
    """The split of every image that is listed: by ``assigned``, or else by the official column.

    Raises
    ------
    ConfigError
        A split is not train, val or test.
    DatasetError
        A name in ``assigned`` fits several images, or none of the names fits any; or the column
        holds another word.

    """
    official = _official(dataset) if honour_official else {}
    return official | _assigned(dataset, assigned)


def evaluated_side(splits: Iterable[str]) -> str:
    """The split of images that are listed in ``splits``: test, else val, else train, else none."""
    found = set(splits)
    return next((split for split in reversed(SPLITS) if split in found), "")


def overruled(
    records: Sequence[ImageRecord], listed: Mapping[PurePosixPath, str], split: str
) -> list[Overruled]:
    """Those of one group's images that are listed in another split than ``split``."""
    return [
        Overruled(record.image, listed[record.image], split)
        for record in records
        if listed.get(record.image, split) != split
    ]


def _official(dataset: Dataset) -> dict[PurePosixPath, str]:
    found = {}
    for record in dataset.records:
        split = record.extra.get(OFFICIAL_SPLIT, "").strip()
        if split and split not in SPLITS:
            raise DatasetError(
                f"{dataset.root / DATASET_CSV}: {record.image}: {OFFICIAL_SPLIT} must be one of "
                f"{', '.join(SPLITS)} or empty, got '{split}'; correct it, or pass the column "
                "over with --ignore-official"
            )
        if split:
            found[record.image] = split
    return found


def _assigned(dataset: Dataset, assigned: Mapping[str, str]) -> dict[PurePosixPath, str]:
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

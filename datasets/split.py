"""Splitting a set into train, val and test by patient, with like shares of every class.

There is no random generator: the order in which groups are placed comes from a hash of the seed
and of what identifies them, so neither file order nor file names decide.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from lucency.annotations.records import SPLITS, UNSPLIT, Dataset, ImageRecord
from lucency.configs.errors import ConfigError, DatasetError, LeakageError
from lucency.datasets.assignments import (
    Overruled,
    evaluated_side,
    listed_splits,
    overruled,
)
from lucency.datasets.grouping import Group, group_images, stratified_columns
from lucency.datasets.participants import FOLD, participants
from lucency.datasets.stratify import stratify

RATIOS = (0.70, 0.15, 0.15)


@dataclass(frozen=True)
class SplitPlan:
    """A set with its new splits, files still in their old places, and how it came to them.

    ``groups`` maps every image that takes part to its group's id.
    """

    dataset: Dataset
    groups: Mapping[PurePosixPath, str]
    seed: int | None = None
    ratios: tuple[float, ...] | None = None
    folds: int | None = None
    stratified: tuple[str, ...] = ()
    overruled: tuple[Overruled, ...] = ()


@dataclass
class _Placing:
    """Where groups go; filled step by step. ``fold`` is set where there are folds."""

    split: dict[str, str] = field(default_factory=dict)
    fold: dict[str, str] = field(default_factory=dict)
    overruled: list[Overruled] = field(default_factory=list)


def split_dataset(
    dataset: Dataset,
    *,
    ratios: Sequence[float] = RATIOS,
    folds: int | None = None,
    fold: int = 0,
    seed: int = 0,
    assigned: Mapping[str, str] | None = None,
    honour_official: bool = True,
    columns: Sequence[str] = (),
    alike: Iterable[Sequence[ImageRecord]] = (),
) -> SplitPlan:
    """Give every image that takes part a split; `placement.apply_split` carries it out.

    Images of one patient, with the same SHA-256, or in one group of ``alike`` (see
    `near_duplicates`) stay together. Images listed in ``assigned`` (file name → split) or in the
    column ``official_split`` keep their split, the rest of their group follows, and the others
    are distributed by ``ratios`` (train, val, test). A train part whose lists name no val part is
    itself divided by the ratios of train and val. With ``folds``, all but what is listed for test
    is divided into so many parts, of which number ``fold`` becomes val. Balanced are classes,
    negatives, image-level labels, and ``columns``.

    Raises
    ------
    ConfigError
        The ratios are not three numbers of at least 0 with a sum above 0; there is no such fold
        or column; images are assigned to val although a fold is to be val.
    DatasetError
        A name in ``assigned`` fits several images, none of the names fits any, or the official
        column holds another word; there are fewer groups than folds.

    """
    shares = _shares(ratios)
    if folds is not None:
        _check_folds(folds, fold, assigned or {})
    used = participants(dataset)
    stratified = stratified_columns(used, columns)
    groups = group_images(dataset, used, alike=alike, columns=stratified, seed=seed)
    listed = listed_splits(dataset, assigned or {}, honour_official=honour_official)
    if folds is None:
        placing = _by_ratios(groups, listed, shares)
    else:
        placing = _by_folds(groups, listed, folds=folds, fold=fold, where=str(dataset.root))
    return SplitPlan(
        dataset=_with_splits(dataset, groups, placing),
        groups={record.image: g.group_id for g in groups for record in g.records},
        seed=seed,
        ratios=None if folds else tuple(shares.get(split, 0.0) for split in SPLITS),
        folds=folds,
        stratified=stratified,
        overruled=tuple(sorted(placing.overruled, key=lambda o: str(o.image))),
    )


def keep_splits(dataset: Dataset, *, alike: Iterable[Sequence[ImageRecord]] = ()) -> SplitPlan:
    """Take the splits that a set already has, so that `placement.apply_split` locks them.

    Images that take no part are then in none.

    Raises
    ------
    DatasetError
        An image that takes part is in no split.
    LeakageError
        One patient, picture or exposure stands in two splits.

    """
    used = participants(dataset)
    unsplit = next((record for record in used if record.split not in SPLITS), None)
    if unsplit is not None:
        raise DatasetError(
            f"{dataset.root}: {unsplit.image} is in no split, so the splits cannot be kept as they "
            "are; leave out --as-is"
        )
    groups = group_images(dataset, used, alike=alike, seed=0)
    for group in groups:
        _refuse_torn(dataset, group.records)
    taking_part = {record.image for record in used}
    records = (r if r.image in taking_part else replace(r, split=UNSPLIT) for r in dataset.records)
    return SplitPlan(
        dataset=replace(dataset, records=tuple(records)),
        groups={record.image: g.group_id for g in groups for record in g.records},
    )


def _shares(ratios: Sequence[float]) -> dict[str, float]:
    numbers = [float(ratio) for ratio in ratios]
    usable = all(number >= 0 for number in numbers) and math.isfinite(sum(numbers))
    if len(numbers) != len(SPLITS) or not usable or sum(numbers) <= 0:
        raise ConfigError(
            f"ratios: must be three numbers of at least 0 for {', '.join(SPLITS)}, such as "
            f"70/15/15, got {'/'.join(f'{number:g}' for number in numbers)}"
        )
    total = sum(numbers)
    return {split: n / total for split, n in zip(SPLITS, numbers, strict=True) if n > 0}


def _check_folds(folds: int, fold: int, assigned: Mapping[str, str]) -> None:
    if folds < 2:
        raise ConfigError(f"folds: must be at least 2, got {folds}")
    if not 0 <= fold < folds:
        raise ConfigError(f"fold: must be from 0 to {folds - 1}, got {fold}")
    if "val" in assigned.values():
        raise ConfigError(
            "folds: images are assigned to val, but val is a fold; assign images to test alone, "
            "or split by ratios"
        )


def _by_ratios(
    groups: Sequence[Group], listed: Mapping[PurePosixPath, str], shares: Mapping[str, float]
) -> _Placing:
    placing = _Placing()
    sides = [evaluated_side(listed.get(r.image, "") for r in group.records) for group in groups]
    inner = {split: shares[split] for split in ("train", "val") if split in shares}
    divided = "train" if _lacks_val(set(sides)) and len(inner) == 2 else None
    free = [group for group, side in zip(groups, sides, strict=True) if not side]
    pool = [group for group, side in zip(groups, sides, strict=True) if side == divided]
    for group, side in zip(groups, sides, strict=True):
        if side and side != divided:
            placing.split[group.group_id] = side
            placing.overruled += overruled(group.records, listed, side)
    total = sum(inner.values())
    within = {split: share / total for split, share in inner.items()}
    placing.split |= _distributed(pool, within)
    placing.split |= _distributed(free, shares)
    _fill_empty_splits(pool, placing.split, within)
    _fill_empty_splits(free, placing.split, shares)
    return placing


def _lacks_val(sides: set[str]) -> bool:
    """Whether lists of train and test, or of train for the whole set, leave val to be chosen."""
    return "train" in sides and "val" not in sides and ("test" in sides or "" not in sides)


def _by_folds(
    groups: Sequence[Group],
    listed: Mapping[PurePosixPath, str],
    *,
    folds: int,
    fold: int,
    where: str,
) -> _Placing:
    placing = _Placing()
    rest = []
    for group in groups:
        if evaluated_side(listed.get(r.image, "") for r in group.records) == "test":
            placing.split[group.group_id] = "test"
            placing.overruled += overruled(group.records, listed, "test")
        else:
            rest.append(group)
    if len(rest) < folds:
        raise DatasetError(
            f"{where}: {len(rest)} groups of images (patients, mostly) cannot fill {folds} folds; "
            "ask for fewer"
        )
    shares = {str(number): 1 / folds for number in range(folds)}
    placing.fold = _distributed(rest, shares)
    _fill_empty_splits(rest, placing.fold, shares)
    for group_id, its in placing.fold.items():
        placing.split[group_id] = "val" if its == str(fold) else "train"
    return placing


def _distributed(groups: Sequence[Group], shares: Mapping[str, float]) -> dict[str, str]:
    placed = stratify([group.strata for group in groups], shares)
    return {group.group_id: split for group, split in zip(groups, placed, strict=True)}


def _fill_empty_splits(
    free: Sequence[Group], splits: dict[str, str], shares: Mapping[str, float]
) -> None:
    """Give each split with a share one group at least, as long as another can spare one."""
    for split in shares:
        held = Counter(splits.values())
        if held[split]:
            continue
        spare = [group for group in free if held[splits[group.group_id]] > 1]
        if spare:
            most = max(held[splits[group.group_id]] for group in spare)
            donors = [group for group in spare if held[splits[group.group_id]] == most]
            splits[min(donors, key=lambda g: (len(g.records), g.order)).group_id] = split


def _refuse_torn(dataset: Dataset, members: Sequence[ImageRecord]) -> None:
    one = members[0]
    other = next((record for record in members if record.split != one.split), None)
    if other is None:
        return
    same = one.patient_id and one.patient_id == other.patient_id
    why = f"of patient '{one.patient_id}'" if same else "of one patient, picture or exposure"
    raise LeakageError(
        f"{dataset.root}: {one.image} in {one.split} and {other.image} in {other.split} are {why}; "
        "move one of them, or leave out --as-is to divide the set anew"
    )


def _with_splits(dataset: Dataset, groups: Sequence[Group], placing: _Placing) -> Dataset:
    """The set with a new column ``split``, and ``fold`` where there are folds."""
    of_image = {record.image: group.group_id for group in groups for record in group.records}
    records = []
    for record in dataset.records:
        group_id = of_image.get(record.image, "")
        extra = {name: value for name, value in record.extra.items() if name != FOLD}
        if placing.fold:
            extra[FOLD] = placing.fold.get(group_id, "")
        split = placing.split.get(group_id, UNSPLIT)
        records.append(replace(record, split=split, extra=extra))
    return replace(dataset, records=tuple(records))

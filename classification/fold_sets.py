"""The folds of a cross-validation: who is held out, who is learnt from, and each as a set on disk.

Groups of images (of one patient, one picture or one exposure, see `lucency.datasets.grouping`)
never stand on both sides of a fold.
"""

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path

from lucency.annotations.records import SPLITS, Dataset, ImageRecord
from lucency.configs import atomic
from lucency.configs.errors import ConfigError, DatasetError
from lucency.datasets.cache import CACHE
from lucency.datasets.grouping import MOST_VALUES, USUAL_COLUMNS, Group, group_images
from lucency.datasets.importing import SOURCE_JSON
from lucency.datasets.near_duplicates import NearDuplicates
from lucency.datasets.participants import FOLD, participants
from lucency.datasets.patients import NOTHING, SOURCES
from lucency.datasets.placement import apply_split
from lucency.datasets.sampling import column_values
from lucency.datasets.split import SplitPlan, split_dataset
from lucency.datasets.split_lock import Origin

# Of what is not held out, so much chooses the best epoch and the thresholds.
VAL_SHARE = 0.2
_SHARES = (1 - VAL_SHARE, VAL_SHARE, 0.0)


@dataclass(frozen=True)
class Fold:
    """One part that is held out: its ``value`` of the column, or its number from 1.

    ``name`` is fit for a folder. ``plan`` has the records of the given set, files in their old
    places, with the splits of this fold: ``test`` is what is held out.
    """

    name: str
    value: str
    plan: SplitPlan


@dataclass(frozen=True)
class Division:
    """All folds; ``notes`` say which images stand in none, and why.

    ``column`` is the one whose values are left out, or by which folds are told apart; empty where
    there is none.
    """

    column: str
    folds: tuple[Fold, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Material:
    """What folds are made of: a set, its groups, and why they belong together."""

    dataset: Dataset
    groups: Sequence[Group]
    alike: NearDuplicates
    seed: int


def leave_out(
    dataset: Dataset,
    column: str,
    *,
    labels: Sequence[str],
    alike: NearDuplicates,
    seed: int,
) -> Division:
    """Hold out each value of ``column`` in turn; the rest is divided into train and val.

    An image that belongs together with one of the held-out value, by patient or exposure, is left
    aside in that fold.

    Raises
    ------
    ConfigError
        The column has fewer than two values, or too many.
    DatasetError
        There is no such column, or a part of a fold lacks a value of a label.

    """
    labelled, notes = _labelled(dataset, labels)
    values = dict(
        zip(
            (record.image for record in labelled),
            column_values(dataset, labelled, column=column),
            strict=True,
        )
    )
    used = [record for record in labelled if values[record.image]]
    if len(used) < len(labelled):
        notes.append(
            f"left out, since they may be of any {column}: {len(labelled) - len(used)} without one"
        )
    found = sorted({values[record.image] for record in used})
    if not 2 <= len(found) <= MOST_VALUES:
        raise ConfigError(
            f"--leave-out: column '{column}' has {len(found)} values, it must have 2 to "
            f"{MOST_VALUES}; name a column of categories, such as site"
        )
    groups = group_images(dataset, used, alike=alike.groups, seed=seed)
    material = _Material(dataset, groups, alike, seed)
    folds = []
    for name, value in zip(_folder_names(found), found, strict=True):
        mixed = [g for g in groups if any(values[r.image] == value for r in g.records)]
        held = [r for g in mixed for r in g.records if values[r.image] == value]
        aside = sum(len(group.records) for group in mixed) - len(held)
        if aside:
            notes.append(
                f"left aside where {value} is held out, since they belong together with some of "
                f"it: {aside} of another {column}"
            )
        folds.append(_fold(material, name, value, held=held, column=column))
    division = Division(column, tuple(folds), tuple(notes))
    _require_both_values(division, labels, where=str(dataset.root))
    return division


def in_folds(
    dataset: Dataset, number: int, *, labels: Sequence[str], alike: NearDuplicates, seed: int
) -> Division:
    """Hold out each of ``number`` parts in turn, divided by patient with like shares of everything.

    Balanced are the labels and, where the set has them, site and body part.

    Raises
    ------
    ConfigError
        ``number`` is below 2.
    DatasetError
        There are fewer groups than folds, or a part of a fold lacks a value of a label.

    """
    labelled, notes = _labelled(dataset, labels)
    used = replace(dataset, records=labelled)
    divided = split_dataset(
        used, folds=number, seed=seed, honour_official=False, alike=alike.groups
    )
    fold_of = {record.image: record.extra[FOLD] for record in divided.dataset.records}
    groups = group_images(dataset, labelled, alike=alike.groups, seed=seed)
    material = _Material(dataset, groups, alike, seed)
    folds = []
    for index in range(number):
        held = [record for record in labelled if fold_of[record.image] == str(index)]
        name = str(index + 1)
        folds.append(_fold(material, name, name, held=held))
    column = USUAL_COLUMNS[1] if USUAL_COLUMNS[1] in divided.stratified else ""
    division = Division(column, tuple(folds), tuple(notes))
    _require_both_values(division, labels, where=str(dataset.root))
    return division


def write_fold_set(fold: Fold, root: Path, *, alike: NearDuplicates) -> None:
    """Write the set of one fold: hard links to the images, tables and lock of its own.

    Its cache is that of the given set, so that all folds decode an image once.

    Raises
    ------
    ConfigError
        ``root`` exists already or cannot be written.
    DatasetError
        An image is missing.

    """
    given = fold.plan.dataset
    cache = _shared_cache(given.root, root.parent.parent)
    with atomic.new_folder(root) as folder:
        for record in given.records:
            _link(given.image_path(record), folder / record.image)
            label = given.label_path(record)
            if label.is_file():
                _link(label, folder / label.relative_to(given.root))
        known = sum(bool(record.patient_id) for record in given.records)
        sources = dict.fromkeys(SOURCES, 0)
        sources |= {"dataset.csv": known, NOTHING: len(given.records) - known}
        origin = Origin(sources, len(alike.groups), len(alike.unreadable))
        apply_split(replace(fold.plan, dataset=replace(given, root=folder)), origin=origin)
        if (given.root / SOURCE_JSON).is_file():
            shutil.copyfile(given.root / SOURCE_JSON, folder / SOURCE_JSON)
        (folder / CACHE).symlink_to(cache, target_is_directory=True)


def _labelled(dataset: Dataset, labels: Sequence[str]) -> tuple[tuple[ImageRecord, ...], list[str]]:
    """The images of which a label is known, and a note of the others."""
    for label in labels:
        column_values(dataset, (), column=label)
    used = tuple(
        record
        for record in participants(dataset)
        if any(record.label(label) is not None for label in labels)
    )
    left = len(dataset.records) - len(used)
    names = " or ".join(labels)
    return used, [f"left out, since no {names} is known of them: {left}"] if left else []


def _fold(
    material: _Material, name: str, value: str, *, held: Sequence[ImageRecord], column: str = ""
) -> Fold:
    """The fold that holds out ``held``; whoever belongs together with them does not take part."""
    dataset, groups = material.dataset, material.groups
    out = {record.image for record in held}
    rest = [g for g in groups if not any(record.image in out for record in g.records)]
    kept = {record.image for group in rest for record in group.records}
    if not kept:
        raise DatasetError(
            f"{dataset.root}: nothing would be left to learn from without {name}: all images "
            "belong together with it"
        )
    records = tuple(record for record in dataset.records if record.image in kept)
    inner = split_dataset(
        replace(dataset, records=records),
        ratios=_SHARES,
        seed=material.seed,
        honour_official=False,
        columns=(column,) if column else (),
        alike=material.alike.groups,
    )
    split = {record.image: record.split for record in inner.dataset.records}
    split |= dict.fromkeys(out, "test")
    chosen = tuple(
        replace(
            record,
            split=split[record.image],
            extra={key: its for key, its in record.extra.items() if key != FOLD},
        )
        for record in dataset.records
        if record.image in split
    )
    group_of = {record.image: g.group_id for g in groups for record in g.records}
    plan = SplitPlan(
        dataset=replace(dataset, records=chosen),
        groups={record.image: group_of[record.image] for record in chosen},
        seed=material.seed,
        stratified=inner.stratified,
    )
    return Fold(name, value, plan)


def _require_both_values(division: Division, labels: Sequence[str], *, where: str) -> None:
    """Refuse now what training would refuse after hours."""
    for fold in division.folds:
        for split in SPLITS[:2]:
            records = fold.plan.dataset.in_split(split)
            for label in labels:
                values = {record.label(label) for record in records} - {None}
                if len(values) < 2:
                    raise DatasetError(
                        f"{where}: without '{fold.value}', {split} has {len(records)} images, but "
                        f"none with {label}, or none without; it needs both: ask for fewer folds, "
                        "or add images"
                    )


def _folder_names(values: Sequence[str]) -> list[str]:
    """A name for each value that any file system takes, all different."""
    names: list[str] = []
    for value in values:
        plain = re.sub(r"[^\w-]+", "-", value).strip("-") or "value"
        taken = {name.casefold() for name in names}
        longer = (f"{plain}-{number}" for number in count(2))
        names.append(next(n for n in chain((plain,), longer) if n.casefold() not in taken))
    return names


def _shared_cache(root: Path, out: Path) -> Path:
    """The cache of the given set or, where nothing can be written there, one beside the folds."""
    cache = root.resolve() / CACHE
    with suppress(OSError):
        cache.mkdir(exist_ok=True)
    if not os.access(cache, os.W_OK):
        cache = out.resolve() / CACHE
        cache.mkdir(parents=True, exist_ok=True)
    return cache


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except FileNotFoundError:
        raise DatasetError(f"{source}: stands in the table but not on disk") from None
    except OSError:  # another disk, or a file system without hard links
        shutil.copyfile(source, target)

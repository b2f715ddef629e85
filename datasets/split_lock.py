"""``split.lock.json``: which image stands where in a split set, and the check that this holds.

Test figures are worth what the split is worth. The lock has every image that takes part, with the
SHA-256 of its file, its split and the group it may not be parted from, so an image that was added,
removed, moved or altered afterwards is found before anything is trained.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lucency.annotations.records import DATASET_CSV, Dataset, ImageRecord
from lucency.configs.errors import DatasetError, LeakageError
from lucency.datasets.parallel import in_order
from lucency.datasets.participants import FOLD, participants
from lucency.datasets.split import SplitPlan

LOCK = "split.lock.json"
SCHEMA = 1

_NAMED = 3
_KEYS = frozenset({"image", "sha256", "split", "fold", "group"})


@dataclass(frozen=True)
class Origin:
    """What the splitting knew: told in the lock, so that a reader can judge the split.

    ``patients`` counts images by where their patient's id came from (see `patients.SOURCES`);
    ``near_duplicates`` are the groups that were found, None where nobody looked for them;
    ``unreadable`` counts images that could not be compared.
    """

    patients: Mapping[str, int]
    near_duplicates: int | None = None
    unreadable: int = 0


def lock_text(plan: SplitPlan, placed: Iterable[ImageRecord], origin: Origin | None) -> str:
    """The lock of a set whose records, in the plan's order, now stand as ``placed``."""
    pairs = zip(plan.dataset.records, placed, strict=True)
    now = {old.image: new for old, new in pairs if old.image in plan.groups}
    entries = [_entry(new, plan.groups[old]) for old, new in now.items()]
    content = {
        "schema": SCHEMA,
        "lucency": version("lucency"),
        "seed": plan.seed,
        "ratios": plan.ratios,
        "folds": plan.folds,
        "stratified": plan.stratified,
        "patient_ids": dict(sorted(origin.patients.items())) if origin else None,
        "near_duplicate_groups": origin.near_duplicates if origin else None,
        "not_compared": origin.unreadable if origin else None,
        "overruled": [
            {"image": str(now[o.image].image), "listed": o.listed, "split": o.split}
            for o in plan.overruled
        ],
        "images": sorted(entries, key=lambda entry: str(entry["image"])),
    }
    lines = [f" {json.dumps(k)}: {_value(v)}" for k, v in content.items()]
    lines.append(f' "digest": "{_digest(content)}"')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def check_lock(dataset: Dataset) -> None:
    """Refuse a set that is no longer as it was when it was split; reads every image file.

    Raises
    ------
    DatasetError
        The lock is missing or damaged; an image was added, removed, altered, or moved to another
        split.
    LeakageError
        Images that belong together stand in two splits.

    """
    lock = _read(dataset.root)
    locked = {str(entry["image"]): entry for entry in lock["images"]}
    used = {str(record.image): record for record in participants(dataset)}
    where, again = f"{dataset.root}", _advice(dataset.root)
    added, removed = sorted(used.keys() - locked.keys()), sorted(locked.keys() - used.keys())
    if added or removed:
        says = [f"{_listed(added)} not in {LOCK}"] if added else []
        gone = f"in {LOCK} but no longer among the images with boxes or labels in {DATASET_CSV}"
        says += [f"{_listed(removed)} {gone}"] if removed else []
        raise DatasetError(f"{where}: {' and '.join(says)}; {again}")
    for image, entry in locked.items():
        record = used[image]
        for name, now in (("split", record.split), ("fold", record.extra.get(FOLD, ""))):
            if entry[name] != now:
                raise DatasetError(
                    f"{where}: {image} is in {name} '{now}' in {DATASET_CSV}, but in "
                    f"'{entry[name]}' in {LOCK}; {again}"
                )
        if entry["sha256"] != record.sha256:
            raise DatasetError(f"{where}: {image} has another SHA-256 in {LOCK}; {again}")
    _refuse_torn_groups(dataset.root, lock["images"])
    check_files(dataset, used.values())


def check_files(dataset: Dataset, records: Iterable[ImageRecord]) -> None:
    """Compare image files with the digests of ``dataset.csv``.

    Raises
    ------
    DatasetError
        A file is missing, or its bytes are not those that the table was made from.

    """
    wanted = list(records)
    paths = [dataset.image_path(record) for record in wanted]
    changed = [
        str(record.image)
        for record, found in zip(wanted, in_order(_file_digest, paths), strict=True)
        if found != record.sha256
    ]
    if changed:
        raise DatasetError(
            f"{dataset.root}: {_listed(changed)} no longer the file{'s' * (len(changed) > 1)} that "
            f"{DATASET_CSV} was made from; put back the original, or make the set again"
        )


def _entry(record: ImageRecord, group: str) -> dict[str, str]:
    return {
        "image": str(record.image),
        "sha256": record.sha256,
        "split": record.split,
        "fold": record.extra.get(FOLD, ""),
        "group": group,
    }


def _value(value: object) -> str:
    """JSON with one line for each entry of a list of mappings."""
    if isinstance(value, list) and value:
        return "[\n  " + ",\n  ".join(json.dumps(entry) for entry in value) + "\n ]"
    return json.dumps(value)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read(root: Path) -> dict[str, Any]:
    path = root / LOCK
    try:
        lock = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DatasetError(f"{root}: has no {LOCK}; {_advice(root)}") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise DatasetError(f"{path}: is damaged; {_advice(root)}") from None
    if not isinstance(lock, dict) or lock.pop("digest", None) != _digest(lock):
        raise DatasetError(f"{path}: was damaged or altered by hand; {_advice(root)}")
    if lock.get("schema") != SCHEMA:
        raise DatasetError(
            f"{path}: was written by Lucency {lock.get('lucency')}, in another schema than this "
            f"version's; {_advice(root)}"
        )
    images = lock.get("images")
    if not isinstance(images, list) or not all(_is_entry(entry) for entry in images):
        raise DatasetError(f"{path}: is damaged; {_advice(root)}")
    return lock


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() == _KEYS
        and all(isinstance(value, str) for value in entry.values())
    )


def _refuse_torn_groups(root: Path, entries: Iterable[Mapping[str, str]]) -> None:
    first: dict[str, Mapping[str, str]] = {}
    for entry in entries:
        known = first.setdefault(entry["group"], entry)
        if known["split"] != entry["split"]:
            raise LeakageError(
                f"{root}: {known['image']} in {known['split']} and {entry['image']} in "
                f"{entry['split']} belong together; run `lucency split {root}` again"
            )


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def _listed(images: list[str]) -> str:
    named = images[:_NAMED]
    more = [f"{len(images) - _NAMED} more"] if len(images) > _NAMED else []
    *some, last = [*named, *more]
    text = f"{', '.join(some)} and {last}" if some else last
    return f"{text} {'are' if len(images) > 1 else 'is'}"


def _advice(root: Path) -> str:
    return (
        f"run `lucency split {root}` to divide the set anew, or add --as-is to lock the splits "
        "that it has"
    )

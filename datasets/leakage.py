"""The check that training and evaluation run first: the split is whole, and nothing leaks."""

from collections import defaultdict
from collections.abc import Iterable

from lucency.annotations.records import SPLITS, Dataset, ImageRecord
from lucency.configs.errors import DatasetError, LeakageError
from lucency.datasets.participants import participants
from lucency.datasets.placement import JOURNAL
from lucency.datasets.split_lock import check_lock

_NAMED = 3


def check_leakage(dataset: Dataset) -> None:
    """Refuse a set that is not split, or in which test figures would be too good.

    Images of unknown status without an image-level label are not used and must be in no split.
    Near-duplicates are those that were found when the set was split; its lock keeps them.

    Raises
    ------
    DatasetError
        An image has no split, or one although nothing is known of it; a split of the set was
        interrupted; or the set is no longer what its lock says (see `split_lock.check_lock`).
    LeakageError
        A patient stands in two splits, or identical or nearly identical images do.

    """
    if (dataset.root / JOURNAL).exists():
        raise DatasetError(
            f"{dataset.root}: splitting was interrupted; run `lucency split {dataset.root}` again"
        )
    used = participants(dataset)
    taking_part = {record.image for record in used}
    for record in dataset.records:
        if record.split in SPLITS and record.image not in taking_part:
            raise DatasetError(
                f"{dataset.root}: {record.image} is in {record.split} although neither boxes nor a "
                f"label (0 or 1) are known of it; run `lucency split {dataset.root}` again"
            )
    unsplit = sum(record.split not in SPLITS for record in used)
    if unsplit:
        raise DatasetError(
            f"{dataset.root}: {unsplit} of {len(used)} images are in no split; "
            f"run `lucency split {dataset.root}`"
        )
    patients = _in_two_splits((record.patient_id, record) for record in used)
    if patients:
        _refuse(dataset, [f"patient '{name}' in {where}" for name, where in patients])
    digests = _in_two_splits((record.sha256, record) for record in used)
    if digests:
        names = {record.sha256: record.image.name for record in reversed(used)}
        _refuse(dataset, [f"identical images of {names[key]} in {where}" for key, where in digests])
    check_lock(dataset)


def _in_two_splits(pairs: Iterable[tuple[str, ImageRecord]]) -> list[tuple[str, str]]:
    """Each key that stands in several splits, with the names of these."""
    splits: dict[str, set[str]] = defaultdict(set)
    for key, record in pairs:
        if key:
            splits[key].add(record.split)
    return [
        (key, " and ".join(split for split in SPLITS if split in found))
        for key, found in splits.items()
        if len(found) > 1
    ]


def _refuse(dataset: Dataset, leaks: list[str]) -> None:
    more = f"; and {len(leaks) - _NAMED} more" if len(leaks) > _NAMED else ""
    raise LeakageError(
        f"{dataset.root}: {'; '.join(leaks[:_NAMED])}{more}; "
        f"run `lucency split {dataset.root}` again"
    )

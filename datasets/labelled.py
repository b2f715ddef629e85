"""The images of one split with what is known of some labels: what a classifier learns from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import DATASET_CSV, Dataset, ImageRecord
from lucency.configs.errors import DatasetError


@dataclass(frozen=True)
class LabelledSplit:
    """The images of a split for which at least one label is known.

    ``targets`` (N, L) float32: 1, 0, or NaN where the label is not known.
    """

    name: str
    labels: tuple[str, ...]
    records: tuple[ImageRecord, ...]
    targets: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.records)

    def known(self, label: str) -> NDArray[np.bool_]:
        """(N,) the images for which ``label`` is known."""
        return np.asarray(~np.isnan(self.targets[:, self.labels.index(label)]))

    def truth(self, label: str) -> NDArray[np.bool_]:
        """(K,) the values of ``label`` where it is known."""
        return np.asarray(self.targets[self.known(label), self.labels.index(label)] == 1)

    def counts(self) -> str:
        """One phrase that says how many images carry what: ``tb 12 yes, 30 no``."""
        phrases = []
        for label in self.labels:
            truth = self.truth(label)
            phrases.append(f"{label} {int(truth.sum())} yes, {int((~truth).sum())} no")
        return "; ".join(phrases)


def labelled_split(
    dataset: Dataset, *, split: str, labels: Sequence[str], both_values: bool = True
) -> LabelledSplit:
    """Gather the images of ``split`` with what is known of ``labels``.

    With ``both_values`` each label must be positive in one image and negative in another, since
    neither learning nor an AUC is possible without.

    Raises
    ------
    DatasetError
        A label is not a column of ``dataset.csv``, the split has no labelled image, or a label
        has one value only.

    """
    table = dataset.root / DATASET_CSV
    for label in labels:
        if not any(label in record.extra for record in dataset.records):
            columns = sorted({name for record in dataset.records for name in record.extra})
            raise DatasetError(
                f"{table}: has no column '{label}'; its label columns are: "
                f"{', '.join(columns) or 'none'}"
            )
    pairs = [(r, [r.label(name) for name in labels]) for r in dataset.in_split(split)]
    pairs = [(record, values) for record, values in pairs if any(v is not None for v in values)]
    if not pairs:
        raise DatasetError(
            f"{table}: split '{split}' has no image with a known {' or '.join(labels)}; "
            "split the set with `lucency split`"
        )
    rows = [[np.nan if v is None else float(v) for v in values] for _, values in pairs]
    targets = np.array(rows, dtype=np.float32).reshape(-1, len(labels))
    found = LabelledSplit(split, tuple(labels), tuple(record for record, _ in pairs), targets)
    if both_values:
        _require_both_values(found, where=str(table))
    return found


def require_one_label(split: LabelledSplit, *, where: str) -> None:
    """Check that labels exclude each other: one is 1 and the others 0, or some are not known.

    Raises
    ------
    DatasetError
        An image has two of them, or none although all are known.

    """
    have = (split.targets == 1).sum(axis=1)
    wrong = (have > 1) | ((have == 0) & ~np.isnan(split.targets).any(axis=1))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DatasetError(
            f"{where}: {split.records[row].image}: {int(have[row])} of the labels "
            f"{', '.join(split.labels)} are 1, but they exclude each other: exactly one must be "
            f"({int(wrong.sum())} such images in split '{split.name}')"
        )


def _require_both_values(split: LabelledSplit, *, where: str) -> None:
    for label in split.labels:
        truth = split.truth(label)
        if len(truth) == 0 or truth.all() or not truth.any():
            raise DatasetError(
                f"{where}: split '{split.name}' has {int(truth.sum())} images with {label} and "
                f"{int((~truth).sum())} without; it needs both: split the set again or add images"
            )

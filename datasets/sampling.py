"""How often each image is drawn, so that rare labels and small sites are seen alike."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import DATASET_CSV, Dataset, ImageRecord
from lucency.configs.errors import DatasetError


def balanced_weights(
    targets: NDArray[np.float32], *, groups: Sequence[str] = (), exclusive: bool = False
) -> NDArray[np.float64]:
    """How often to draw each image (N,), so that both values of each label are seen alike.

    ``targets`` (N, L) is 1, 0, or NaN where the label is not known. With ``groups`` (N,), such as
    the site of each image, every value of a label is seen alike in every group that has it. With
    several labels an image's weight is the mean over those known of it; an image of which none
    is known has none. Of ``exclusive`` labels, one a known image, each is seen alike.

    Raises
    ------
    ValueError
        There are not as many groups as images.

    """
    if len(groups) not in (0, len(targets)):
        raise ValueError(f"{len(targets)} images need as many groups, got {len(groups)}")
    _, group = np.unique(np.array(groups or [""] * len(targets)), return_inverse=True)
    weights = np.zeros(targets.shape)
    for value in (1.0,) if exclusive else (0.0, 1.0):
        for number in range(group.max(initial=-1) + 1):
            cell = (targets == value) & (group == number)[:, None]
            weights += cell / np.maximum(cell.sum(axis=0), 1)
    known = (~np.isnan(targets)).sum(axis=1)
    return np.asarray(weights.sum(axis=1) / np.maximum(known, 1))


def column_values(
    dataset: Dataset, records: Sequence[ImageRecord], *, column: str
) -> tuple[str, ...]:
    """What a further column of ``dataset.csv`` says of each record; empty where it says nothing.

    Raises
    ------
    DatasetError
        The set has no such column.

    """
    columns = sorted({name for record in dataset.records for name in record.extra})
    if column not in columns:
        raise DatasetError(
            f"{dataset.root / DATASET_CSV}: has no column '{column}'; its further columns are: "
            f"{', '.join(columns) or 'none'}"
        )
    return tuple(record.extra.get(column, "").strip() for record in records)

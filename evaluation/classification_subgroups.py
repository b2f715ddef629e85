"""A classifier's figures by site, view, sex, age: where it fails, and what it learnt instead.

A figure that is high on all sites together and low in each one tells that the model knows the
sites apart. Few images tell little: intervals are wide, and of many subgroups one will look bad
by chance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import ImageRecord
from lucency.evaluation.classification_measures import ClassificationMeasures
from lucency.evaluation.classifying import Points, measure_classification
from lucency.evaluation.subgroups import SMALLEST, subgroups


@dataclass(frozen=True)
class ClassificationSubgroup:
    """The images that have one value (or band of values) in one column.

    ``positives`` and ``negatives`` count images by label. ``measures`` is None in groups of fewer
    than `SMALLEST` images, which are counted and not measured.
    """

    column: str
    value: str
    images: int
    positives: Mapping[str, int]
    negatives: Mapping[str, int]
    measures: ClassificationMeasures | None

    @property
    def too_small(self) -> bool:
        """Whether the group has too few images to be measured."""
        return self.measures is None


def measure_classification_subgroups(
    records: Sequence[ImageRecord],
    truth: NDArray[np.floating],
    probabilities: NDArray[np.floating],
    *,
    columns: Sequence[str] | None = None,
    class_names: Sequence[str],
    points: Points,
    exclusive: bool = False,
    samples: int = 1000,
    seed: int = 0,
) -> tuple[ClassificationSubgroup, ...]:
    """Measure each group of the N ``records`` on its own images.

    Groups are those of ``columns`` of ``dataset.csv``; without, of every column that leaves two
    large groups to compare, is none of the labels, and does not itself tell the images with a
    label from those without. ``truth``, ``probabilities`` (N, C) and the other parameters are as
    in `measure_classification`; patients are the records'.

    Raises
    ------
    DatasetError
        The table has no such column.
    ValueError
        There are not N records, and as `measure_classification`.

    """
    if len(records) != len(truth):
        raise ValueError(f"there must be {len(truth)} records, got {len(records)}")
    outcomes = [None if np.isnan(row).all() else tuple((row == 1).tolist()) for row in truth]
    groups = subgroups(records, columns, outcomes=outcomes, left_out=class_names)
    row_of = {str(record.image): row for row, record in enumerate(records)}
    measured = []
    for group in groups:
        rows = np.array(sorted(row_of[image] for image in group.images), dtype=np.int64)
        measures = None
        if len(rows) >= SMALLEST:
            measures = measure_classification(
                truth[rows],
                probabilities[rows],
                [records[row].patient_id for row in rows],
                class_names=class_names,
                points=points,
                exclusive=exclusive,
                samples=samples,
                seed=seed,
            )
        positives, negatives = (
            np.count_nonzero(truth[rows] == value, axis=0).tolist() for value in (1, 0)
        )
        measured.append(
            ClassificationSubgroup(
                column=group.column,
                value=group.value,
                images=len(rows),
                positives=dict(zip(class_names, positives, strict=True)),
                negatives=dict(zip(class_names, negatives, strict=True)),
                measures=measures,
            )
        )
    return tuple(measured)

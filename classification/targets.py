"""The check that a classifier's training and evaluation run first."""

from dataclasses import replace

from lucency.annotations.findings import Status
from lucency.annotations.records import Dataset
from lucency.datasets.leakage import check_leakage


def check_split_leakage(dataset: Dataset, *, labels: tuple[str, ...]) -> None:
    """Refuse a set in which a patient, or one image twice, stands in two splits.

    An image whose findings nobody marked counts as well if one of ``labels`` is known of it,
    since a classifier learns from that.

    Raises
    ------
    DatasetError
        An image has no split.
    LeakageError
        A patient stands in two splits, or identical images do.

    """
    records = tuple(
        replace(record, status=Status.NEGATIVE)
        if any(record.label(label) is not None for label in labels)
        else record
        for record in dataset.records
    )
    check_leakage(replace(dataset, records=records))

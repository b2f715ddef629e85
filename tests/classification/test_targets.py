from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lucency.annotations.findings import Status
from lucency.annotations.records import Dataset
from lucency.classification.batches import balanced_weights
from lucency.classification.targets import check_split_leakage, labelled_split
from lucency.configs.errors import DatasetError, LeakageError


def test_unknown_labels_are_nan_and_images_without_any_are_left_out(
    tmp_path: Path, make_set: Callable[..., Dataset]
) -> None:
    dataset = make_set(tmp_path)
    both = labelled_split(dataset, split="train", labels=("bright", "other"), both_values=False)
    assert len(both) == 8
    assert both.targets[1].tolist()[0] == 1.0 and np.isnan(both.targets[1, 1])
    assert both.truth("bright").tolist() == [False, True] * 4
    assert both.truth("other").tolist() == [True, True]
    assert both.counts() == "bright 4 yes, 4 no; other 2 yes, 0 no"
    other = labelled_split(dataset, split="train", labels=("other",), both_values=False)
    assert len(other) == 2


@pytest.mark.parametrize(
    ("split", "labels", "message"),
    [
        ("val", ("absent",), "no column 'absent'; its label columns are: bright, other"),
        ("night", ("bright",), "split 'night' has no image"),
        ("val", ("other",), "split 'val' has 2 images with other and 0 without"),
    ],
    ids=["no column", "no split", "one value"],
)
def test_what_cannot_be_learnt_is_said(
    tmp_path: Path,
    make_set: Callable[..., Dataset],
    split: str,
    labels: tuple[str, ...],
    message: str,
) -> None:
    dataset = make_set(tmp_path)
    with pytest.raises(DatasetError, match=message):
        labelled_split(dataset, split=split, labels=labels)


@pytest.mark.parametrize("status", [Status.NEGATIVE, Status.UNKNOWN])
def test_a_patient_in_two_splits_is_refused_whatever_the_status(
    tmp_path: Path, make_set: Callable[..., Dataset], status: Status
) -> None:
    dataset = make_set(tmp_path)
    check_split_leakage(dataset, labels=("bright",))
    records = [replace(record, status=status) for record in dataset.records]
    records[-1] = replace(records[-1], patient_id=records[0].patient_id)
    leaking = replace(dataset, records=tuple(records))
    with pytest.raises(LeakageError, match="train-0"):
        check_split_leakage(leaking, labels=("bright",))


def test_weights_draw_both_values_alike() -> None:
    targets = np.array([[1], [0], [0], [0]], dtype=np.float32)
    weights = balanced_weights(targets)
    assert weights[0] == pytest.approx(weights[1:].sum())


def test_weights_of_several_labels_ignore_what_is_unknown() -> None:
    targets = np.array([[1, np.nan], [0, 1], [0, 0]], dtype=np.float32)
    assert balanced_weights(targets) == pytest.approx([1.0, 0.75, 0.75])

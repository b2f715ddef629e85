from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lucency.annotations.findings import Status
from lucency.annotations.records import Dataset
from lucency.classification.targets import check_split_leakage
from lucency.configs.errors import LeakageError


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

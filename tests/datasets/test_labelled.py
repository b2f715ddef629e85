from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs.errors import DatasetError
from lucency.datasets.labelled import LabelledSplit, labelled_split, require_one_label

ROWS = [
    ("train", "1", ""),
    ("train", "0", "1"),
    ("train", "", "1"),
    ("train", "", ""),
    ("val", "0", ""),
]


@pytest.fixture
def dataset() -> Dataset:
    records = tuple(
        ImageRecord(
            PurePosixPath(f"images/{split}/{number}.png"),
            split,
            "",
            Status.UNKNOWN,
            8,
            8,
            "",
            "",
            {"tb": tb, "effusion": effusion},
        )
        for number, (split, tb, effusion) in enumerate(ROWS)
    )
    return Dataset(Path("set"), LabelMap(("spot",)), records)


def test_unknown_labels_are_nan_and_images_without_any_are_left_out(dataset: Dataset) -> None:
    both = labelled_split(dataset, split="train", labels=("tb", "effusion"), both_values=False)
    assert [record.image.stem for record in both.records] == ["0", "1", "2"]
    expected = np.array([[1, np.nan], [0, 1], [np.nan, 1]], np.float32)
    assert np.array_equal(both.targets, expected, equal_nan=True)
    assert both.targets.dtype == np.float32
    assert both.truth("tb").tolist() == [True, False]
    assert both.truth("effusion").tolist() == [True, True]
    assert both.known("tb").tolist() == [True, True, False]
    assert both.counts() == "tb 1 yes, 1 no; effusion 2 yes, 0 no"
    assert len(labelled_split(dataset, split="train", labels=["tb"])) == 2


@pytest.mark.parametrize(
    ("split", "label", "message"),
    [
        ("val", "absent", "no column 'absent'; its label columns are: effusion, tb"),
        ("night", "tb", "split 'night' has no image with a known tb"),
        ("val", "effusion", "split 'val' has no image with a known effusion"),
        ("train", "effusion", "split 'train' has 2 images with effusion and 0 without"),
    ],
    ids=["no column", "no split", "no label", "one value"],
)
def test_what_cannot_be_learnt_is_said(
    dataset: Dataset, split: str, label: str, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        labelled_split(dataset, split=split, labels=(label,))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 0, 0], None),
        ([1, np.nan, np.nan], None),
        ([np.nan, 0, 0], None),
        ([1, 1, 0], r"1\.png: 2 of the labels a, b, c are 1.*\(1 such images in split 'train'\)"),
        ([0, 0, 0], "0 of the labels a, b, c are 1"),
    ],
    ids=["one", "one and unknown", "none known", "two", "none"],
)
def test_labels_that_exclude_each_other(
    dataset: Dataset, values: list[float], message: str | None
) -> None:
    targets = np.array([[0, 0, 1], values], dtype=np.float32)
    split = LabelledSplit("train", ("a", "b", "c"), dataset.records[:2], targets)
    if message is None:
        require_one_label(split, where="set")
        return
    with pytest.raises(DatasetError, match=message):
        require_one_label(split, where="set")

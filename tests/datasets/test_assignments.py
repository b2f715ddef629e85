from pathlib import Path, PurePosixPath

import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs.errors import ConfigError, DatasetError, LeakageError
from lucency.datasets.assignments import (
    Overruled,
    evaluated_side,
    listed_splits,
    overruled,
    read_assignments,
    unmatched,
)


def record(name: str, **extra: str) -> ImageRecord:
    image = PurePosixPath("images/unsplit", name)
    return ImageRecord(image, "unsplit", "", Status.NEGATIVE, 8, 8, name, "s", extra)


def dataset(root: Path, *records: ImageRecord) -> Dataset:
    return Dataset(root, LabelMap(()), records)


def by_name(listed: dict[PurePosixPath, str]) -> dict[str, str]:
    return {image.name: split for image, split in listed.items()}


def test_lists_are_read_with_and_without_heading(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("image_id,age\nimages/a.png,3\nb.png,4\n,5\n")
    (tmp_path / "valid.txt").write_text("\ufeffc.png\r\n\r\n", encoding="utf-8")
    lists = [("train", tmp_path / "train.csv"), ("val", tmp_path / "valid.txt")]
    assigned = read_assignments(lists)
    assert assigned == {"a.png": "train", "b.png": "train", "c.png": "val"}
    made = dataset(tmp_path, record("a.png"), record("c.jpg"))
    assert unmatched(made, assigned) == ("b.png", "c.png")


def test_an_image_in_two_lists_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("image\na.png\n")
    with pytest.raises(LeakageError, match=r"a\.png stands in the list of train as well as of val"):
        read_assignments([("train", tmp_path / "a.csv"), ("val", tmp_path / "a.csv")])
    with pytest.raises(ConfigError, match="got 'valid'"):
        read_assignments([("valid", tmp_path / "a.csv")])


def test_lists_go_before_the_official_column(tmp_path: Path) -> None:
    made = dataset(
        tmp_path,
        record("a.png", official_split="train"),
        record("b.png", official_split=" test "),
        record("c.png", official_split=""),
    )
    assert by_name(listed_splits(made, {}, honour_official=True)) == {
        "a.png": "train",
        "b.png": "test",
    }
    both = listed_splits(made, {"b": "val", "c.png": "val"}, honour_official=True)
    assert by_name(both) == {"a.png": "train", "b.png": "val", "c.png": "val"}
    assert by_name(listed_splits(made, {"c": "val"}, honour_official=False)) == {"c.png": "val"}


def test_an_official_split_of_another_name_is_refused_unless_passed_over(tmp_path: Path) -> None:
    made = dataset(tmp_path, record("a.png", official_split="trainval"))
    with pytest.raises(DatasetError, match=r"a\.png: official_split must .*'trainval'.*--ignore"):
        listed_splits(made, {}, honour_official=True)
    assert listed_splits(made, {}, honour_official=False) == {}


@pytest.mark.parametrize(
    ("assigned", "error", "message"),
    [
        ({"absent.png": "val"}, DatasetError, "none of the 1 assigned names"),
        ({"same": "val"}, DatasetError, "'same' fits"),
        ({"0.png": "valid"}, ConfigError, "must be one of train, val, test, got 'valid'"),
    ],
    ids=["no-match", "ambiguous", "no-split"],
)
def test_wrong_assignments_are_refused(
    tmp_path: Path, assigned: dict[str, str], error: type[Exception], message: str
) -> None:
    made = dataset(tmp_path, record("0.png"), record("same.png"), record("same.jpg"))
    with pytest.raises(error, match=message):
        listed_splits(made, assigned, honour_official=True)


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (["train", "test", "val"], "test"),
        (["train", "val", ""], "val"),
        (["", "train"], "train"),
        ([""], ""),
        ([], ""),
    ],
)
def test_the_side_that_is_evaluated_wins(splits: list[str], expected: str) -> None:
    assert evaluated_side(splits) == expected


def test_only_images_that_were_listed_are_overruled() -> None:
    records = [record("a.png"), record("b.png"), record("c.png")]
    listed = {records[0].image: "train", records[1].image: "test"}
    assert overruled(records, listed, "test") == [Overruled(records[0].image, "train", "test")]

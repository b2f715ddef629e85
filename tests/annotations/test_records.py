from pathlib import Path, PurePosixPath

import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.geometry import Box
from lucency.annotations.records import (
    Dataset,
    ImageRecord,
    data_yaml,
    dataset_csv,
    read_dataset,
    write_tables,
)
from lucency.configs.errors import DatasetError


def record(name: str, status: Status = Status.ANNOTATED, **extra: str) -> ImageRecord:
    image = PurePosixPath("images/train", name)
    return ImageRecord(image, "train", "p1", status, 200, 100, "0" * 64, "coco.json", extra)


def small_set(root: Path, lines: str = "1 0.5 0.5 0.2 0.4\n") -> Dataset:
    dataset = Dataset(root, LabelMap(("a", "b")), (record("x.y.png", tb="1"),))
    label = dataset.label_path(dataset.records[0])
    label.parent.mkdir(parents=True)
    label.write_text(lines)
    write_tables(dataset)
    return dataset


def test_tables_read_back_as_written(tmp_path: Path) -> None:
    dataset = small_set(tmp_path)
    assert read_dataset(tmp_path) == dataset
    assert dataset.label_path(dataset.records[0]) == tmp_path / "labels/train/x.y.txt"


def test_findings_come_in_pixels(tmp_path: Path) -> None:
    dataset = small_set(tmp_path)
    (finding,) = dataset.findings(dataset.records[0])
    assert (finding.label, finding.box) == ("b", Box(80, 30, 120, 70))


def test_an_unknown_image_has_no_findings(tmp_path: Path) -> None:
    assert small_set(tmp_path).findings(record("z.png", Status.UNKNOWN)) == ()


@pytest.mark.parametrize(
    "line", ["2 0.5 0.5 0.1 0.1", "-1 0.5 0.5 0.1 0.1", "0 0.5 0.5 0.1", "0 nan 0.5 0.1 0.1", "x"]
)
def test_a_broken_label_line_is_named(tmp_path: Path, line: str) -> None:
    dataset = small_set(tmp_path, f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(DatasetError, match=r"x\.y\.txt: line 2"):
        dataset.findings(dataset.records[0])


def test_image_level_labels_are_true_false_or_unknown() -> None:
    row = record("x.png", tb="1", cardiomegaly="0", effusion="")
    found = [row.label(name) for name in ("tb", "cardiomegaly", "effusion", "other")]
    assert found == [True, False, None, None]


def test_further_columns_are_united_and_sorted() -> None:
    lines = dataset_csv([record("1.png", tb="1"), record("2.png", age="40")]).splitlines()
    assert lines[0].endswith("source,age,tb")
    assert [line.split(",")[-2:] for line in lines[1:]] == [["", "1"], ["40", ""]]


def test_an_unsplit_set_says_so() -> None:
    text = data_yaml(LabelMap(("a",)), {"unsplit"})
    assert text.startswith("# Not split yet")
    assert "train: images/unsplit" in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sha256", "digest", "missing columns sha256"),
        (",200,", ",wide,", "line 2"),
        ("annotated", "perhaps", "line 2"),
    ],
    ids=["column", "number", "status"],
)
def test_a_broken_table_is_one_clear_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    small_set(tmp_path)
    table = tmp_path / "dataset.csv"
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(DatasetError, match=message):
        read_dataset(tmp_path)


def test_a_folder_without_tables_is_no_set(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="lucency convert"):
        read_dataset(tmp_path)

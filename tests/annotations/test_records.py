from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.geometry import Box, box_around
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


@pytest.mark.parametrize(
    ("line", "box", "corners"),
    [
        ("0 0.1 0.2 0.3 0.2 0.3 0.6 0.1 0.6", Box(20, 20, 60, 60), 4),
        ("0 0.2 0.1 0.3 0.5 0.1 0.9", Box(20, 10, 60, 90), 3),
    ],
    ids=["oriented box", "outline"],
)
def test_shapes_come_in_pixels_with_their_boxes(
    tmp_path: Path, line: str, box: Box, corners: int
) -> None:
    dataset = small_set(tmp_path, f"{line}\n1 0.5 0.5 0.2 0.4\n")
    shape, plain = dataset.findings(dataset.records[0])
    assert (shape.label, plain.polygon) == ("a", None)
    assert shape.polygon is not None
    assert len(shape.polygon) == corners
    found = (shape.box.x1, shape.box.y1, shape.box.x2, shape.box.y2)
    assert found == pytest.approx((box.x1, box.y1, box.x2, box.y2))
    assert box_around(shape.polygon) == shape.box


def test_an_unknown_image_has_no_findings(tmp_path: Path) -> None:
    assert small_set(tmp_path).findings(record("z.png", Status.UNKNOWN)) == ()


@pytest.mark.parametrize(
    "line",
    [
        "2 0.5 0.5 0.1 0.1",
        "-1 0.5 0.5 0.1 0.1",
        "0 0.5 0.5 0.1",
        "0 nan 0.5 0.1 0.1",
        "x",
        "0 0.1 0.2 0.3 0.2 0.3",
        "2 0.1 0.2 0.3 0.2 0.3 0.6",
        "0 0.1 0.2 0.3 0.2 nan 0.6",
        "0 0.1 0.2 0.1 0.4 0.1 0.6",
    ],
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
    ("splits", "says"),
    [
        ({"train", "test"}, "# Has no val: run `lucency split`"),
        ({"test", "unsplit"}, "# Has no train and no val: run `lucency split`"),
        (set(), "# No image has boxes or is a confirmed negative"),
        ({"train", "val"}, "train: images/train"),
    ],
    ids=["no-val", "test-alone", "no-boxes", "whole"],
)
def test_what_a_detector_lacks_stands_at_the_head(splits: set[str], says: str) -> None:
    assert data_yaml(LabelMap(("a",)), splits).startswith(says)


@pytest.mark.parametrize("image", ["../a.png", "images/../../a.png", "/a/b.png", "a.png", ""])
def test_an_image_outside_the_set_is_refused(tmp_path: Path, image: str) -> None:
    dataset = small_set(tmp_path, "")
    table = tmp_path / "dataset.csv"
    path = str(dataset.records[0].image)
    table.write_text(table.read_text().replace(path, image))
    with pytest.raises(DatasetError, match=r"line 2: image must be a path such as images/train"):
        read_dataset(tmp_path)


def test_spaces_around_a_patient_make_no_other_patient(tmp_path: Path) -> None:
    dataset = small_set(tmp_path, "")
    write_tables(replace(dataset, records=(replace(dataset.records[0], patient_id=" p1 "),)))
    assert read_dataset(tmp_path).records[0].patient_id == "p1"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sha256", "digest", "missing columns sha256"),
        (",200,", ",wide,", "line 2"),
        ("annotated", "perhaps", "line 2"),
        ("coco.json", "coco.json,1,2,3", "line 2: has more fields"),
    ],
    ids=["column", "number", "status", "too many fields"],
)
def test_a_broken_table_is_one_clear_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    small_set(tmp_path)
    table = tmp_path / "dataset.csv"
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(DatasetError, match=message):
        read_dataset(tmp_path)


def test_a_row_that_ends_early_says_nothing_more(tmp_path: Path) -> None:
    small_set(tmp_path)
    table = tmp_path / "dataset.csv"
    table.write_text(table.read_text().replace("coco.json,1", "coco.json"))
    (found,) = read_dataset(tmp_path).records
    assert (found.label("tb"), found.extra) == (None, {"tb": ""})


def test_a_folder_without_tables_is_no_set(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="lucency convert"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("data", [b"\xff\xfe", b"image,\xe4\n", b'"' + b"x" * 200_000, b"a\0b\n"])
def test_a_table_that_is_no_text_is_one_clear_line(tmp_path: Path, data: bytes) -> None:
    small_set(tmp_path)
    (tmp_path / "dataset.csv").write_bytes(data)
    with pytest.raises(DatasetError, match=r"dataset\.csv: ") as caught:
        read_dataset(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_label_file_that_is_no_text_is_one_clear_line(tmp_path: Path) -> None:
    dataset = small_set(tmp_path)
    dataset.label_path(dataset.records[0]).write_bytes(b"0 0.5 0.5 0.1 0.1 \xff")
    with pytest.raises(DatasetError, match=r"x\.y\.txt: cannot be read: "):
        dataset.findings(dataset.records[0])


@pytest.mark.parametrize("names", ["[a, a]", "{0: a, x: b}", "a", "['']"])
def test_broken_class_names_are_one_clear_line(tmp_path: Path, names: str) -> None:
    small_set(tmp_path)
    (tmp_path / "data.yaml").write_text(f"names: {names}\n")
    with pytest.raises(DatasetError, match=r"data\.yaml: names: "):
        read_dataset(tmp_path)

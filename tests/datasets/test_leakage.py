from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs.errors import DatasetError, LeakageError
from lucency.datasets.leakage import check_leakage
from lucency.datasets.placement import JOURNAL


def record(
    name: str,
    split: str,
    *,
    patient: str = "",
    sha256: str = "",
    status: Status = Status.NEGATIVE,
) -> ImageRecord:
    image = PurePosixPath("images", split, name)
    return ImageRecord(image, split, patient, status, 8, 8, sha256 or name, "source")


GOOD = (
    record("a.png", "train", patient="p1"),
    record("b.png", "train", patient="p1"),
    record("c.png", "val", patient="p2"),
    record("d.png", "test"),
    record("e.png", "val"),
)


def dataset(root: Path, *more: ImageRecord) -> Dataset:
    return Dataset(root, LabelMap(("fracture",)), (*GOOD, *more))


def test_a_clean_set_passes(tmp_path: Path) -> None:
    check_leakage(dataset(tmp_path))
    check_leakage(replace(dataset(tmp_path), records=()))


def test_two_images_without_a_patient_are_not_one_patient(tmp_path: Path) -> None:
    check_leakage(dataset(tmp_path, record("f.png", "train"), record("g.png", "test")))


def test_a_patient_in_two_splits_is_named(tmp_path: Path) -> None:
    with pytest.raises(LeakageError, match=r"patient 'p1' in train and test; run `lucency split"):
        check_leakage(dataset(tmp_path, record("f.png", "test", patient="p1")))


def test_identical_images_in_two_splits_are_named(tmp_path: Path) -> None:
    twin = record("f.png", "test", sha256="a.png")
    with pytest.raises(LeakageError, match=r"identical images of a\.png in train and test"):
        check_leakage(dataset(tmp_path, twin))


def test_identical_images_in_one_split_pass(tmp_path: Path) -> None:
    check_leakage(dataset(tmp_path, record("f.png", "train", sha256="a.png")))


def test_many_leaks_are_counted_in_one_line(tmp_path: Path) -> None:
    leaks = [
        record(f"{patient}-{split}.png", split, patient=patient)
        for patient in ("q1", "q2", "q3", "q4", "q5")
        for split in ("train", "val")
    ]
    with pytest.raises(LeakageError) as caught:
        check_leakage(dataset(tmp_path, *leaks))
    text = str(caught.value)
    assert "'q3'" in text
    assert "'q4'" not in text
    assert "and 2 more" in text
    assert "\n" not in text


def test_an_unsplit_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"1 of 6 images are in no split; run `lucency split"):
        check_leakage(dataset(tmp_path, record("f.png", "unsplit")))


def test_unknown_images_need_no_split(tmp_path: Path) -> None:
    check_leakage(dataset(tmp_path, record("f.png", "unsplit", status=Status.UNKNOWN)))


def test_an_interrupted_split_is_refused(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text("{}")
    with pytest.raises(DatasetError, match="splitting was interrupted"):
        check_leakage(dataset(tmp_path))

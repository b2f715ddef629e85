import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs.errors import DatasetError
from lucency.datasets.patients import identify_patients, read_patients
from lucency.datasets.phantom_files import write_dicom
from lucency.datasets.phantoms import make_limbs


def dataset(root: Path, *names: str, patient_id: str = "") -> Dataset:
    folder = root / "images" / "unsplit"
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for name in names:
        (folder / name).touch()
        image = PurePosixPath("images/unsplit", name)
        records.append(ImageRecord(image, "unsplit", patient_id, Status.NEGATIVE, 8, 8, name, "s"))
    return Dataset(root, LabelMap(("fracture",)), tuple(records))


def patients_of(found: Dataset) -> list[str]:
    return [record.patient_id for record in found.records]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"(person\d+)", ["person63", "person64", ""]),
        (r"person\d+|IM-\d+", ["person63", "person64", "IM-0115"]),
        (r"^(nothing)?", ["", "", ""]),
    ],
    ids=["group", "whole-match", "empty-group"],
)
def test_a_pattern_finds_the_patient_in_the_file_name(
    tmp_path: Path, pattern: str, expected: list[str]
) -> None:
    names = ("person63_bacteria_306.jpeg", "person64_virus_1.jpeg", "IM-0115-0001.jpeg")
    found = identify_patients(dataset(tmp_path, *names), pattern=re.compile(pattern))
    assert patients_of(found) == expected


def test_what_the_caller_says_goes_before_the_table(tmp_path: Path) -> None:
    known = dataset(tmp_path, "a_1.png", "b_2.png", "c.png", patient_id="table")
    found = identify_patients(known, pattern=re.compile(r"_(\d)"), patients={"a_1.png": "listed"})
    assert patients_of(found) == ["listed", "2", "table"]


def test_dicom_files_tell_themselves(tmp_path: Path) -> None:
    phantom = next(make_limbs(1, seed=1, size=64))
    found = dataset(tmp_path, "a.dcm", "b.png")
    write_dicom(phantom, tmp_path / "images/unsplit/a.dcm", monochrome=1)
    assert patients_of(identify_patients(found)) == [phantom.patient_id, ""]


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    known = dataset(tmp_path, "a.png")
    absent = replace(known.records[0], image=PurePosixPath("images/unsplit/absent.png"))
    with pytest.raises(DatasetError, match=r"absent\.png: cannot be read"):
        identify_patients(replace(known, records=(absent,)))


@pytest.mark.parametrize(
    "text",
    [
        "image,patient_id\na.png,p1\nb.png,p2\n",
        "\ufeffimage;age;Patient ID\r\nfolder\\a.png;7;p1\r\nb.png;8;p2\r\n",
        "filestem\tpatient\na.png\tp1\n\nb.png\tp2\nc.png\t\n",
    ],
    ids=["commas", "excel", "tabs"],
)
def test_tables_of_patients(tmp_path: Path, text: str) -> None:
    path = tmp_path / "patients.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert read_patients(path) == {"a.png": "p1", "b.png": "p2"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "found nothing"),
        (b"image,age\na.png,4\n", "found image, age"),
        (b"image,patient_id\na.png,p1\nx/a.png,p2\n", "line 3: x/a.png is of patient 'p2' here"),
        (b"\xff\xfe\x00", "is not text in UTF-8"),
    ],
    ids=["empty", "no-column", "two-patients", "binary"],
)
def test_wrong_tables_are_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "patients.csv"
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=re.escape(message)):
        read_patients(path)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_patients(tmp_path / "absent.csv")

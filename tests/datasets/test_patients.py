import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs.errors import ConfigError, DatasetError
from lucency.datasets.patients import Identified, identify_patients, read_patients
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


def patients_of(found: Identified) -> list[str]:
    return [record.patient_id for record in found.dataset.records]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"(person\d+)", ["person63", "person64", ""]),
        (r"person\d+|IM-\d+", ["person63", "person64", "IM-0115"]),
        (r"(person\d+)_v|(IM-\d+)", ["", "person64", "IM-0115"]),
        (r"(?:(person)|IM).*", ["person", "person", ""]),
    ],
    ids=["group", "whole-match", "two-groups", "empty-group"],
)
def test_a_pattern_finds_the_patient_in_the_file_name(
    tmp_path: Path, pattern: str, expected: list[str]
) -> None:
    names = ("person63_bacteria_306.jpeg", "person64_virus_1.jpeg", "IM-0115-0001.jpeg")
    found = identify_patients(dataset(tmp_path, *names), pattern=re.compile(pattern))
    assert patients_of(found) == expected


def test_what_the_caller_says_goes_before_the_table(tmp_path: Path) -> None:
    known = dataset(tmp_path, "a_1.png", "b_2.png", "c.png", patient_id="former")
    records = (*known.records[:2], replace(known.records[2], patient_id="table"))
    known = replace(known, records=records)
    found = identify_patients(known, pattern=re.compile(r"_(\d)"), patients={"a_1.png": "listed"})
    assert patients_of(found) == ["listed", "2", "table"]
    expected = {"table": 1, "pattern": 1, "dataset.csv": 1, "dicom": 0, "none": 0}
    assert found.sources == expected


@pytest.mark.parametrize(
    "told",
    [{"pattern": re.compile(r"_(\d)")}, {"patients": {"a_1.png": "7"}}],
    ids=["pattern", "table"],
)
def test_one_patient_does_not_become_two(tmp_path: Path, told: dict[str, Any]) -> None:
    known = dataset(tmp_path, "a_1.png", "c.png", patient_id="P1")
    with pytest.raises(DatasetError, match=r"a_1\.png and c\.png are of patient 'P1', but"):
        identify_patients(known, **told)
    same = identify_patients(known, patients={"a_1.png": "P1"})
    assert patients_of(same) == ["P1", "P1"]


def test_dicom_files_tell_themselves(tmp_path: Path) -> None:
    phantom = next(make_limbs(1, seed=1, size=64))
    found = dataset(tmp_path, "a.dcm", "b.png")
    write_dicom(phantom, tmp_path / "images/unsplit/a.dcm", monochrome=1)
    identified = identify_patients(found)
    assert patients_of(identified) == [phantom.patient_id, ""]
    assert (identified.sources["dicom"], identified.sources["none"]) == (1, 1)


def test_tables_and_patterns_that_fit_no_image_are_refused(tmp_path: Path) -> None:
    known = dataset(tmp_path, "a.png", patient_id="table")
    with pytest.raises(ConfigError, match=r"'\^\(nothing\)\?' finds no patient .* as 'a\.png'"):
        identify_patients(known, pattern=re.compile("^(nothing)?"))
    with pytest.raises(DatasetError, match=r"none of the 1 images .* first is 'b\.png'"):
        identify_patients(known, patients={"b.png": "p"})
    empty = replace(known, records=())
    identify_patients(empty, pattern=re.compile("x"), patients={"b.png": "p"})


def test_folders_and_files_without_suffix_are_found_in_tables(tmp_path: Path) -> None:
    found = identify_patients(dataset(tmp_path, "a.png", "b.png"), patients={"a": "1", "b": "2"})
    assert patients_of(found) == ["1", "2"]


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
        "patient_id,Filename\np1,x/a.png\np2,b.png\n,c.png\n,\n",
    ],
    ids=["commas", "excel", "tabs", "image-last"],
)
def test_tables_of_patients(tmp_path: Path, text: str) -> None:
    path = tmp_path / "patients.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert read_patients(path) == {"a.png": "p1", "b.png": "p2"}


def test_the_patients_column_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    path.write_text("id,Subject No,patient_id\na.png,s1,p1\n")
    assert read_patients(path, column="subject_no") == {"a.png": "s1"}
    with pytest.raises(
        DatasetError, match=r"a column 'case', found id, Subject .*--patient-column"
    ):
        read_patients(path, column="case")


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

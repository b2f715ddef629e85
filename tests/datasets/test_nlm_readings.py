"""Montgomery and Shenzhen as they are handed out: images, readings, masks."""

from pathlib import Path

import pytest
from PIL import Image

from lucency.annotations.ledger import Ledger
from lucency.annotations.records import ImageRecord
from lucency.configs.errors import AnnotationError
from lucency.datasets.importing import ImportedSet, import_set
from lucency.datasets.nlm_readings import parse_reading
from lucency.datasets.public_sets import public_reader, public_set

MONTGOMERY = {
    "MCUCXR_0001_0": "Patient's Sex: F \nPatient's Age: 027Y\nnormal\n",
    "MCUCXR_0113_1": "Patient's Sex: M\r\nPatient's Age: 084Y\r\nscars in both\r\nupper lobes\r\n",
    "MCUCXR_0117_1": "Patient's Sex: M\nPatient's Age: 085Y\nstable (same pt as MCUCXR_0113_1)",
}
SHENZHEN = {
    "CHNCXR_0001_0": "male 45yrs\nnormal",
    "CHNCXR_0327_1": "Female,  31yrs \nbilateral PTB",
}


def downloaded(root: Path, readings: dict[str, str]) -> Path:
    for shade, (stem, text) in enumerate(readings.items()):
        for number, folder in enumerate(("CXR_png", "ManualMask/leftMask", "masks")):
            path = root / folder / f"{stem}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (9, 7), 40 * shade + number).save(path)
        (root / "ClinicalReadings").mkdir(exist_ok=True)
        (root / f"ClinicalReadings/{stem}.txt").write_bytes(text.encode())
    return root


def imported(name: str, folder: Path, out: Path) -> tuple[ImportedSet, dict[str, ImageRecord]]:
    made = import_set(public_set(name), folder, out)
    return made, {record.image.stem: record for record in made.dataset.records}


@pytest.mark.parametrize("inner", ["", "NLM-MontgomeryCXRSet/MontgomerySet"])
def test_montgomery(tmp_path: Path, inner: str) -> None:
    downloaded(tmp_path / "down" / inner, MONTGOMERY)
    made, records = imported("montgomery", tmp_path / "down", tmp_path / "out")
    assert made.counts.status == {"annotated": 0, "negative": 0, "unknown": 3}
    assert made.counts.labels == {"tb": {"positive": 2, "negative": 1, "unknown": 0}}
    assert records["MCUCXR_0113_1"].extra == {
        "tb": "1",
        "site": "montgomery",
        "body_part": "chest",
        "sex": "M",
        "age": "84",
        "reading": "scars in both upper lobes",
    }
    # One patient came back with another number, as the reading says.
    patients = [record.patient_id for record in records.values()]
    assert patients == ["0001", "0113", "0113"]


def test_shenzhen_with_what_others_add(tmp_path: Path) -> None:
    """Kaggle's copy holds both sets, masks with and without ``_mask``, and images twice."""
    root = downloaded(tmp_path / "Lung Segmentation", {**MONTGOMERY, **SHENZHEN})
    for name in ("masks/CHNCXR_0001_0_mask.png", "test/CHNCXR_0327_1.png", "CXR_png/other.png"):
        (root / name).parent.mkdir(exist_ok=True)
        Image.new("L", (9, 7), 99).save(root / name)
    made, records = imported("shenzhen", tmp_path, tmp_path / "out")
    assert sorted(records) == ["CHNCXR_0001_0", "CHNCXR_0327_1"]
    assert {record.source for record in records.values()} == {"Lung Segmentation/CXR_png"}
    assert records["CHNCXR_0327_1"].extra["sex"] == "F"
    assert "(1) were passed over" in made.ledger.hints[0]


def test_without_readings_and_with_other_suffix(tmp_path: Path) -> None:
    root = downloaded(tmp_path / "down", SHENZHEN)
    for path in (root / "ClinicalReadings").iterdir():
        path.unlink()
    (root / "CXR_png/CHNCXR_0001_0.png").rename(root / "CXR_png/CHNCXR_0001_0.PNG")
    _, records = imported("shenzhen", root, tmp_path / "out")
    assert len(records) == 2
    assert "sex" not in records["CHNCXR_0001_0"].extra


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Patient's Sex: F \nPatient's Age: 027Y\nnormal", ("F", "27", "normal")),
        ("Patient's Sex: O\nPatient's Age: 005Y\n", (None, "5", "Patient's Sex: O")),
        ("male 45yrs\nnormal", ("M", "45", "normal")),
        ("femal 32yrs\nPTB", ("F", "32", "PTB")),
        ("female24yrs\nnormal", ("F", "24", "normal")),
        ("male , 60yrs\n1.PTB\n2.cavity", ("M", "60", "1.PTB 2.cavity")),
        ("male 16month\nnormal", ("M", "1.33", "normal")),
        ("female 64days\nnormal", ("F", "0.18", "normal")),
        ("male 31\nnormal", ("M", None, "31 normal")),
        ("malformed", (None, None, "malformed")),
        ("", (None, None, None)),
    ],
)
def test_readings(text: str, told: tuple[str | None, str | None, str | None]) -> None:
    found = parse_reading(text)
    assert (found.get("sex"), found.get("age"), found.get("reading")) == told


@pytest.mark.parametrize(
    ("name", "expected"), [("montgomery", "MCUCXR_0001_0.png"), ("shenzhen", "CHNCXR_0001_0.png")]
)
def test_another_folder(tmp_path: Path, name: str, expected: str) -> None:
    downloaded(tmp_path, MONTGOMERY if name == "shenzhen" else SHENZHEN)
    with pytest.raises(AnnotationError, match=rf"does not look like .*CXR_png/{expected}"):
        list(public_reader(name).read(tmp_path, Ledger()))

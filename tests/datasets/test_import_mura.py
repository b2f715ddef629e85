import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.ledger import Ledger, Reason
from lucency.configs.errors import AnnotationError
from lucency.datasets.import_mura import PUBLIC_SET, read
from lucency.datasets.importing import import_set

TOP = "MURA-v1.1"
PATHS = f"""\
{TOP}/train/XR_SHOULDER/patient00001/study1_positive/image1.png
{TOP}/train/XR_SHOULDER/patient00001/study1_positive/image2.png
{TOP}/train/XR_HAND/patient00001/study1_negative/image1.png
"""
STUDIES = f"""\
{TOP}/train/XR_SHOULDER/patient00001/study1_positive/,1
{TOP}/train/XR_HAND/patient00001/study1_negative/,0
"""
VALID_PATHS = f"{TOP}/valid/XR_WRIST/patient11185/study1_negative/image1.png\n"
VALID_STUDIES = f"{TOP}/valid/XR_WRIST/patient11185/study1_negative/,0\n"
SET = {
    f"{TOP}/train_image_paths.csv": PATHS,
    f"{TOP}/train_labeled_studies.csv": STUDIES,
    f"{TOP}/valid_image_paths.csv": VALID_PATHS,
    f"{TOP}/valid_labeled_studies.csv": VALID_STUDIES,
}
SET |= dict.fromkeys([*PATHS.split(), *VALID_PATHS.split()], "")


def read_files(folder: Path, files: Mapping[str, str]) -> tuple[list[ImageAnnotation], Ledger]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    ledger = Ledger()
    found = list(read(folder, ledger))
    ledger.check()
    return found, ledger


def test_the_set_as_it_is_downloaded(tmp_path: Path) -> None:
    (first, _, hand, wrist), ledger = read_files(tmp_path, SET)
    assert first.image == f"{TOP}/train/XR_SHOULDER/patient00001/study1_positive/image1.png"
    assert (first.labels, hand.labels) == ({"abnormal": True}, {"abnormal": False})
    assert first.extra == {
        "body_part": "shoulder",
        "study": "XR_SHOULDER/patient00001/study1_positive",
        "official_split": "train",
    }
    assert (wrist.extra["official_split"], wrist.split, wrist.patient_id) == (
        "val", "", "patient11185",
    )  # fmt: skip
    assert hand.patient_id == "patient00001" and hand.extra["study"] != first.extra["study"]
    assert not ledger.image_entries and not ledger.hints


def test_the_set_has_no_boxes_so_that_a_normal_study_is_no_negative(tmp_path: Path) -> None:
    found, _ = read_files(tmp_path, SET)
    assert {a.status for a in found} == {Status.UNKNOWN}


@pytest.mark.parametrize(
    "files",
    [
        {name.removeprefix(f"{TOP}/"): text for name, text in SET.items()},
        {f"archive/{name}": text for name, text in SET.items()},
        {name.replace(TOP, "mura"): text for name, text in SET.items()},
        {name: text for name, text in SET.items() if "valid" not in name},
    ],
    ids=["without its folder", "a folder deeper", "renamed", "train alone"],
)
def test_other_ways_it_is_handed_out(tmp_path: Path, files: Mapping[str, str]) -> None:
    found, ledger = read_files(tmp_path, files)
    parts = [a.extra["body_part"] for a in found]
    assert parts[:3] == ["shoulder", "shoulder", "hand"] and not ledger.image_entries
    assert all((tmp_path / a.image).is_file() for a in found)


def test_files_of_macos_are_passed_over(tmp_path: Path) -> None:
    folder = f"{TOP}/train/XR_HAND/patient00001/study1_negative"
    files = {
        **SET,
        f"{TOP}/train_image_paths.csv": f"{PATHS}{folder}/._image1.png\n",
        f"{folder}/._image1.png": "",
        f"{TOP}/._train_labeled_studies.csv": "",
        f"__MACOSX/{folder}/image7.png": "",
    }
    found, ledger = read_files(tmp_path, files)
    assert len(found) == 4 and not ledger.image_entries


def test_a_missing_image_is_not_taken_from_another_patient(tmp_path: Path) -> None:
    # image1.png of study1_negative is there, of the wrist.
    files = {name: text for name, text in SET.items() if "XR_HAND" not in name}
    found, ledger = read_files(tmp_path, files)
    assert [a.extra["body_part"] for a in found] == ["shoulder", "shoulder", "wrist"]
    assert ledger.left_out_by_reason() == {Reason.MISSING_IMAGE: 1}
    assert "1 of the 4 images" in ledger.hints[0]


def test_an_image_that_no_list_names(tmp_path: Path) -> None:
    extra = f"{TOP}/train/XR_HAND/patient00001/study1_negative/image2.png"
    (*_, last), _ = read_files(tmp_path, {**SET, extra: ""})
    assert (last.image, last.labels, last.status) == (extra, {}, Status.UNKNOWN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_labeled_studies.csv": None, "valid_labeled_studies.csv": None}, "not look like"),
        ({"train_image_paths.csv": None}, "must have the list of image paths"),
        ({"train_labeled_studies.csv": STUDIES.replace(",1", ",2")}, "line 1: must be 0 or 1"),
        ({"train_labeled_studies.csv": STUDIES.replace(",1", "")}, "has no boxes or labels"),
        ({"train_labeled_studies.csv": STUDIES + STUDIES.replace(",1", ",0")}, "both labels"),
    ],
    ids=["no table", "no list", "label", "no label", "both labels"],
)
def test_what_is_not_the_set(
    tmp_path: Path, change: Mapping[str, str | None], message: str
) -> None:
    changed = {**SET, **{f"{TOP}/{name}": text for name, text in change.items()}}
    with pytest.raises(AnnotationError, match=message):
        read_files(tmp_path, {name: text for name, text in changed.items() if text is not None})


def test_images_of_one_name_get_names_of_their_own(tmp_path: Path) -> None:
    read_files(tmp_path / "in", {**SET, f"{TOP}/train_image_paths.csv": PATHS + PATHS})
    for number, path in enumerate(sorted((tmp_path / "in").rglob("*.png"))):
        out = io.BytesIO()
        Image.new("L", (8, 8), number * 50).save(out, "PNG")
        path.write_bytes(out.getvalue())
    result = import_set(PUBLIC_SET, tmp_path / "in", tmp_path / "out")
    names = {record.image.name for record in result.dataset.records}
    assert len(names) == 4 and "image2.png" in names
    assert {record.extra["abnormal"] for record in result.dataset.records} == {"0", "1"}
    assert result.counts.patients == 2

import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.ledger import Ledger, Reason
from lucency.configs.errors import AnnotationError
from lucency.datasets.import_chexpert import PUBLIC_SET, read
from lucency.datasets.importing import import_set

LABELS = (
    "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,"
    "Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,"
    "Support Devices"
)
HEAD = f"Path,Sex,Age,Frontal/Lateral,AP/PA,{LABELS}"
TOP = "CheXpert-v1.0-small"
TRAIN = f"""\
{HEAD}
{TOP}/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,1.0,,,,,,,,,0.0,,,,1.0
{TOP}/train/patient00002/study2/view1_frontal.jpg,Female,87,Frontal,AP,,,-1.0,1.0,,-1.0,-1.0,,-1.0,,-1.0,,1.0,
{TOP}/train/patient00002/study1/view2_lateral.jpg,Male,83,Lateral,,,,,1.0,,,-1.0,,,,,,1.0,
"""
VALID = f"""\
{HEAD}
{TOP}/valid/patient64541/study1/view1_frontal.jpg,Male,73,Frontal,PA,{",".join(["0.0", "1.0"] * 7)}
"""
IMAGES = (
    "train/patient00001/study1/view1_frontal.jpg",
    "train/patient00002/study1/view2_lateral.jpg",
    "train/patient00002/study2/view1_frontal.jpg",
    "valid/patient64541/study1/view1_frontal.jpg",
)
SET = {f"{TOP}/train.csv": TRAIN, f"{TOP}/valid.csv": VALID}
SET |= {f"{TOP}/{image}": "" for image in IMAGES}


def read_files(folder: Path, files: Mapping[str, str]) -> tuple[list[ImageAnnotation], Ledger]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    ledger = Ledger()
    found = list(read(folder, ledger))
    ledger.check()
    return found, ledger


def test_the_set_as_it_is_downloaded(tmp_path: Path) -> None:
    (first, second, third, last), ledger = read_files(tmp_path, SET)
    assert first.image == f"{TOP}/train/patient00001/study1/view1_frontal.jpg"
    assert first.labels == {"no_finding": True, "pneumothorax": False, "support_devices": True}
    assert first.extra == {
        "body_part": "chest",
        "sex": "F",
        "age": "68",
        "view": "AP",
        "study": "patient00001/study1",
        "official_split": "train",
    }
    assert (third.extra["view"], third.patient_id) == ("lateral", "patient00002")
    assert (last.extra["official_split"], last.extra["view"]) == ("val", "PA")
    assert len(last.labels) == 14 and sum(last.labels.values()) == 7
    assert {a.status for a in (first, second, third, last)} == {Status.UNKNOWN}
    assert not ledger.image_entries and not ledger.hints


def test_what_is_uncertain_is_named_and_no_label(tmp_path: Path) -> None:
    (first, second, *_), _ = read_files(tmp_path, SET)
    assert second.extra["uncertain"] == (
        "cardiomegaly, edema, consolidation, atelectasis, pleural_effusion"
    )
    assert second.labels == {"lung_opacity": True, "fracture": True}
    assert "uncertain" not in first.extra


@pytest.mark.parametrize(
    "files",
    [
        {name.removeprefix(f"{TOP}/"): text for name, text in SET.items()},
        {f"archive/{name}": text for name, text in SET.items()},
        {
            "CheXpert-v1.0 batch 1 (validate & csv)/train.csv": TRAIN.replace("-small", ""),
            "CheXpert-v1.0 batch 1 (validate & csv)/valid.csv": VALID.replace("-small", ""),
            "CheXpert-v1.0 batch 1 (validate & csv)/" + IMAGES[3]: "",
        }
        | {image.replace("train", "CheXpert-v1.0 batch 2 (train 1)"): "" for image in IMAGES[:3]},
    ],
    ids=["without its folder", "a folder deeper", "batches of the original"],
)
def test_other_ways_it_is_handed_out(tmp_path: Path, files: Mapping[str, str]) -> None:
    found, ledger = read_files(tmp_path, files)
    assert [a.patient_id[-5:] for a in found] == ["00001", "00002", "00002", "64541"]
    assert all((tmp_path / a.image).is_file() for a in found) and not ledger.image_entries


def test_the_test_set_has_labels_alone(tmp_path: Path) -> None:
    image = "test/patient64741/study1/view1_frontal.jpg"
    labels = LABELS.partition(",")[2]
    table = f"Path,{labels}\n{image},{','.join('1' * 13)}\n"
    (found,), _ = read_files(tmp_path, {"test_labels.csv": table, image: ""})
    assert found.extra == {
        "body_part": "chest",
        "study": "patient64741/study1",
        "official_split": "test",
    }
    assert len(found.labels) == 13 and all(found.labels.values())


def test_a_partial_download_is_told_in_the_ledger(tmp_path: Path) -> None:
    valid = {name: text for name, text in SET.items() if "/train/" not in name}
    found, ledger = read_files(tmp_path, valid)
    assert [a.patient_id for a in found] == ["patient64541"]
    assert ledger.left_out_by_reason() == {Reason.MISSING_IMAGE: 3}
    assert "3 of the 4 images" in ledger.hints[0]


def test_an_image_that_no_table_names(tmp_path: Path) -> None:
    extra = f"{TOP}/train/patient00009/study1/view1_frontal.jpg"
    (*_, last), _ = read_files(tmp_path, {**SET, extra: ""})
    assert (last.image, last.labels, last.status) == (extra, {}, Status.UNKNOWN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train.csv": None, "valid.csv": None}, "does not look like CheXpert"),
        ({"train.csv": TRAIN.replace("Path", "File")}, "must have a column 'path'"),
        ({"train.csv": "Path,Sex\n"}, "must have the labels of CheXpert"),
        ({"train.csv": TRAIN.replace(",1.0\n", ",2.0\n")}, "line 2: support_devices: must be 1, 0"),
        ({"train.csv": TRAIN.replace(",1.0\n", ",nan\n")}, "line 2: support_devices: must be 1, 0"),
        ({"train.csv": TRAIN.replace(",68,", ",old,")}, "line 2: must have an age"),
        ({"train.csv": TRAIN.replace(f"{TOP}/train/patient00001/study1/", "")}, "line 2: .* path"),
        ({"train.csv": f"{TRAIN}{TOP}/train/patient3/study1/a.jpg,Male\n"}, "must have 19 cells"),
    ],
    ids=["no table", "no path", "no labels", "label", "nan", "age", "path", "cells"],
)
def test_what_is_not_the_set(
    tmp_path: Path, change: Mapping[str, str | None], message: str
) -> None:
    changed = {**SET, **{f"{TOP}/{name}": text for name, text in change.items()}}
    with pytest.raises(AnnotationError, match=message):
        read_files(tmp_path, {name: text for name, text in changed.items() if text is not None})


def jpeg(grey: int) -> bytes:
    out = io.BytesIO()
    Image.new("L", (8, 8), grey).save(out, "JPEG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("again", "images"),
    [(TRAIN.splitlines()[1], 4), (TRAIN.splitlines()[1].replace("1.0,,", "0.0,,", 1), 3)],
    ids=["the same", "another label"],
)
def test_a_row_twice(tmp_path: Path, again: str, images: int) -> None:
    read_files(tmp_path / "in", {**SET, f"{TOP}/train.csv": f"{TRAIN}{again}\n"})
    for number, path in enumerate(sorted((tmp_path / "in").rglob("*.jpg"))):
        path.write_bytes(jpeg(number * 50))
    result = import_set(PUBLIC_SET, tmp_path / "in", tmp_path / "out", allow=[Reason.CONTRADICTION])
    assert result.counts.images == images
    cells = {record.extra["edema"] for record in result.dataset.records}
    assert cells == {"", "1"} and result.dataset.label_map.names == ()

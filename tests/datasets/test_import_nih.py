import io
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Reason
from lucency.configs.errors import AnnotationError
from lucency.datasets.import_nih import PUBLIC_SET, read
from lucency.datasets.importing import import_set

HEAD = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
ENTRIES = f"""\
{HEAD},
00000001_000.png,Cardiomegaly,0,1,058Y,M,PA,2682,2749,0.14300000000000002,0.14300000000000002,
00000001_001.png,Cardiomegaly|Emphysema,1,1,058Y,M,PA,2894,2729,0.143,0.143,
00000002_000.png,No Finding,0,2,081Y,F,AP,2500,2048,0.171,0.171,
"""
ENTRIES_2020 = f"""\
{HEAD.replace("Gender", "Sex")}
00000001_000.png,Cardiomegaly,0,1,57,M,PA,2682,2749,0.14300000000000002,0.14300000000000002
00000001_001.png,Cardiomegaly|Emphysema,1,1,58,M,PA,2894,2729,0.143,0.143
00000002_000.png,No Finding,0,2,80,F,AP,2500,2048,0.171,0.171
"""
BOXES = """\
Image Index,Finding Label,Bbox [x,y,w,h],,,
00000001_001.png,Cardiomegaly,225.0,547.0,86.5,79.0,,,
00000001_001.png,Infiltrate,686.0,131.5,185.5,313.5,,,
"""
SET = {
    "Data_Entry_2017.csv": ENTRIES,
    "BBox_List_2017.csv": BOXES,
    "train_val_list.txt": "00000001_000.png\n00000001_001.png\n",
    "test_list.txt": "00000002_000.png",
    "images_001/images/00000001_000.png": "",
    "images_001/images/00000001_001.png": "",
    "images_002/images/00000002_000.png": "",
}


def read_files(folder: Path, files: Mapping[str, str]) -> tuple[list[ImageAnnotation], Ledger]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return read_folder(folder)


def read_folder(folder: Path) -> tuple[list[ImageAnnotation], Ledger]:
    ledger = Ledger()
    found = list(read(folder, ledger))
    for annotation in found:
        for finding in annotation.findings:
            ledger.written(annotation.source, {finding.label: 1})
    ledger.check()
    return found, ledger


def test_the_set_as_it_is_downloaded(tmp_path: Path) -> None:
    (first, second, third), ledger = read_files(tmp_path, SET)
    assert first.image == "images_001/images/00000001_000.png"
    assert {a.patient_id for a in (first, second)} == {"00000001"}
    assert first.extra == {
        "body_part": "chest",
        "sex": "M",
        "age": "58",
        "view": "PA",
        "follow_up": "0",
        "official_split": "train",
    }
    assert {name for name, said in second.labels.items() if said} == {"cardiomegaly", "emphysema"}
    assert len(second.labels) == 15 and third.labels["no_finding"]
    assert [(f.label, f.box) for f in second.findings] == [
        ("Cardiomegaly", Box(225, 547, 311.5, 626)),
        ("Infiltrate", Box(686, 131.5, 871.5, 445)),
    ]
    assert (second.size_wh, second.source) == ((1024, 1024), "BBox_List_2017.csv")
    assert [a.status.value for a in (first, second, third)] == ["unknown", "annotated", "unknown"]
    assert third.extra["official_split"] == "test" and third.split == ""
    assert not ledger.image_entries and not ledger.hints


@pytest.mark.parametrize(
    "files",
    [
        {f"CXR8/{name}": text for name, text in SET.items()},
        {name.replace("images_001/images/", "images/"): text for name, text in SET.items()},
        {name.replace("2017.csv", "2017_v2020.csv"): text for name, text in SET.items()}
        | {"Data_Entry_2017_v2020.csv": ENTRIES_2020, "Data_Entry_2017.csv": ENTRIES},
    ],
    ids=["a folder deeper", "all images together", "corrected table beside the old"],
)
def test_other_ways_it_is_handed_out(tmp_path: Path, files: Mapping[str, str]) -> None:
    found, _ = read_files(tmp_path, files)
    assert all((tmp_path / a.image).is_file() for a in found)
    assert sum(len(a.findings) for a in found) == 2 and len(found) == 3
    corrected = "Data_Entry_2017_v2020.csv" in files
    assert [a.extra["age"] for a in found][::2] == (["57", "80"] if corrected else ["58", "81"])
    assert [a.extra["sex"] for a in found] == ["M", "M", "F"]


def test_a_partial_download_is_told_in_the_ledger(tmp_path: Path) -> None:
    files = {name: text for name, text in SET.items() if not name.endswith("001_001.png")}
    found, ledger = read_files(tmp_path, files)
    assert [a.patient_id for a in found] == ["00000001", "00000002"]
    assert ledger.left_out_by_reason() == {Reason.MISSING_IMAGE: 1}
    assert "1 of the 3 images" in ledger.hints[0]
    assert ledger.dropped_by_reason() == {Reason.MISSING_IMAGE: 2}


def test_without_the_lists_and_the_boxes(tmp_path: Path) -> None:
    files = {n: t for n, t in SET.items() if "list.txt" not in n and not n.startswith("BBox")}
    found, ledger = read_files(tmp_path, files)
    assert not any("official_split" in a.extra or a.findings for a in found)
    assert ledger.hints == ["there is no BBox_List_2017.csv: the set is imported without boxes"]


def test_an_image_that_the_table_does_not_name(tmp_path: Path) -> None:
    (*_, last), _ = read_files(tmp_path, {**SET, "images/00099999_000.png": ""})
    assert (last.image, last.status) == ("images/00099999_000.png", Status.UNKNOWN)
    assert not last.labels and not last.extra


def test_a_box_of_an_image_that_the_table_does_not_name_is_kept(tmp_path: Path) -> None:
    row = "00000007_000.png,Mass,1,2,3,4\n"
    files = {**SET, "BBox_List_2017.csv": BOXES + row, "images/00000007_000.png": ""}
    found, _ = read_files(tmp_path, files)
    assert [(a.patient_id, len(a.findings)) for a in found][3:] == [("00000007", 1)]


def test_a_box_that_is_no_number_is_dropped(tmp_path: Path) -> None:
    row = "00000001_000.png,Mass,nan,2,3,4\n"
    found, ledger = read_files(tmp_path, {**SET, "BBox_List_2017.csv": BOXES + row})
    assert ledger.dropped_by_reason() == {Reason.NOT_FINITE: 1}
    assert found[0].status is Status.UNKNOWN and found[0].labels["cardiomegaly"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Data_Entry_2017.csv": None}, "does not look like NIH ChestX-ray14"),
        ({"Data_Entry_2017.csv": ENTRIES.replace("Finding Labels", "F")}, "column 'finding lab"),
        ({"Data_Entry_2017.csv": ENTRIES.replace("Patient ID", "P")}, "column 'patient id'"),
        (
            {"Data_Entry_2017.csv": ENTRIES.replace("|Emph", "|Flu|Emph")},
            "line 3: must have lab.*flu",
        ),
        ({"Data_Entry_2017.csv": ENTRIES.replace("081Y", "old")}, "line 4: must have an age"),
        ({"Data_Entry_2017.csv": ENTRIES.replace("00000002_000.png", "")}, "line 4: must name"),
        ({"Data_Entry_2017.csv": ENTRIES + "00000009_000.png,Mass"}, "line 5: must have 11 cells"),
        ({"BBox_List_2017.csv": "Image Index,Finding Label\n"}, "must have columns Bbox"),
        ({"test_list.txt": "00000001_000.png"}, "00000001_000.png stands in the other list"),
    ],
    ids=[
        "no table",
        "no labels",
        "no patients",
        "label",
        "age",
        "image",
        "cells",
        "boxes",
        "lists",
    ],
)
def test_what_is_not_the_set(
    tmp_path: Path, change: Mapping[str, str | None], message: str
) -> None:
    files = {name: text for name, text in {**SET, **change}.items() if text is not None}
    with pytest.raises(AnnotationError, match=message):
        read_files(tmp_path, files)


def png(side: int) -> bytes:
    out = io.BytesIO()
    Image.new("L", (side, side), side).save(out, "PNG")
    return out.getvalue()


def test_a_row_twice_is_one_image_and_boxes_are_scaled_with_it(tmp_path: Path) -> None:
    last = ENTRIES.splitlines()[-1]
    read_files(tmp_path / "in", {**SET, "Data_Entry_2017.csv": f"{ENTRIES}{last}\n"})
    for number, path in enumerate(sorted((tmp_path / "in").rglob("*.png"))):
        path.write_bytes(png(512 + number))
    result = import_set(PUBLIC_SET, tmp_path / "in", tmp_path / "out")
    records = {record.image.name: record for record in result.dataset.records}
    assert len(records) == 3 == result.counts.images
    boxed = records["00000001_001.png"]
    assert [f.box.x1 for f in result.dataset.findings(boxed)] == pytest.approx(
        [225 * 513 / 1024, 686 * 513 / 1024], abs=0.01
    )
    assert result.dataset.label_map.names == PUBLIC_SET.classes
    assert records["00000002_000.png"].label("no_finding") is True


@pytest.mark.real_data
def test_all_boxes_of_the_real_list(lucency_data: Path, tmp_path: Path) -> None:
    shutil.copy(lucency_data / "formats/csv/nih/BBox_List_2017.csv", tmp_path)
    lines = (tmp_path / "BBox_List_2017.csv").read_text().splitlines()[1:]
    images = sorted({line.partition(",")[0] for line in lines})
    rows = [f"{name},No Finding,0,{int(name[:8])},60,M,PA,1,1,1,1" for name in images]
    (tmp_path / "Data_Entry_2017_v2020.csv").write_text("\n".join([HEAD, *rows]))
    (tmp_path / "images").mkdir()
    for name in images:
        (tmp_path / "images" / name).touch()
    found, _ = read_folder(tmp_path)
    boxes = Counter(finding.label for a in found for finding in a.findings)
    assert (len(found), sum(boxes.values())) == (880, 984)
    assert set(boxes) == set(PUBLIC_SET.classes)
    assert (boxes["Atelectasis"], boxes["Nodule"]) == (180, 79)


def test_no_number_is_no_patient(tmp_path: Path) -> None:
    entries = ENTRIES_2020.replace(",0,1,57", ",0,,57").replace(",0,2,80", ",0, ,80")
    found, _ = read_files(tmp_path, SET | {"Data_Entry_2017.csv": entries})
    assert [annotation.patient_id for annotation in found] == ["", "00000001", ""]

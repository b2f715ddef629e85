import csv
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
from lucency.datasets.import_grazpedwri import PUBLIC_SET, read
from lucency.datasets.importing import import_set

A, B, C = (
    "0001_1297860395_01_WRI-L1_M014",
    "0001_1297860435_01_WRI-L2_M014",
    "0002_0354485735_01_WRI-R1_F012",
)
TABLE = f"""\
\ufefffilestem,patient_id,study_number,timehash,gender,age,laterality,projection,initial_exam,\
ao_classification,cast,diagnosis_uncertain,osteopenia,fracture_visible,metal,pixel_spacing,\
device_manufacturer
{A},1,1,1297860395,M,14.1,L,1,1,23r-M/2.1,,,,,,0.144,Siemens
{B},1,1,1297860435,M,14.1,L,2,1,23r-M/2.1,,,,1,,0.144,Siemens
{C},2,1,354485735,F,12,R,1,1,23r-M/2.1,,1,,,,0.144,Siemens
"""
LABELS = "folder_structure/yolov5/labels"
YOLO = {
    "folder_structure/yolov5/meta.yaml": "names: [boneanomaly, bonelesion]\nnc: 9\n",
    f"{LABELS}/{A}.txt": "8 0.5 0.25 0.5 0.125\n",
    f"{LABELS}/{B}.txt": "3 0.5 0.5 0.25 0.25\n8 0.5 0.25 0.5 0.125\n",
    f"{LABELS}/{C}.txt": "",
}
SET = {
    "dataset.csv": TABLE,
    **YOLO,
    f"images_part1/{A}.png": "",
    f"images_part1/{B}.png": "",
    f"images_part2/{C}.png": "",
}


def voc(image: str, *names: str) -> str:
    box = "<bndbox><xmin>40</xmin><ymin>50</ymin><xmax>60</xmax><ymax>90</ymax></bndbox>"
    objects = "".join(f"<object><name>{name}</name>{box}</object>" for name in names)
    size = "<size><width>400</width><height>800</height></size>"
    return f"<annotation><filename>{image}.png</filename>{size}{objects}</annotation>"


def read_files(folder: Path, files: Mapping[str, str]) -> tuple[list[ImageAnnotation], Ledger]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
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
    assert second.image == f"images_part1/{B}.png"
    assert second.extra == {
        "body_part": "wrist",
        "sex": "M",
        "age": "14.1",
        "laterality": "L",
        "view": "lateral",
        "study": "1/1",
        "manufacturer": "Siemens",
        "pixel_spacing": "0.144",
        "ao_classification": "23r-M/2.1",
    }
    assert {name for name, said in second.labels.items() if said} == {
        "fracture_visible",
        "initial_exam",
    }
    assert len(second.labels) == 6 and third.labels["diagnosis_uncertain"]
    fracture, text = second.findings
    assert (fracture.label, fracture.box) == ("fracture", Box(0.375, 0.375, 0.625, 0.625))
    assert text.label == "text"
    assert [[f.label for f in a.findings] for a in (first, third)] == [["text"], []]
    assert [a.patient_id for a in (first, second, third)] == ["1", "1", "2"]
    assert (first.extra["view"], third.extra["sex"]) == ("frontal", "F")
    assert not ledger.image_entries and not ledger.hints


@pytest.mark.parametrize(
    ("left_out", "status"),
    [("", Status.NEGATIVE), (f"{LABELS}/{C}.txt", Status.UNKNOWN)],
    ids=["empty label file", "no label file"],
)
def test_who_was_looked_at(tmp_path: Path, left_out: str, status: Status) -> None:
    files = {name: text for name, text in SET.items() if name != left_out}
    found, _ = read_files(tmp_path, files)
    assert [a.status for a in found] == [Status.ANNOTATED, Status.ANNOTATED, status]
    assert [a.patient_id for a in found] == ["1", "1", "2"]


def test_pascal_voc_where_there_is_no_yolo_and_without_the_axis(tmp_path: Path) -> None:
    files = {name: text for name, text in SET.items() if "yolov5" not in name}
    below = "folder_structure/pascalvoc"
    files |= {f"{below}/{B}.xml": voc(B, "fracture", "axis"), f"{below}/{C}.xml": voc(C, "axis")}
    (second, third, first), ledger = read_files(tmp_path, files)
    assert [(f.label, f.box) for f in second.findings] == [("fracture", Box(40, 50, 60, 90))]
    assert (second.size_wh, second.labels["fracture_visible"]) == ((400, 800), True)
    assert [third.status, first.status] == [Status.NEGATIVE, Status.UNKNOWN]
    assert ledger.dropped_by_label() == {("axis", Reason.DROPPED_LABEL): 2}


@pytest.mark.parametrize(
    "files",
    [
        {f"GRAZPEDWRI-DX/{name}": text for name, text in SET.items()},
        {name.replace("images_part1", "images"): text for name, text in SET.items()},
        {**SET, f"folder_structure/supervisely/wrist/img/{A}.png": ""},
    ],
    ids=["a folder deeper", "other folders", "images twice"],
)
def test_other_ways_it_is_handed_out(tmp_path: Path, files: Mapping[str, str]) -> None:
    found, _ = read_files(tmp_path, files)
    assert [len(a.findings) for a in found] == [1, 2, 0]
    assert all((tmp_path / a.image).is_file() and "super" not in a.image for a in found)


def test_an_image_that_lost_a_box_beside_its_axis_is_no_negative(tmp_path: Path) -> None:
    files = {name: text for name, text in SET.items() if "yolov5" not in name}
    document = voc(C, "axis", "fracture")
    document = "nan</xmax>".join(document.rsplit("60</xmax>", 1))
    found, ledger = read_files(tmp_path, {**files, f"pascalvoc/{C}.xml": document})
    assert ledger.dropped_by_reason() == {Reason.DROPPED_LABEL: 1, Reason.NOT_FINITE: 1}
    assert [a.status for a in found if C in a.image] == [Status.UNKNOWN]


def test_without_boxes_all_is_unknown(tmp_path: Path) -> None:
    files = {name: text for name, text in SET.items() if "folder_structure" not in name}
    found, ledger = read_files(tmp_path, files)
    assert {a.status for a in found} == {Status.UNKNOWN} and found[1].labels["fracture_visible"]
    assert "imported without boxes" in ledger.hints[0]


def test_a_partial_download_is_told_in_the_ledger(tmp_path: Path) -> None:
    files = {name: text for name, text in SET.items() if "images_part1" not in name}
    found, ledger = read_files(tmp_path, files)
    assert [a.patient_id for a in found] == ["2"]
    assert ledger.left_out_by_reason() == {Reason.MISSING_IMAGE: 2}
    assert ledger.dropped_by_reason() == {Reason.MISSING_IMAGE: 3}


def test_an_image_that_the_table_does_not_name(tmp_path: Path) -> None:
    (*_, last), _ = read_files(tmp_path, {**SET, "images_part2/9.png": ""})
    assert (last.image, last.status, last.extra) == ("images_part2/9.png", Status.UNKNOWN, {})


def test_a_box_that_is_no_number_is_dropped(tmp_path: Path) -> None:
    files = {**SET, f"{LABELS}/{C}.txt": "3 nan 0.5 0.25 0.25\n"}
    found, ledger = read_files(tmp_path, files)
    assert ledger.dropped_by_reason() == {Reason.NOT_FINITE: 1}
    assert found[2].status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "does not look like GRAZPEDWRI-DX"),
        (TABLE.replace("filestem", "name"), "must have a column 'filestem'"),
        (TABLE.replace("patient_id", "id"), "must have a column 'patient_id'"),
        (TABLE.replace(",12,", ",twelve,"), "line 4: must have an age"),
        (TABLE.replace(",1,,0.144", ",2,,0.144"), "line 3: must be 0 or 1"),
        (TABLE + TABLE.splitlines()[-1], "line 5: must name an image, and each once"),
        (TABLE + "x,1\n", "line 5: must have 17 cells"),
    ],
    ids=["no table", "no images", "no patients", "age", "flag", "row twice", "cells"],
)
def test_what_is_not_the_set(tmp_path: Path, table: str | None, message: str) -> None:
    files = {**SET, "dataset.csv": table}
    with pytest.raises(AnnotationError, match=message):
        read_files(tmp_path, {name: text for name, text in files.items() if text is not None})


def test_the_imported_set(tmp_path: Path) -> None:
    read_files(tmp_path / "in", SET)
    for number, path in enumerate(sorted((tmp_path / "in").rglob("*.png"))):
        out = io.BytesIO()
        Image.new("I;16", (40, 80), number * 4_000).save(out, "PNG")
        path.write_bytes(out.getvalue())
    result = import_set(PUBLIC_SET, tmp_path / "in", tmp_path / "out")
    assert result.dataset.label_map.names == PUBLIC_SET.classes
    assert {name: n for name, n in result.counts.boxes.items() if n} == {"fracture": 1, "text": 2}
    assert result.counts.status == {"annotated": 2, "negative": 1, "unknown": 0}
    boxed = next(r for r in result.dataset.records if r.image.stem == B)
    assert result.dataset.findings(boxed)[0].box == Box(15, 30, 25, 50)


@pytest.mark.real_data
def test_all_rows_of_the_real_table(lucency_data: Path, tmp_path: Path) -> None:
    shutil.copy(lucency_data / "formats/csv/grazped/dataset.csv", tmp_path)
    with (tmp_path / "dataset.csv").open(encoding="utf-8-sig", newline="") as stream:
        stems = [row["filestem"] for row in csv.DictReader(stream)]
    (tmp_path / "images_part1").mkdir()
    for stem in stems:
        (tmp_path / "images_part1" / f"{stem}.png").touch()
    found, ledger = read_folder(tmp_path)
    assert (len(found), len({a.patient_id for a in found})) == (20_327, 6_091)
    assert Counter(a.extra["view"] for a in found) == {
        "lateral": 10_148, "frontal": 10_086, "other": 93,
    }  # fmt: skip
    assert Counter(a.extra.get("sex") for a in found) == {"M": 12_040, "F": 8_285, None: 2}
    assert len({a.extra["study"] for a in found}) == 10_699
    assert sum(a.labels["fracture_visible"] for a in found) == 13_550
    assert not ledger.image_entries

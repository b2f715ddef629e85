import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from lucency.annotations import fracatlas, grazpedwri, mura
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.formats import Reader
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError


def read(reader: Reader, path: Path) -> tuple[list[ImageAnnotation], Ledger]:
    ledger = Ledger()
    found = list(reader.read(Source(path), ledger))
    for annotation in found:
        for finding in annotation.findings:
            ledger.written(annotation.source, {finding.label: 1})
    ledger.check()
    return found, ledger


def read_files(
    reader: Reader, folder: Path, files: Mapping[str, str], name: str = ""
) -> tuple[list[ImageAnnotation], Ledger]:
    for file, text in files.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read(reader, folder / name)


# GRAZPEDWRI-DX

GRAZPED = """\
\ufefffilestem,patient_id,gender,age,laterality,initial_exam,cast,fracture_visible,metal
0001_1297860395_01_WRI-L1_M014,1,M,14.1,L,1,,,
0002_0354485735_01_WRI-R1_F012,2,F,,R,,1,1,
"""


def test_grazpedwri(tmp_path: Path) -> None:
    (first, second), ledger = read_files(grazpedwri, tmp_path, {"dataset.csv": GRAZPED})
    assert (first.image, first.patient_id) == ("0001_1297860395_01_WRI-L1_M014", "1")
    assert first.extra == {"gender": "M", "age": "14.1", "laterality": "L"}
    assert first.labels == {
        "initial_exam": True, "cast": False, "fracture_visible": False, "metal": False,
    }  # fmt: skip
    assert second.labels["fracture_visible"] and "age" not in second.extra
    assert {a.status for a in (first, second)} == {Status.UNKNOWN}
    assert "no boxes" in ledger.hints[0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x,3,M,1,L,2,,,", 'line 4: must be 0 or 1, got "2"'),
        ("x,3,M", "line 4: must have 9 cells, got 3"),
        (" ,3,M,1,L,1,,,", "line 4: must name an image"),
        ("0002_0354485735_01_WRI-R1_F012,3,M,1,L,1,,,", "line 4: must name an image, and each"),
    ],
)
def test_a_broken_row_of_grazpedwri(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=f"dataset.csv: {message}"):
        read_files(grazpedwri, tmp_path, {"dataset.csv": GRAZPED + row}, "dataset.csv")


GRAZPED_VOC = """\
<annotation><filename>0002_0354485735_01_WRI-R1_F012.png</filename>
<size><width>400</width><height>800</height></size>
<object><name>fracture</name><bndbox><xmin>40</xmin><ymin>50</ymin><xmax>60</xmax><ymax>90</ymax>
</bndbox></object></annotation>
"""
GRAZPED_YOLO = {
    "yolov5/meta.yaml": "names: [fracture, text]\nnc: 2\n",
    "yolov5/labels/0002_0354485735_01_WRI-R1_F012.txt": "0 0.125 0.0875 0.05 0.05\n",
}


@pytest.mark.parametrize(
    ("files", "size_wh"),
    [
        ({"pascalvoc/0002_0354485735_01_WRI-R1_F012.xml": GRAZPED_VOC, **GRAZPED_YOLO}, (400, 800)),
        ({"other.xml": "<open", "other.yaml": "\t", **GRAZPED_YOLO}, (1, 1)),
    ],
    ids=["Pascal VOC", "YOLO"],
)
def test_boxes_of_grazpedwri_have_the_patient_of_its_table(
    tmp_path: Path, files: Mapping[str, str], size_wh: tuple[int, int]
) -> None:
    (second, first), ledger = read_files(grazpedwri, tmp_path, {"dataset.csv": GRAZPED, **files})
    assert [(f.label, f.box.x1) for f in second.findings] == [("fracture", 40 / 400 * size_wh[0])]
    assert (second.size_wh, second.status, second.patient_id) == (size_wh, Status.ANNOTATED, "2")
    assert second.labels["fracture_visible"] and second.extra["laterality"] == "R"
    assert (first.status, first.patient_id) == (Status.UNKNOWN, "1")
    assert not any("no boxes" in hint for hint in ledger.hints)


@pytest.mark.real_data
def test_the_images_of_grazpedwri(lucency_data: Path) -> None:
    found, _ = read(grazpedwri, lucency_data / "formats/csv/grazped")
    assert (len(found), len({a.patient_id for a in found})) == (20_327, 6_091)
    true = Counter(name for a in found for name, flag in a.labels.items() if flag)
    assert (true["fracture_visible"], true["metal"], true["cast"]) == (13_550, 708, 5_776)


# FracAtlas

FRACATLAS = """\
image_id,hand,leg,hip,shoulder,mixed,hardware,multiscan,fractured,fracture_count,frontal,lateral
1.jpg,1,0,0,0,0,0,0,1,2,1,1
2.jpg,0,1,1,0,1,0,0,0,0,1,0
3.jpg,0,0,0,1,0,1,0,1,1,0,0
4.jpg,0,1,0,0,0,0,0,0,0,1,0
5.jpg,0,1,0,0,0,0,0,1,1,1,0
"""


def coco_document() -> str:
    names = ["Fractured/1.jpg", "4.jpg", "5.jpg", "9.jpg"]
    boxes = [(0, [1, 2, 3, 4]), (0, [5, 6, 7, 8]), (1, [1, 1, 2, 2]), (3, [3, 3, 2, 2])]
    return json.dumps(
        {
            "images": [
                {"id": i, "file_name": name, "width": 100, "height": 80}
                for i, name in enumerate(names)
            ],
            "annotations": [
                {"id": number, "image_id": image, "category_id": 0, "bbox": bbox}
                for number, (image, bbox) in enumerate(boxes)
            ],
            "categories": [{"id": 0, "name": "fractured"}],
        }
    )


def test_fracatlas_joins_its_table_with_the_coco_document(tmp_path: Path) -> None:
    files = {
        "dataset.csv": FRACATLAS,
        "Annotations/COCO JSON/COCO_fracture_masks.json": coco_document(),
        "Annotations/VGG JSON/VGG_fracture_masks.json": '{"1.jpg": {"regions": []}}',
        "Utilities/Fracture Split/train.csv": "image_id\n1.jpg\n",
    }
    found, ledger = read_files(fracatlas, tmp_path, files)
    assert [(a.image, a.status.value, len(a.findings)) for a in found] == [
        ("Fractured/1.jpg", "annotated", 2),
        ("2.jpg", "negative", 0),
        ("3.jpg", "unknown", 0),
        ("4.jpg", "annotated", 1),
        ("5.jpg", "unknown", 0),
        ("9.jpg", "annotated", 1),
    ]
    assert found[0].labels == {"fractured": True}
    assert found[0].extra == {
        "body_part": "hand", "view": "frontal, lateral", "mixed": "0", "hardware": "0",
        "multiscan": "0", "fracture_count": "2",
    }  # fmt: skip
    assert found[1].extra["body_part"] == "leg, hip"
    reasons = [(entry.image, entry.reason) for entry in ledger.image_entries]
    assert reasons == [("3.jpg", Reason.UNKNOWN_STATUS), ("4.jpg", Reason.CONTRADICTION)]


def test_an_image_twice_in_fracatlas(tmp_path: Path) -> None:
    files = {"dataset.csv": FRACATLAS + "1.jpg,1,0,0,0,0,0,0,1,2,1,1\n"}
    with pytest.raises(AnnotationError, match=r"dataset\.csv: line 7: must name an image"):
        read_files(fracatlas, tmp_path, files, "dataset.csv")


@pytest.mark.real_data
def test_the_images_of_fracatlas(lucency_data: Path) -> None:
    found, ledger = read(fracatlas, lucency_data / "fracatlas")
    assert Counter(a.status.value for a in found) == {"annotated": 656, "negative": 912}
    assert ledger.totals()["written"] == 855
    assert not ledger.image_entries


# MURA

STUDY = "MURA-v1.1/valid/XR_WRIST/patient11185/study1_positive"
NORMAL = "MURA-v1.1/valid/XR_ELBOW/patient11186/study2_negative"


def test_mura(tmp_path: Path) -> None:
    files = {
        "valid_labeled_studies.csv": f"{STUDY}/,1\n{NORMAL}/,0\n",
        "valid_image_paths.csv": f"{STUDY}/image1.png\n{STUDY}/image2.png\n{NORMAL}/image1.png\n",
    }
    found, ledger = read_files(mura, tmp_path, files)
    assert [(a.image, a.status.value, dict(a.labels)) for a in found] == [
        (f"{STUDY}/image1.png", "unknown", {"abnormal": True}),
        (f"{STUDY}/image2.png", "unknown", {"abnormal": True}),
        (f"{NORMAL}/image1.png", "negative", {"abnormal": False}),
    ]
    assert (found[2].patient_id, found[2].split) == ("patient11186", "val")
    assert found[2].extra == {"body_part": "elbow", "study": "study2_negative"}
    assert not ledger.image_entries and not ledger.hints


def test_images_of_mura_go_by_their_path_below_the_tables(tmp_path: Path) -> None:
    files = {
        "MURA-v1.1/valid_labeled_studies.csv": f"{STUDY}/,1\n",
        "MURA-v1.1/valid_image_paths.csv": f"{STUDY}/image1.png\n",
    }
    (only,), _ = read_files(mura, tmp_path, files)
    assert only.image == f"{STUDY}/image1.png".removeprefix("MURA-v1.1/")
    assert (only.patient_id, only.labels) == ("patient11185", {"abnormal": True})


def test_a_study_without_images_and_an_image_without_study(tmp_path: Path) -> None:
    files = {
        "train_labeled_studies.csv": f"{STUDY}/,0\n",
        "train_image_paths.csv": f"{NORMAL}/image1.png\n",
    }
    (only,), ledger = read_files(mura, tmp_path, files, "train_labeled_studies.csv")
    assert (only.image, only.status, only.labels) == (
        f"{NORMAL}/image1.png", Status.UNKNOWN, {},
    )  # fmt: skip
    (entry,) = ledger.image_entries
    assert (entry.image, entry.reason, entry.left_out) == (STUDY, Reason.MISSING_IMAGE, True)


@pytest.mark.parametrize(
    ("studies", "message"),
    [
        (f"{STUDY}/,1\n{STUDY}/,0\n", "line 2: study .* has both labels"),
        (f"{STUDY}/,2\n", "line 1: must be 0 or 1"),
        (f"{STUDY}/,1\nelsewhere,1\n", "line 2: must be the folder of a study"),
        (f"{STUDY}/,1\n", "must have the list of image paths"),
    ],
    ids=["both labels", "no label", "no study", "no images"],
)
def test_a_broken_table_of_studies(tmp_path: Path, studies: str, message: str) -> None:
    files = {"train_labeled_studies.csv": studies}
    if "list of" not in message:
        files["train_image_paths.csv"] = f"{STUDY}/image1.png\n"
    with pytest.raises(AnnotationError, match=f"train_labeled_studies.csv: {message}"):
        read_files(mura, tmp_path, files, "train_labeled_studies.csv")

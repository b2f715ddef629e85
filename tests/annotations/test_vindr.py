from collections.abc import Mapping
from pathlib import Path

import pytest

from lucency.annotations import vindr_cxr, vindr_mammo
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.formats import Reader
from lucency.annotations.geometry import Box
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


# VinDr-CXR

VINDR = """\
image_id,rad_id,class_name,x_min,y_min,x_max,y_max
i1,R1,Cardiomegaly,691.0,1375.5,1653.25,1831.0
i2,R1,No finding,,,,
i1,R2,No finding,,,,
i1,R1,Mass,10,20,30,40
i2,R3,No finding,0,0,1,1
i3,R1,Mass,,,,
"""
VINDR_LABELS = """\
image_id,rad_id,Cardiomegaly,Mass,No finding
i1,R1,1,1,0
i1,R2,0,0,1
i1,R3,1,0,0
i2,R1,0,0,1
i4,R1,0.0,0,1
"""


def test_each_reader_of_vindr_cxr_gives_one_annotation(tmp_path: Path) -> None:
    found, ledger = read_files(vindr_cxr, tmp_path, {"train.csv": VINDR})
    assert [(a.image, a.reader, a.status.value, len(a.findings)) for a in found] == [
        ("i1", "R1", "annotated", 2),
        ("i1", "R2", "negative", 0),
        ("i2", "R1", "negative", 0),
        ("i2", "R3", "negative", 0),
        ("i3", "R1", "unknown", 0),
    ]
    assert found[0].findings[0].box == Box(691, 1375.5, 1653.25, 1831)
    assert {(a.split, a.size_wh) for a in found} == {("", None)}
    assert [entry.reason for entry in ledger.box_entries] == [Reason.NO_BOX]


def test_image_level_labels_are_what_most_readers_say(tmp_path: Path) -> None:
    files = {"annotations_train.csv": VINDR, "image_labels_train.csv": VINDR_LABELS}
    found, _ = read_files(vindr_cxr, tmp_path, files)
    assert {(a.image, a.reader): dict(a.labels) for a in found} == {
        ("i1", "R1"): {"Cardiomegaly": True, "Mass": False, "No finding": False},
        ("i1", "R2"): {"Cardiomegaly": True, "Mass": False, "No finding": False},
        ("i2", "R1"): {"Cardiomegaly": False, "Mass": False, "No finding": True},
        ("i2", "R3"): {"Cardiomegaly": False, "Mass": False, "No finding": True},
        ("i3", "R1"): {},
        ("i4", ""): {"Cardiomegaly": False, "Mass": False, "No finding": True},
    }
    assert {a.split for a in found} == {"train"}
    assert [a.status for a in found][-1] is Status.UNKNOWN


def test_the_image_level_labels_of_vindr_cxr_alone(tmp_path: Path) -> None:
    files = {"annotations_test.csv": VINDR, "image_labels_test.csv": VINDR_LABELS}
    found, _ = read_files(vindr_cxr, tmp_path, files, "image_labels_test.csv")
    assert [(a.image, a.status, a.split) for a in found] == [
        (image, Status.UNKNOWN, "test") for image in ("i1", "i2", "i4")
    ]


def test_vindr_test_images_have_no_reader_and_some_tables_a_size(tmp_path: Path) -> None:
    text = "image_id,class_name,x_min,y_min,x_max,y_max,width,height\ni1,Mass,1,2,3,4,2080,2336\n"
    (only,), _ = read_files(vindr_cxr, tmp_path, {"annotations_test.csv": text})
    assert (only.reader, only.size_wh, only.split) == ("", (2080, 2336), "test")


def test_sizes_may_stand_in_a_table_beside(tmp_path: Path) -> None:
    files = {
        "train.csv": VINDR,
        "train_meta.csv": "image_id,dim0,dim1\ni1,2880,2304\ni2,3072.0,2540.0\n",
        "test.csv": "image_id,width,height\ni3,9,9\n",
    }
    found, ledger = read_files(vindr_cxr, tmp_path, files)
    sizes = {a.image: a.size_wh for a in found}
    assert sizes == {"i1": (2304, 2880), "i2": (2540, 3072), "i3": None}
    assert [hint.partition(" ")[0] for hint in ledger.hints] == ["test.csv"]


@pytest.mark.parametrize("size", ["0,5", "-1,5", "nan,5", "1e400,5", "2.5,5", ",5", "x,5"])
def test_a_size_beside_that_is_none(tmp_path: Path, size: str) -> None:
    files = {"train.csv": VINDR, "train_meta.csv": f"image_id,dim0,dim1\ni1,{size}\n"}
    with pytest.raises(AnnotationError, match=r"train_meta\.csv: line 2: "):
        read_files(vindr_cxr, tmp_path, files, "train.csv")


def test_a_label_that_is_neither_0_nor_1(tmp_path: Path) -> None:
    files = {"annotations_train.csv": VINDR, "image_labels_train.csv": VINDR_LABELS + "i5,R1,0,x,1"}
    with pytest.raises(AnnotationError, match='line 7: must be 0 or 1, got "x"'):
        read_files(vindr_cxr, tmp_path, files, "annotations_train.csv")


@pytest.mark.real_data
def test_the_ten_rows_of_vindr_cxr(lucency_data: Path) -> None:
    found, ledger = read(vindr_cxr, lucency_data / "formats/csv/vindr")
    assert ledger.totals()["written"] == 10
    assert (found[2].image, found[2].reader) == ("321c111713c3ee5385db0effb54ff568", "R8")
    assert found[2].findings[0].box == Box(1292, 554, 1477, 805)


# VinDr-Mammo

MAMMO_HEADER = (
    "study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,"
    "breast_density,finding_categories,finding_birads,xmin,ymin,xmax,ymax,split"
)


def mammo_row(image: str, categories: str, corners: str) -> str:
    return f"s1,r1,{image},L,CC,3518,2800,BI-RADS 4,DENSITY C,{categories},BI-RADS 4,{corners},test"


def test_vindr_mammo(tmp_path: Path) -> None:
    rows = [
        MAMMO_HEADER,
        mammo_row("i1", "\"['Mass', 'Skin Retraction']\"", "2355.1,1731.6,2482.9,1852.7"),
        mammo_row("i1", "['Asymmetry']", "10,20,3000,40"),
        mammo_row("i2", "['No Finding']", ",,,"),
    ]
    files = {
        "finding_annotations.csv": "\n".join(rows),
        "breast-level_annotations.csv": "study_id,image_id,breast_birads\ns1,i1,BI-RADS 4\n",
    }
    (first, second), ledger = read_files(vindr_mammo, tmp_path, files)
    assert [(f.label, f.attributes["categories"]) for f in first.findings] == [
        ("Mass", "Mass, Skin Retraction"),
        ("Asymmetry", "Asymmetry"),
    ]
    assert first.findings[0].box == Box(2355.1, 1731.6, 2482.9, 1852.7)
    assert first.findings[0].attributes["finding_birads"] == "BI-RADS 4"
    assert (first.size_wh, first.patient_id, first.split) == ((2800, 3518), "s1", "test")
    assert first.extra == {
        "laterality": "L", "view_position": "CC", "breast_birads": "BI-RADS 4",
        "breast_density": "DENSITY C", "series_id": "r1",
    }  # fmt: skip
    assert second.status is Status.NEGATIVE
    assert ledger.totals()["in"] == 2


@pytest.mark.parametrize(
    ("categories", "corners", "reason"),
    [
        ("['No Finding']", "1,2,3,4", Reason.UNKNOWN_CLASS),
        ("['Mass']", ",,,", Reason.NO_BOX),
        ("[]", "1,2,3,4", Reason.MALFORMED),
        ("__import__('os')", "1,2,3,", Reason.MALFORMED),
        ("[" * 900, "1,2,3,", Reason.MALFORMED),
        ("\"['a', ['b']]\"", "1,2,3,4", Reason.MALFORMED),
    ],
    ids=["none with a box", "without a box", "empty", "code", "deep", "nested"],
)
def test_a_mammography_row_that_is_no_finding(
    tmp_path: Path, categories: str, corners: str, reason: Reason
) -> None:
    text = f"{MAMMO_HEADER}\n{mammo_row('i1', categories, corners)}\n"
    (_, *rest), ledger = read_files(vindr_mammo, tmp_path, {"finding_annotations.csv": text})
    assert [entry.reason for entry in ledger.box_entries] == [reason]
    assert rest == []

from pathlib import Path

import pytest

from lucency.annotations import automl, openimages, retinanet, tensorflow
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.formats import NORMALISED, Reader
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import Source


def read(reader: Reader, path: Path) -> tuple[list[ImageAnnotation], Ledger]:
    ledger = Ledger()
    found = list(reader.read(Source(path), ledger))
    for annotation in found:
        for finding in annotation.findings:
            ledger.written(annotation.source, {finding.label: 1})
    ledger.check()
    return found, ledger


def read_text(reader: Reader, path: Path, text: str) -> tuple[list[ImageAnnotation], Ledger]:
    path.write_text(text)
    return read(reader, path)


# TensorFlow


@pytest.mark.real_data
def test_the_raccoon_table(lucency_data: Path) -> None:
    found, ledger = read(tensorflow, lucency_data / "formats/csv/raccoon_tfcsv")
    assert (len(found), ledger.totals()["written"]) == (40, 44)
    first = found[0]
    assert (first.image, first.size_wh, first.split) == ("raccoon-146.jpg", (275, 183), "test")
    assert first.findings[0].box == Box(4, 4, 271, 180)


def test_a_tensorflow_image_without_class_and_box_is_unknown(tmp_path: Path) -> None:
    text = "filename,class,xmin,ymin,xmax,ymax\na\\1.png,,,,,\n"
    (only,), ledger = read_text(tensorflow, tmp_path / "labels.csv", text)
    assert (only.image, only.status, only.size_wh) == ("a/1.png", Status.UNKNOWN, None)
    assert ledger.totals()["in"] == 0


# RetinaNet

RETINANET = "/data/imgs/1.jpg,837,346,981,456,cow\n/data/imgs/2.jpg,215,312,279,391,cat\n"


def test_retinanet_boxes_and_negatives(tmp_path: Path) -> None:
    text = RETINANET + "/data/imgs/1.jpg,22,5,89,84,bird\n/data/imgs/3.jpg,,,,,\n"
    (first, second, third), ledger = read_text(retinanet, tmp_path / "val.csv", text)
    assert first.image == "/data/imgs/1.jpg"
    assert [(f.label, f.box) for f in first.findings] == [
        ("cow", Box(837, 346, 981, 456)),
        ("bird", Box(22, 5, 89, 84)),
    ]
    assert (second.size_wh, second.split) == (None, "val")
    assert third.status is Status.NEGATIVE
    assert ledger.totals()["in"] == 3


def test_retinanet_with_a_header_and_beside_a_list_of_classes(tmp_path: Path) -> None:
    (tmp_path / "classes.csv").write_text("cow,0\ncat,1\n")
    (tmp_path / "annotations.csv").write_text("path,x1,y1,x2,y2,class_name\n" + RETINANET)
    found, ledger = read(retinanet, tmp_path)
    assert [annotation.findings[0].index for annotation in found] == ["line 2", "line 3"]
    assert ledger.hints[0].startswith("classes.csv was passed over")
    assert not ledger.image_entries


@pytest.mark.parametrize(
    "titles",
    ["image,xmin,ymin,xmax,ymax,label", "image_name,x_min,y_min,x_max,y_max,class_name"],
)
def test_other_titles_of_retinanet(tmp_path: Path, titles: str) -> None:
    found, _ = read_text(retinanet, tmp_path / "x.csv", f"{titles}\n{RETINANET}")
    assert [finding.label for a in found for finding in a.findings] == ["cow", "cat"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1.jpg,1,2,3,4", Reason.MALFORMED),
        ("1.jpg,,,,,cow", Reason.NO_BOX),
        ("1.jpg,1,2,3,4,", Reason.UNKNOWN_CLASS),
        ("1.jpg,1,2,1,4,cow", Reason.ZERO_AREA),
    ],
)
def test_a_retinanet_row_that_is_no_finding(tmp_path: Path, row: str, reason: Reason) -> None:
    found, ledger = read_text(retinanet, tmp_path / "x.csv", f"{row}\n1.jpg,,,,,\n")
    assert [entry.reason for entry in ledger.box_entries] == [reason]
    assert [annotation.status for annotation in found] == [Status.UNKNOWN]


# AutoML

AUTOML = """\
TRAIN,gs://folder/sub/image1.png,car,0.1,0.1,,,0.3,0.3,,
TRAIN,gs://folder/sub/image1.png,bike,.7,.6,,,.8,.9,,
UNASSIGNED,gs://folder/im2.png,car,0.1,0.1,0.2,0.1,0.2,0.3,0.1,0.3
TEST,gs://folder/im3.png,,,,,,,,,
VALIDATION,im4.png,car,0.1,0.2,0.3,0.4
,gs://folder/im5.png,car,0.2,0.1,0.3,0.2,0.2,0.3,0.1,0.2
"""


def test_automl_rows_of_the_documentation_and_a_rotated_one(tmp_path: Path) -> None:
    found, ledger = read_text(automl, tmp_path / "x.csv", AUTOML)
    assert [(a.image, a.split, a.status.value) for a in found] == [
        ("sub/image1.png", "train", "annotated"),
        ("im2.png", "", "annotated"),
        ("im3.png", "test", "negative"),
        ("im4.png", "val", "annotated"),
        ("im5.png", "", "annotated"),
    ]
    boxes = [finding.box for annotation in found for finding in annotation.findings]
    assert boxes == [
        Box(0.1, 0.1, 0.3, 0.3),
        Box(0.7, 0.6, 0.8, 0.9),
        Box(0.1, 0.1, 0.2, 0.3),
        Box(0.1, 0.2, 0.3, 0.4),
        Box(0.1, 0.1, 0.3, 0.3),
    ]
    assert {annotation.size_wh for annotation in found} == {NORMALISED}
    assert found[1].findings[0].polygon is None
    assert found[4].findings[0].polygon == ((0.2, 0.1), (0.3, 0.2), (0.2, 0.3), (0.1, 0.2))
    assert ledger.totals()["in"] == 5


def test_vertex_rows_may_lack_the_set_and_the_label(tmp_path: Path) -> None:
    text = "gs://b/1.png\ntest,gs://b/2.png,car,.1,.1,,,.3,.3,,\ngs://b/3.png,car,.1,.1,,,.3,.3,,\n"
    text += "gs://b/4.png,,,,,,,,,\nTRAIN,gs://b/5.png\n"
    found, ledger = read_text(automl, tmp_path / "x.csv", text)
    assert [(a.image, a.split, a.status.value) for a in found] == [
        ("1.png", "", "unknown"),
        ("2.png", "test", "annotated"),
        ("3.png", "", "annotated"),
        ("4.png", "", "negative"),
        ("5.png", "train", "unknown"),
    ]
    assert ledger.totals()["in"] == 2


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        ("TRAIN,gs://b/1.png,car,,,,,,,,", Reason.NO_BOX, "must have a box"),
        ("TRAIN,gs://b/1.png,car,0.1,0.1,0.2,0.1,0.2,0.3,,", Reason.MALFORMED, "2 or 4 corners"),
        ("TRAIN,gs://b/1.png,car,0.1,,,,0.3,0.3,,", Reason.MALFORMED, "a number"),
        ("TRAIN,gs://b/1.png,car,0.1,nan,0.2,0.1,0.2,0.3,0.1,0.3", Reason.NOT_FINITE, "finite"),
        ("TRAIN,gs://b/1.png,car,0.1,0.1,,,0.1,0.3,,", Reason.ZERO_AREA, "above 0"),
        ("TRAIN,gs://b/1.png,car", Reason.NO_BOX, "must have a box"),
        ("TRAIN,gs://b,car,0.1,0.1,,,0.3,0.3,,", Reason.UNKNOWN_IMAGE, "name an image"),
        ("TRAIN,gs://b/1.png,,0.1,0.1,,,0.3,0.3,,", Reason.UNKNOWN_CLASS, "name a class"),
        ("SOME,gs://b/1.png,car,0.1,0.1,,,0.3,0.3,,", Reason.MALFORMED, "one set"),
        ("TEST,gs://b/0.png,car,0.1,0.1,,,0.3,0.3,,", Reason.MALFORMED, "one set"),
    ],
    ids=["no box", "3 corners", "half a corner", "nan", "no width", "short", "only a bucket",
         "no class", "no set", "two sets"],
)  # fmt: skip
def test_an_automl_row_that_is_no_finding(
    tmp_path: Path, row: str, reason: Reason, detail: str
) -> None:
    text = f"TRAIN,gs://b/0.png,car,0.1,0.1,,,0.3,0.3,,\n{row}\n"
    _, ledger = read_text(automl, tmp_path / "x.csv", text)
    (entry,) = ledger.box_entries
    assert (entry.reason, entry.index) == (reason, "line 2")
    assert detail in entry.detail


# OpenImages

OPENIMAGES = """\
ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf
a,xclick,/m/01,1,0.1,0.5,0.2,0.75,1,-1,0
a,xclick,/m/02,1,0.1,0.5,0.2,0.75,0,0,1
b,xclick,/m/02,1,0,1,0,1,0,0,0
"""


def test_openimages_boxes_names_and_groups(tmp_path: Path) -> None:
    (tmp_path / "class-descriptions-boxable.csv").write_text('/m/01,"Cat, small"\n')
    (tmp_path / "challenge-2019-classes-description-500.csv").write_text("/m/03,Dog\n")
    path = tmp_path / "oidv6-train-annotations-bbox.csv"
    (first, second), ledger = read_text(openimages, path, OPENIMAGES)
    (finding,) = first.findings
    assert (finding.label, finding.box) == ("Cat, small", Box(0.1, 0.2, 0.5, 0.75))
    assert dict(finding.attributes) == {"IsOccluded": "1"}
    assert (first.size_wh, first.split) == (NORMALISED, "train")
    assert second.findings[0].label == "/m/02"
    (crowd,) = ledger.box_entries
    assert (crowd.reason, crowd.index, crowd.label) == (Reason.CROWD, "line 3", "/m/02")


def test_an_openimages_table_in_pixels(tmp_path: Path) -> None:
    text = "ImageID,LabelName,XMin,YMin,XMax,YMax\na,x,0,0,120,80\na,x,3,4,5,6\na,x,0,0,1,1\n"
    (only,), ledger = read_text(openimages, tmp_path / "boxes.csv", text)
    assert (only.size_wh, len(only.findings)) == (None, 3)
    assert ledger.hints == ["boxes.csv: its boxes are taken as pixels, not as fractions"]


def test_one_wrong_fraction_does_not_turn_a_table_into_pixels(tmp_path: Path) -> None:
    text = OPENIMAGES + "b,xclick,/m/02,1,0.1,50,0.1,0.5,0,0,0\n"
    found, ledger = read_text(openimages, tmp_path / "boxes.csv", text)
    assert {annotation.size_wh for annotation in found} == {NORMALISED}
    assert not ledger.hints


def test_image_level_labels_of_openimages(tmp_path: Path) -> None:
    text = (
        "ImageID,Source,LabelName,Confidence\na,verification,/m/1,1\na,verification,/m/2,0\n"
        "b,machine,/m/1,0.7\nc,verification,/m/1,1\nc,crowdsource,/m/1,0\n"
    )
    path = tmp_path / "validation-annotations-human-imagelabels.csv"
    found, ledger = read_text(openimages, path, text)
    assert [(a.image, dict(a.labels), a.status, a.split) for a in found] == [
        ("a", {"/m/1": True, "/m/2": False}, Status.UNKNOWN, "val"),
        ("b", {}, Status.UNKNOWN, "val"),
        ("c", {}, Status.UNKNOWN, "val"),
    ]
    assert "2 image-level labels" in ledger.hints[0]


@pytest.mark.real_data
def test_the_openimages_folder(lucency_data: Path) -> None:
    folder = lucency_data / "formats/openimages/datumaro_open_images_dataset"
    found, ledger = read(openimages, folder)
    assert {a.image for a in found if a.findings} == {"b"}
    assert [f.label for a in found for f in a.findings] == ["Generic label #0"]
    assert [(e.image, e.label, e.reason) for e in ledger.box_entries] == [
        ("c", "Generic label #3", Reason.CROWD)
    ]
    labels = {(a.image, name): flag for a in found for name, flag in a.labels.items()}
    assert labels[("a", "Generic label #0")] and not labels[("b", "Generic label #0")]
    assert len(ledger.hints) == 4  # of lists of images and masks
    assert not ledger.image_entries

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from lucency.annotations import nih, rsna
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


# RSNA Pneumonia

RSNA = """\
patientId,x,y,width,height,Target
0004cfab-14fd,,,,,0
00436515-870c,264.0,152.0,213.0,379.0,1
00436515-870c,562.0,152.0,256.0,453.0,1
"""
RSNA_EXCEL = """\
patientId;x;y;width;height;Target
0004cfab-14fd;;;;;0
00436515-870c;264;152;213;379;1
00436515-870c;562,0;152,0;256,0;453,0;1
"""
RSNA_CLASSES = """\
patientId,class
0004cfab-14fd,No Lung Opacity / Not Normal
00436515-870c,Lung Opacity
"""


@pytest.mark.parametrize("text", [RSNA, RSNA_EXCEL], ids=["original", "Excel"])
def test_rsna(tmp_path: Path, text: str) -> None:
    files = {
        "stage_2_train_labels.csv": text,
        "stage_2_detailed_class_info.csv": RSNA_CLASSES,
        "stage_2_sample_submission.csv": "patientId,PredictionString\n1,0.5 0 0 100 100\n",
    }
    (negative, positive), ledger = read_files(rsna, tmp_path, files)
    assert (negative.image, negative.status) == ("0004cfab-14fd", Status.NEGATIVE)
    assert negative.extra == {"class": "No Lung Opacity / Not Normal"}
    assert [(f.label, f.box) for f in positive.findings] == [
        ("pneumonia", Box(264, 152, 477, 531)),
        ("pneumonia", Box(562, 152, 818, 605)),
    ]
    assert (positive.patient_id, positive.size_wh) == ("00436515-870c", (1024, 1024))
    assert positive.split == ""
    (hint,) = ledger.hints  # none of the table of classes, which was read
    assert hint.startswith("stage_2_sample_submission.csv was passed over")
    assert not ledger.image_entries


@pytest.mark.parametrize(
    ("row", "reason", "status"),
    [
        ("p,1,2,3,4,0", Reason.MALFORMED, Status.UNKNOWN),
        ("p,1,2,3,4,", Reason.MALFORMED, Status.UNKNOWN),
        ("p,,,,,2", Reason.MALFORMED, Status.UNKNOWN),
        ("p,,,,,1", Reason.NO_BOX, Status.UNKNOWN),
        ("p,1,2,0,4,1", Reason.ZERO_AREA, Status.UNKNOWN),
        ("p,1,2,3,4,yes", Reason.MALFORMED, Status.UNKNOWN),
    ],
)
def test_an_rsna_row_that_contradicts_itself(
    tmp_path: Path, row: str, reason: Reason, status: Status
) -> None:
    files = {"labels.csv": f"patientId,x,y,width,height,Target\np,,,,,0\n{row}\n"}
    found, ledger = read_files(rsna, tmp_path, files, "labels.csv")
    assert [(e.reason, e.label) for e in ledger.box_entries] == [(reason, "pneumonia")]
    assert [annotation.status for annotation in found] == [status]


def test_a_box_beside_a_negative_row_is_kept_and_told(tmp_path: Path) -> None:
    files = {"labels.csv": "patientId,x,y,width,height,Target\np,,,,,0.0\np,1,2,3,4,1.0\nq,,,,,\n"}
    found, ledger = read_files(rsna, tmp_path, files)
    assert [a.status for a in found] == [Status.ANNOTATED, Status.UNKNOWN]
    assert [e.reason for e in ledger.image_entries] == [Reason.CONTRADICTION]


# NIH

NIH_ROW = "00013118_008.png,Atelectasis,225.5,547,86.75,79"


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Image Index,Finding Label,Bbox [x,y,w,h]", NIH_ROW),
        ("Image Index,Finding Label,Bbox [x,y,w,h],,,", NIH_ROW),
        ("Image Index,Finding Label,Bbox [x,y,w,h],,,", NIH_ROW + ",,,"),
        ("Image Index,Finding Label,bbox x,bbox y,bbox w,bbox h", NIH_ROW),
        ('Image Index,Finding Label,"Bbox [x,y,w,h]"', NIH_ROW),
        ('Image Index,Finding Label,"Bbox [x,y,w,h]",,,', NIH_ROW),
        ("finding label,image index,x,y,w,h", "Atelectasis,00013118_008.png,225.5,547,86.75,79"),
        ("Image Index;Finding Label;Bbox [x;y;w;h]", NIH_ROW.replace(",", ";").replace(".5", ",5")),
    ],
    ids=[
        "unquoted",
        "original",
        "with empty titles",
        "one each",
        "quoted",
        "quoted and padded",
        "plain",
        "semicolons",
    ],
)
def test_the_headers_of_nih(tmp_path: Path, header: str, row: str) -> None:
    (only,), _ = read_files(nih, tmp_path, {"BBox_List_2017.csv": f"{header}\n{row}\n"})
    assert (only.patient_id, only.size_wh) == ("00013118", (1024, 1024))
    (finding,) = only.findings
    assert (finding.label, finding.box) == ("Atelectasis", Box(225.5, 547, 312.25, 626))


NIH_ENTRIES = """\
Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,\
OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],
00013118_008.png,Effusion|Mass,8,13118,69,M,PA,2048,2500,0.171,0.171
00000001_000.png,No Finding,0,1,58,F,AP,2682,2749,0.143,0.143,
"""


def test_the_entries_of_nih_tell_of_the_images_with_boxes(tmp_path: Path) -> None:
    files = {
        "BBox_List_2017.csv": f"Image Index,Finding Label,Bbox [x,y,w,h],,,\n{NIH_ROW}\n",
        "Data_Entry_2017.csv": NIH_ENTRIES,
        "test_list.csv": "name\n00000001_000.png\n",
    }
    (only,), ledger = read_files(nih, tmp_path, files)
    assert only.labels == {"Effusion": True, "Mass": True, "No Finding": False}
    assert only.extra == {"follow_up": "8", "age": "69", "sex": "M", "view_position": "PA"}
    assert [hint.partition(" ")[0] for hint in ledger.hints] == ["test_list.csv"]


def test_damaged_entries_of_nih(tmp_path: Path) -> None:
    files = {
        "BBox_List_2017.csv": f"Image Index,Finding Label,Bbox [x,y,w,h]\n{NIH_ROW}\n",
        "Data_Entry_2017_v2020.csv": NIH_ENTRIES + "1.png,Mass\n",
    }
    message = r"Data_Entry_2017_v2020\.csv: line 4: must have 11 cells, got 2"
    with pytest.raises(AnnotationError, match=message):
        read_files(nih, tmp_path, files, "BBox_List_2017.csv")


def test_an_nih_table_without_a_box_column(tmp_path: Path) -> None:
    files = {"x.csv": "Image Index,Finding Label,Follow-up\n1_0.png,Mass,2\n"}
    with pytest.raises(AnnotationError, match=r"must have columns Bbox \[x,y,w,h\]"):
        read_files(nih, tmp_path, files, "x.csv")


@pytest.mark.real_data
def test_the_boxes_of_nih(lucency_data: Path) -> None:
    found, ledger = read(nih, lucency_data / "formats/csv/nih")
    assert (len(found), ledger.totals()["written"]) == (880, 984)
    labels = Counter(f.label for a in found for f in a.findings)
    assert (labels["Atelectasis"], labels["Infiltrate"], len(labels)) == (180, 123, 8)

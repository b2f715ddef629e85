import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Reason
from lucency.configs.errors import AnnotationError
from lucency.datasets.import_vindr_cxr import PUBLIC_SET, read
from lucency.datasets.importing import import_set

SICK, WELL, SPLIT, TESTED = "051132a778e61a86", "d3637a1935a905b3", "321c111713c3ee53", "5da26477"
TRAIN = f"""\
image_id,rad_id,class_name,x_min,y_min,x_max,y_max
{SICK},R10,Aortic enlargement,1264.0,743.0,1611.0,1019.0
{SICK},R10,Nodule/Mass,100,200,300,400
{SICK},R9,Aortic enlargement,1260.0,740.0,1600.0,1010.0
{SICK},R8,No finding,,,,
{WELL},R8,No finding,,,,
{WELL},R9,No finding,,,,
{WELL},R10,No finding,,,,
{SPLIT},R8,No finding,,,,
{SPLIT},R9,No finding,,,,
"""
TRAIN_LABELS = f"""\
image_id,rad_id,Aortic enlargement,Nodule/Mass,Other diseases,Tuberculosis,No finding
{SICK},R10,1,1,0,0,0
{SICK},R9,1,0,1,0,0
{SICK},R8,0,0,0,0,1
{WELL},R8,0,0,0,0,1
{WELL},R9,0,0,0,0,1
{WELL},R10,0,0,0,0,1
{SPLIT},R8,0,0,0,0,1
{SPLIT},R9,0,0,0,0,1
{SPLIT},R10,0,0,0,1,0
"""
TEST = f"""\
image_id,class_name,x_min,y_min,x_max,y_max
{TESTED},Cardiomegaly,691.0,1375.5,1653.25,1831.0
"""
TEST_LABELS = f"""\
image_id,Cardiomegaly,Other disease,No finding
{TESTED},1,0,0
{TESTED}0,0,0,1
{TESTED}1,0,1,0
"""
KAGGLE = f"""\
image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max
{SICK},Aortic enlargement,0,R10,1264.0,743.0,1611.0,1019.0
{SICK},No finding,14,R8,,,,
{WELL},No finding,14,R8,,,,
{WELL},No finding,14,R9,,,,
"""
PHYSIONET = {
    "annotations/annotations_train.csv": TRAIN,
    "annotations/image_labels_train.csv": TRAIN_LABELS,
    "annotations/annotations_test.csv": TEST,
    "annotations/image_labels_test.csv": TEST_LABELS,
    "supplemental_file_DICOM_tags.pdf": "",
}
PHYSIONET |= {f"train/{image}.dicom": "" for image in (SICK, WELL, SPLIT)}
PHYSIONET |= {f"test/{TESTED}{n}.dicom": "" for n in ("", "0", "1")}


def read_files(folder: Path, files: Mapping[str, str]) -> tuple[list[ImageAnnotation], Ledger]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    ledger = Ledger()
    found = list(read(folder, ledger))
    for annotation in found:
        for finding in annotation.findings:
            ledger.written(annotation.source, {finding.label: 1})
    ledger.check()
    return found, ledger


def test_the_set_of_physionet(tmp_path: Path) -> None:
    found, ledger = read_files(tmp_path, PHYSIONET)
    by_reader = {(Path(a.image).stem, a.reader): a for a in found}
    first = by_reader[SICK, "R10"]
    assert first.image == f"train/{SICK}.dicom"
    assert [(f.label, f.box) for f in first.findings] == [
        ("Aortic enlargement", Box(1264, 743, 1611, 1019)),
        ("Nodule/Mass", Box(100, 200, 300, 400)),
    ]
    assert first.extra == {"body_part": "chest", "view": "PA", "official_split": "train"}
    assert first.split == ""
    assert first.labels == {
        "aortic_enlargement": True,  # two of three
        "nodule_mass": False,
        "other_disease": False,
        "tuberculosis": False,
        "no_finding": False,
    }
    tested = by_reader[TESTED, ""]
    assert (tested.extra["official_split"], tested.labels["cardiomegaly"]) == ("test", True)
    assert "other_disease" in tested.labels and len(found) == 11
    assert not ledger.image_entries and not ledger.hints


def test_a_negative_is_what_all_readers_call_one(tmp_path: Path) -> None:
    found, _ = read_files(tmp_path, PHYSIONET)
    of = {image: [a.status for a in found if f"/{image}." in a.image] for image in (WELL, SPLIT)}
    assert of == {WELL: [Status.NEGATIVE] * 3, SPLIT: [Status.UNKNOWN] * 2}
    told = {Path(a.image).stem: a.status for a in found if a.extra["official_split"] == "test"}
    assert told == {
        TESTED: Status.ANNOTATED,
        f"{TESTED}0": Status.NEGATIVE,
        f"{TESTED}1": Status.UNKNOWN,
    }


def test_the_set_of_kaggle_has_no_split(tmp_path: Path) -> None:
    files = {"train.csv": KAGGLE, "sample_submission.csv": "image_id,PredictionString\n"}
    files |= {f"train/{SICK}.dicom": "", f"train/{WELL}.dicom": "", "test/8dec5497.dicom": ""}
    found, _ = read_files(tmp_path, files)
    assert [(a.reader, a.status.value) for a in found] == [
        ("R10", "annotated"),
        ("R8", "negative"),
        ("R8", "negative"),
        ("R9", "negative"),
        ("", "unknown"),
    ]
    assert {tuple(a.extra) for a in found} == {("body_part", "view")}
    assert not any(a.labels for a in found)


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({f"physionet.org/files/vindr-cxr/1.0.0/{n}": t for n, t in PHYSIONET.items()}, 11),
        ({name: text for name, text in PHYSIONET.items() if "test" not in name}, 8),
        ({n: t for n, t in PHYSIONET.items() if "annotations_" not in n}, 6),
    ],
    ids=["as wget leaves it", "train alone", "labels alone"],
)
def test_other_ways_it_is_handed_out(tmp_path: Path, files: Mapping[str, str], count: int) -> None:
    found, _ = read_files(tmp_path, files)
    assert len(found) == count and all((tmp_path / a.image).is_file() for a in found)
    well = [a for a in found if WELL in a.image]
    assert {(a.status, a.extra["official_split"]) for a in well} == {(Status.NEGATIVE, "train")}


def test_a_partial_download_is_told_in_the_ledger(tmp_path: Path) -> None:
    files = {name: text for name, text in PHYSIONET.items() if SICK not in name}
    found, ledger = read_files(tmp_path, files)
    assert not any(SICK in a.image for a in found)
    assert ledger.dropped_by_reason() == {Reason.MISSING_IMAGE: 3}
    assert "1 of the 6 images" in ledger.hints[0]


def test_an_image_that_no_table_names(tmp_path: Path) -> None:
    (*_, last), _ = read_files(tmp_path, {**PHYSIONET, "test/new.dicom": ""})
    assert (last.image, last.status, last.labels) == ("test/new.dicom", Status.UNKNOWN, {})


def test_a_box_that_is_no_number_leaves_no_negative(tmp_path: Path) -> None:
    row = f"{WELL},R7,Nodule/Mass,nan,1,2,3\n"
    files = {**PHYSIONET, "annotations/annotations_train.csv": TRAIN + row}
    found, ledger = read_files(tmp_path, files)
    assert ledger.dropped_by_reason() == {Reason.NOT_FINITE: 1}
    assert {a.status for a in found if WELL in a.image} == {Status.UNKNOWN}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict.fromkeys(name for name in PHYSIONET if "csv" in name), "does not look like VinDr"),
        ({"annotations/annotations_train.csv": TRAIN.replace("x_max", "x")}, "column 'x_max'"),
        ({"annotations/image_labels_train.csv": "image_id,rad_id\n"}, "column 'no finding'"),
        (
            {"annotations/image_labels_train.csv": TRAIN_LABELS.replace("0,1\n", "0,7\n")},
            "image_labels_train.csv: line 4: must be 0 or 1",
        ),
    ],
    ids=["no table", "no corner", "no labels", "label"],
)
def test_what_is_not_the_set(
    tmp_path: Path, change: Mapping[str, str | None], message: str
) -> None:
    files = {name: text for name, text in {**PHYSIONET, **change}.items() if text is not None}
    with pytest.raises(AnnotationError, match=message):
        read_files(tmp_path, files)


def test_the_readers_of_an_image_make_one_record(tmp_path: Path) -> None:
    again = TRAIN.splitlines()[1]
    files = {**PHYSIONET, "annotations/annotations_train.csv": f"{TRAIN}{again}\n"}
    read_files(tmp_path / "in", files)
    for number, path in enumerate(sorted((tmp_path / "in").rglob("*.dicom"))):
        out = io.BytesIO()
        Image.new("L", (2_000, 2_000), number * 30).save(out, "PNG")
        path.unlink()
        path.with_suffix(".png").write_bytes(out.getvalue())
    result = import_set(PUBLIC_SET, tmp_path / "in", tmp_path / "out")
    assert result.counts.status == {"annotated": 2, "negative": 2, "unknown": 2}
    assert result.counts.boxes == {"Aortic enlargement": 2, "Cardiomegaly": 1, "Nodule/Mass": 1}
    assert result.counts.official_splits == {"test": 3, "train": 3}
    assert result.dataset.label_map.names == ("Aortic enlargement", "Cardiomegaly", "Nodule/Mass")

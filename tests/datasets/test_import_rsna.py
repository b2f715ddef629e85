import io
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Reason
from lucency.configs.errors import AnnotationError
from lucency.datasets.import_rsna import PUBLIC_SET, read
from lucency.datasets.importing import import_set

NORMAL, OPAQUE, UNLABELLED = "0004cfab-14fd-4e49", "00436515-870c-4b36", "0000a175-0e68-4ca4"
LABELS = f"""\
patientId,x,y,width,height,Target
{NORMAL},,,,,0
{OPAQUE},264.0,152.0,213.0,379.0,1
{OPAQUE},562.0,152.0,256.0,453.0,1
"""
CLASSES = f"""\
patientId,class
{NORMAL},No Lung Opacity / Not Normal
{OPAQUE},Lung Opacity
{OPAQUE},Lung Opacity
"""
MAPPING_JSON = "pneumonia-challenge-dataset-mappings_2018.json"
MAPPING = json.dumps(
    [
        {"subset_img_id": image, "img_id": f"0000000{patient}_00{n}.png", "orig_labels": []}
        for n, (image, patient) in enumerate([(NORMAL, 4), (OPAQUE, 4), (UNLABELLED, 7)])
    ]
)
SET = {
    "stage_2_train_labels.csv": LABELS,
    "stage_2_detailed_class_info.csv": CLASSES,
    f"stage_2_train_images/{NORMAL}.dcm": "",
    f"stage_2_train_images/{OPAQUE}.dcm": "",
    f"stage_2_test_images/{UNLABELLED}.dcm": "",
}


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


def test_the_set_as_it_is_downloaded(tmp_path: Path) -> None:
    (normal, opaque, test), ledger = read_files(tmp_path, SET)
    assert normal.image == f"stage_2_train_images/{NORMAL}.dcm"
    assert (normal.status, normal.labels) == (Status.NEGATIVE, {"pneumonia": False})
    assert normal.extra == {"body_part": "chest", "class": "No Lung Opacity / Not Normal"}
    assert (opaque.status, opaque.labels) == (Status.ANNOTATED, {"pneumonia": True})
    assert [f.box for f in opaque.findings] == [Box(264, 152, 477, 531), Box(562, 152, 818, 605)]
    assert {f.label for f in opaque.findings} == set(PUBLIC_SET.classes)
    assert (test.status, test.labels) == (Status.UNKNOWN, {})
    assert [a.patient_id for a in (normal, opaque, test)] == [NORMAL, OPAQUE, UNLABELLED]
    assert not any("official_split" in a.extra or a.split for a in (normal, opaque, test))
    assert "patientId is one an image" in ledger.hints[0] and not ledger.image_entries


def test_patients_are_those_of_chestxray14_where_the_mapping_lies_beside(tmp_path: Path) -> None:
    found, ledger = read_files(tmp_path, {**SET, f"meta/{MAPPING_JSON}": MAPPING})
    assert [a.patient_id for a in found] == ["00000004", "00000004", "00000007"]
    assert not ledger.hints


def test_a_folder_deeper_and_without_the_classes(tmp_path: Path) -> None:
    files = {f"rsna/{name}": text for name, text in SET.items() if "class_info" not in name}
    found, _ = read_files(tmp_path, files)
    assert all((tmp_path / a.image).is_file() for a in found)
    assert [a.extra for a in found] == [{"body_part": "chest"}] * 3


def test_a_partial_download_is_told_in_the_ledger(tmp_path: Path) -> None:
    files = {name: text for name, text in SET.items() if OPAQUE not in name}
    found, ledger = read_files(tmp_path, files)
    assert [a.patient_id for a in found] == [NORMAL, UNLABELLED]
    assert ledger.left_out_by_reason() == {Reason.MISSING_IMAGE: 1}
    assert ledger.dropped_by_reason() == {Reason.MISSING_IMAGE: 2}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"{NORMAL},nan,1,2,3,1", Reason.NOT_FINITE),
        (f"{NORMAL},1,1,0,3,1", Reason.ZERO_AREA),
        (f"{NORMAL},1,1,2,3,0", Reason.MALFORMED),
    ],
    ids=["nan", "no area", "box without opacity"],
)
def test_a_box_that_is_none_leaves_no_negative(tmp_path: Path, row: str, reason: Reason) -> None:
    found, ledger = read_files(tmp_path, {**SET, "stage_2_train_labels.csv": f"{LABELS}{row}\n"})
    assert ledger.dropped_by_reason() == {reason: 1}
    assert (found[0].status, found[0].labels) == (Status.UNKNOWN, {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stage_2_train_labels.csv": None}, "does not look like RSNA"),
        ({"stage_2_train_labels.csv": LABELS.replace("Target", "T")}, "column 'target'"),
        ({"stage_2_detailed_class_info.csv": "patientId,c\n"}, "column 'class'"),
        ({MAPPING_JSON: "{}"}, "must be a list"),
        ({MAPPING_JSON: '[{"img_id": "00000001_000.png"}]'}, r"\[0\]: must have subset_img_id"),
    ],
    ids=["no table", "no target", "no class", "no list", "no image"],
)
def test_what_is_not_the_set(
    tmp_path: Path, change: Mapping[str, str | None], message: str
) -> None:
    files = {name: text for name, text in {**SET, **change}.items() if text is not None}
    with pytest.raises(AnnotationError, match=message):
        read_files(tmp_path, files)


def test_a_box_twice_is_written_once(tmp_path: Path) -> None:
    row = LABELS.splitlines()[-1]
    read_files(tmp_path / "in", {**SET, "stage_2_train_labels.csv": f"{LABELS}{row}\n"})
    for number, path in enumerate(sorted((tmp_path / "in").rglob("*.dcm"))):
        out = io.BytesIO()
        Image.new("L", (1024, 1024), number * 50).save(out, "PNG")
        path.unlink()
        path.with_suffix(".png").write_bytes(out.getvalue())
    result = import_set(PUBLIC_SET, tmp_path / "in", tmp_path / "out")
    assert result.counts.boxes == {"pneumonia": 2}
    assert result.counts.status == {"annotated": 1, "negative": 1, "unknown": 1}
    assert [r.extra["pneumonia"] for r in result.dataset.records] == ["0", "1", ""]

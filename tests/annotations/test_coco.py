import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lucency.annotations import coco
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Reason
from lucency.configs.errors import AnnotationError

VALID: dict[str, Any] = {
    "info": ["a list, as some tools write it"],
    "licenses": [],
    "images": [
        {"id": 0, "file_name": "hand\\1.png", "width": 100, "height": 80, "license": 3},
        {"id": 7, "file_name": "2.png", "width": 100, "height": 80, "patient_id": 12,
         "split": "valid", "flags": {"tb": True}},
    ],
    "annotations": [
        {"id": 0, "image_id": 0, "category_id": 5, "bbox": [10, 20, 30, 40.5], "iscrowd": 0,
         "segmentation": [[10, 20, 40, 20, 40, 60.5]]},
    ],
    "categories": [{"id": 0, "name": "unused"}, {"id": 5, "name": "fracture"}],
}  # fmt: skip


def read(path: Path, document: Any) -> tuple[list[ImageAnnotation], Ledger]:
    path.write_text(json.dumps(document))
    ledger = Ledger(path.parent)
    return list(coco.read(path, ledger)), ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "coco.json"


def test_a_valid_document(path: Path) -> None:
    (first, second), ledger = read(path, VALID)
    assert coco.detect(path)
    (finding,) = first.findings
    assert (first.image.as_posix(), first.size_wh) == ("hand/1.png", (100, 80))
    assert (finding.label, finding.box) == ("fracture", Box(10, 20, 40, 60.5))
    assert finding.polygon == ((10, 20), (40, 20), (40, 60.5))
    assert (second.status, second.patient_id, second.split) == (Status.NEGATIVE, "12", "val")
    assert second.labels == {"tb": True}
    assert ledger.totals()["in"] == 1


def box(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["annotations"][0].update({key: value})


@pytest.mark.parametrize(
    ("spoil", "reason", "where"),
    [
        (box("bbox", [1, float("nan"), 2, 3]), Reason.NOT_FINITE, "bbox: must be finite"),
        (box("bbox", [1, 2, float("inf"), 3]), Reason.NOT_FINITE, "got [1, 2, Infinity, 3]"),
        (box("bbox", [1e308, 2, 1e308, 3]), Reason.NOT_FINITE, "bbox: must be finite"),
        (box("bbox", [1, 2, 0, 3]), Reason.ZERO_AREA, "above 0"),
        (box("bbox", [1, 2, -4, 3]), Reason.ZERO_AREA, "above 0"),
        (box("bbox", [1, 2, 3]), Reason.MALFORMED, "[x, y, width, height]"),
        (box("bbox", "1 2 3 4"), Reason.MALFORMED, "[x, y, width, height]"),
        (box("bbox", ["1", 2, 3, 4]), Reason.NOT_FINITE, "bbox"),
        (box("iscrowd", 1), Reason.CROWD, "crowd"),
        (box("category_id", 9), Reason.UNKNOWN_CLASS, "category_id"),
        (box("category_id", [5]), Reason.UNKNOWN_CLASS, "category_id"),
        (box("image_id", 99), Reason.UNKNOWN_IMAGE, "image_id"),
        (box("image_id", None), Reason.UNKNOWN_IMAGE, "image_id"),
        (box("segmentation", [[1, 2, 3]]), Reason.MALFORMED, "segmentation[0]"),
        (box("segmentation", [[1, 2, 3, 4, 5, float("nan")]]), Reason.NOT_FINITE, "segment"),
        (lambda d: d["annotations"].__setitem__(0, 3), Reason.UNKNOWN_IMAGE, "image_id"),
        (lambda d: d["annotations"].__setitem__(
            0, {"image_id": 0, "category_id": 5}), Reason.NO_BOX, "neither"),
    ],
    ids=["nan", "infinity", "overflow", "no width", "negative width", "three numbers", "text",
         "number as text", "crowd", "no such category", "category is a list", "no such image",
         "no image", "short polygon", "nan in polygon", "no object", "label alone"],
)  # fmt: skip
def test_a_broken_box_goes_to_the_ledger(
    path: Path, spoil: Callable[[dict[str, Any]], None], reason: Reason, where: str
) -> None:
    document = copy.deepcopy(VALID)
    spoil(document)
    (first, second), ledger = read(path, document)
    (entry,) = ledger.box_entries
    assert (entry.reason, entry.index) == (reason, "annotations[0]")
    assert entry.detail.startswith("annotations[0]")
    assert where in entry.detail
    assert not first.findings
    assert second.status is Status.NEGATIVE
    ledger.check()


def test_an_image_whose_box_was_dropped_is_no_negative(path: Path) -> None:
    document = copy.deepcopy(VALID)
    document["annotations"][0]["iscrowd"] = 1
    (first, _), ledger = read(path, document)
    assert first.status is Status.UNKNOWN
    assert ledger.lost_boxes(path, "hand/1.png")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: d.pop("images"), "has no 'images'"),
        (lambda d: d.update(images={}), "coco.json: images: must be a list"),
        (lambda d: d.update(annotations=None), "annotations: must be a list"),
        (lambda d: d["images"].append(4), r"images\[2\]: must be an object"),
        (lambda d: d["images"][0].pop("file_name"), r"images\[0\].file_name"),
        (lambda d: d["images"][0].update(file_name="a\0b"), r"images\[0\].file_name"),
        (lambda d: d["images"][0].update(file_name="\ud800.png"), r"images\[0\].file_name"),
        (lambda d: d["images"][0].update(id=None), r"images\[0\].id"),
        (lambda d: d["images"][0].update(width=-3), r"images\[0\]: width and height"),
        (lambda d: d["images"][1].update(split="dev"), r"images\[1\].split"),
        (lambda d: d["images"][1].update(patient_id=[1]), r"images\[1\].patient_id"),
        (lambda d: d["images"][1].update(flags={"tb": 1}), r"images\[1\].flags.tb"),
        (lambda d: d["categories"][0].update(name=""), r"categories\[0\].name"),
        (lambda d: d["categories"][0].update(id=5), r"categories\[1\].id: 5 stands for both"),
    ],
    ids=["no images", "images an object", "annotations null", "image a number", "no file name",
         "null byte", "half a character", "no id", "negative width", "wrong split",
         "wrong patient", "wrong flag", "no category name", "category id twice"],
)  # fmt: skip
def test_a_broken_document_is_one_clear_line(
    path: Path, spoil: Callable[[dict[str, Any]], Any], message: str
) -> None:
    document = copy.deepcopy(VALID)
    spoil(document)
    with pytest.raises(AnnotationError, match=message) as caught:
        read(path, document)
    assert "\n" not in str(caught.value)


def test_an_image_id_for_two_files_makes_both_ambiguous(path: Path) -> None:
    document = copy.deepcopy(VALID)
    document["images"].append({"id": 0, "file_name": "other.png"})
    (only,), ledger = read(path, document)
    assert only.image.name == "2.png"
    assert [entry.image for entry in ledger.image_entries] == ["hand/1.png", "other.png"]
    assert ledger.dropped_by_reason() == {Reason.AMBIGUOUS_IMAGE: 1}
    ledger.check()


def test_the_same_image_listed_twice_is_one(path: Path) -> None:
    document = copy.deepcopy(VALID)
    document["images"].append(document["images"][0])
    annotations, ledger = read(path, document)
    assert len(annotations) == 2
    assert not ledger.image_entries


@pytest.mark.parametrize("key", ["categories", "annotations"])
def test_without_categories_or_annotations_nothing_is_negative(path: Path, key: str) -> None:
    document = copy.deepcopy(VALID) | {"annotations": []}
    del document[key]
    annotations, _ = read(path, document)
    assert {annotation.status for annotation in annotations} == {Status.UNKNOWN}


def test_a_folder_is_read_with_its_splits_and_without_its_broken_files(tmp_path: Path) -> None:
    (tmp_path / "instances_train2017.json").write_text(json.dumps(VALID))
    (tmp_path / "valid").mkdir()
    (tmp_path / "valid" / "_annotations.coco.json").write_text(json.dumps(VALID))
    (tmp_path / "z.json").write_text('{"images": [')
    ledger = Ledger(tmp_path)
    splits = [annotation.split for annotation in coco.read(tmp_path, ledger)]
    assert splits == ["train", "val", "val", "val"]
    (entry,) = ledger.image_entries
    assert (entry.source, entry.reason) == ("z.json", Reason.UNREADABLE_ANNOTATION)


@pytest.mark.real_data
def test_fracatlas_has_855_boxes_in_656_images(lucency_data: Path) -> None:
    path = lucency_data / "fracatlas/annotations/coco.json"
    ledger = Ledger(path.parent)
    annotations = list(coco.read(path, ledger))
    assert len(annotations) == 656
    assert sum(len(annotation.findings) for annotation in annotations) == 855
    assert {f.label for a in annotations for f in a.findings} == {"fractured"}

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lucency.annotations import coco
from lucency.annotations.findings import Finding, ImageAnnotation, LabelMap, Status
from lucency.annotations.formats import Head
from lucency.annotations.geometry import Box, box_around
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import Source
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
    ledger = Ledger()
    return list(coco.read(Source(path), ledger)), ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "coco.json"


def test_a_valid_document(path: Path) -> None:
    (first, second), ledger = read(path, VALID)
    assert coco.detect(Head(str(path), path.name, path.read_text()))
    (finding,) = first.findings
    assert (first.image, first.size_wh) == ("hand/1.png", (100, 80))
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
        (lambda d: d["annotations"].__setitem__(0, 3), Reason.UNKNOWN_IMAGE, "image_id"),
        (lambda d: d["annotations"].__setitem__(
            0, {"image_id": 0, "category_id": 5}), Reason.NO_BOX, "neither"),
    ],
    ids=["nan", "infinity", "overflow", "no width", "negative width", "three numbers", "text",
         "number as text", "crowd", "no such category", "category is a list", "no such image",
         "no image", "no object", "label alone"],
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
    assert ledger.lost_boxes("coco.json", "hand/1.png")


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
    assert only.image == "2.png"
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
    ledger = Ledger()
    splits = [annotation.split for annotation in coco.read(Source(tmp_path), ledger)]
    assert splits == ["train", "val", "val", "val"]
    (entry,) = ledger.image_entries
    assert (entry.source, entry.reason) == ("z.json", Reason.UNREADABLE_ANNOTATION)


def outline(segmentation: object, **changes: object) -> dict[str, Any]:
    """The document with a box without bbox, or with ``changes``."""
    document = copy.deepcopy(VALID)
    annotation = document["annotations"][0] | {"segmentation": segmentation} | changes
    document["annotations"] = [{key: v for key, v in annotation.items() if v is not None}]
    return document


BROKEN_OUTLINES = [
    pytest.param([[1, 2, 3]], Reason.MALFORMED, "segmentation[0]", id="short"),
    pytest.param([[1, 2, 3, 4, 5, 6, 7]], Reason.MALFORMED, "segmentation[0]", id="odd"),
    pytest.param([[1, 2, 9, 4, 5, float("nan")]], Reason.NOT_FINITE, "segmentation[0]", id="nan"),
    pytest.param([[1, 2, 9, 4, 5, 10**400]], Reason.NOT_FINITE, "segmentation[0]", id="huge"),
    pytest.param([3], Reason.MALFORMED, "segmentation[0]", id="a number"),
    pytest.param({"counts": "x"}, Reason.MALFORMED, "segmentation", id="mask without size"),
    pytest.param({"size": [80, 100], "counts": [9]}, Reason.MALFORMED, "segmentation", id="runs"),
    pytest.param(
        {"size": [10**9, 10**9], "counts": [1, 2]}, Reason.MALFORMED, "segmentation", id="bomb"
    ),
]


@pytest.mark.parametrize(("segmentation", "reason", "where"), BROKEN_OUTLINES)
def test_a_broken_outline_costs_the_outline_but_no_box(
    path: Path, segmentation: object, reason: Reason, where: str
) -> None:
    (first, _), ledger = read(path, outline(segmentation))
    assert (first.findings[0].box, first.findings[0].polygon) == (Box(10, 20, 40, 60.5), None)
    (note,) = ledger.image_entries
    assert (note.reason, note.left_out, note.image) == (reason, False, "hand/1.png")
    assert note.detail.startswith(f"annotations[0].{where}")
    assert not ledger.box_entries


@pytest.mark.parametrize(("segmentation", "reason", "where"), BROKEN_OUTLINES)
def test_a_broken_outline_without_a_bbox_goes_to_the_ledger(
    path: Path, segmentation: object, reason: Reason, where: str
) -> None:
    (first, _), ledger = read(path, outline(segmentation, bbox=None))
    (entry,) = ledger.box_entries
    assert entry.reason is reason
    assert entry.detail.startswith(f"annotations[0].{where}")
    assert first.status is Status.UNKNOWN
    ledger.check()


@pytest.mark.parametrize(
    ("segmentation", "expected"),
    [
        ([[10, 20, 40, 20, 40, 60.5]], Box(10, 20, 40, 60.5)),
        ([[1, 1, 5, 1, 5, 5], [20, 20, 30, 20, 30, 44]], Box(1, 1, 30, 44)),
        ({"size": [80, 100], "counts": [80 * 2 + 3, 5, 75, 5, 7752]}, Box(2, 3, 4, 8)),
    ],
    ids=["polygon", "two polygons", "run lengths"],
)
def test_a_box_comes_from_its_outline_where_there_is_no_bbox(
    path: Path, segmentation: object, expected: Box
) -> None:
    (first, _), ledger = read(path, outline(segmentation, bbox=None))
    (finding,) = first.findings
    assert finding.box == expected
    assert finding.polygon is not None
    assert box_around(finding.polygon) == expected
    assert not ledger.box_entries


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [([[1, 1, 5, 1, 9, 1]], Reason.ZERO_AREA), ([], Reason.NO_BOX), (None, Reason.NO_BOX)],
    ids=["a line", "none", "absent"],
)
def test_an_outline_without_area_is_no_box(
    path: Path, segmentation: object, reason: Reason
) -> None:
    _, ledger = read(path, outline(segmentation, bbox=None))
    assert ledger.dropped_by_reason() == {reason: 1}


def test_images_and_boxes_out_of_order_find_each_other(path: Path) -> None:
    document = copy.deepcopy(VALID)
    boxes = [{"image_id": (7, 0)[n % 2], "category_id": 5, "bbox": [n, 0, 5, 5]} for n in range(6)]
    annotations, _ = read(path, document | {"annotations": boxes})
    found = {a.image: [(f.index, f.box.x1) for f in a.findings] for a in annotations}
    assert found == {
        "hand/1.png": [(f"annotations[{n}]", n) for n in (1, 3, 5)],
        "2.png": [(f"annotations[{n}]", n) for n in (0, 2, 4)],
    }


def test_an_impossible_area_is_one_clear_line(tmp_path: Path) -> None:
    huge = Finding("x", Box(0, 0, 1e200, 1e200))
    image = ImageAnnotation("1.png", "a", (10**300, 10**300), (huge,), Status.ANNOTATED)
    with pytest.raises(AnnotationError, match="too large"):
        coco.write([image], tmp_path, label_map=LabelMap(("x",)))
    assert not list(tmp_path.iterdir())


@pytest.mark.real_data
def test_fracatlas_has_855_boxes_in_656_images(lucency_data: Path) -> None:
    path = lucency_data / "fracatlas/annotations/coco.json"
    ledger = Ledger()
    annotations = list(coco.read(Source(path), ledger))
    assert len(annotations) == 656
    assert sum(len(annotation.findings) for annotation in annotations) == 855
    assert {f.label for a in annotations for f in a.findings} == {"fractured"}
    assert {annotation.status for annotation in annotations} == {Status.ANNOTATED}
    assert not ledger.box_entries


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "boxes", "dropped"),
    [
        ("instances.json", 3, {}),
        ("instances_with_binary_mask.json", 3, {Reason.CROWD: 1}),
    ],
)
def test_files_that_tools_wrote(
    lucency_data: Path, name: str, boxes: int, dropped: dict[Reason, int]
) -> None:
    path = lucency_data / "formats/coco/labelformat_inst" / name
    ledger = Ledger()
    annotations = list(coco.read(Source(path), ledger))
    findings = [finding for annotation in annotations for finding in annotation.findings]
    assert (len(findings), ledger.dropped_by_reason()) == (boxes, dropped)
    raw = json.loads(path.read_text())["annotations"]
    assert ledger.totals()["in"] == len(raw)
    for finding in findings:
        assert finding.polygon is not None


def test_panoptic_segments_are_boxes(tmp_path: Path) -> None:
    segments = [
        {"id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0},
        {"id": 8, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 1},
        "nonsense",
    ]
    document = {
        "images": [{"id": 4, "file_name": "b.png", "width": 10, "height": 10}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [{"image_id": 4, "file_name": "m.png", "segments_info": segments}, {}],
    }
    (tmp_path / "panoptic.json").write_text(json.dumps(document))
    ledger = Ledger()
    (image,) = coco.read(Source(tmp_path / "panoptic.json"), ledger)
    assert [(f.index, f.box) for f in image.findings] == [
        ("annotations[0].segments_info[0]", Box(1, 2, 4, 6))
    ]
    assert [(e.index, e.reason) for e in ledger.box_entries] == [
        ("annotations[0].segments_info[1]", Reason.CROWD),
        ("annotations[0].segments_info[2]", Reason.UNKNOWN_IMAGE),
        ("annotations[1]", Reason.UNKNOWN_IMAGE),
    ]
    assert ledger.totals()["in"] == 4

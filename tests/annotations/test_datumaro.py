import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lucency.annotations import datumaro
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.formats import Head
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError

BBOX: dict[str, Any] = {
    "id": 1, "type": "bbox", "attributes": {"occluded": False, "note": "old", "grade": 2},
    "group": 7, "label_id": 1, "z_order": 0, "bbox": [10.0, 20.0, 30.0, 40.5],
}  # fmt: skip
VALID: dict[str, Any] = {
    "dm_format_version": "1.0",
    "infos": {},
    "categories": {
        "label": {
            "label_groups": [],
            "labels": [
                {"name": "implant", "parent": "", "attributes": []},
                {"name": "fracture", "parent": "", "attributes": []},
            ],
            "attributes": ["occluded"],
        },
        "points": {"items": []},
    },
    "items": [
        {
            "id": "a\\1",
            "annotations": [BBOX],
            "attr": {"frame": 0},
            "image": {"path": "a\\1.png", "size": [80, 100]},
        },
        {"id": "2", "annotations": [], "image": {"path": ""}},
    ],
}


def with_annotations(*annotations: Any) -> dict[str, Any]:
    document = copy.deepcopy(VALID)
    document["items"] = [{**document["items"][0], "annotations": list(annotations)}]
    return document


def read(folder: Path, content: Any, name: str = "1.json") -> tuple[list[ImageAnnotation], Ledger]:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    ledger = Ledger()
    return list(datumaro.read(Source(path), ledger)), ledger


def detects(content: Any) -> bool:
    return datumaro.detect(Head("1.json", "1.json", json.dumps(content)))


def test_a_valid_document(tmp_path: Path) -> None:
    (first, second), ledger = read(tmp_path, VALID, "val.json")
    assert detects(VALID)
    assert (first.image, first.size_wh, first.split) == ("a/1.png", (100, 80), "val")
    (finding,) = first.findings
    assert (finding.label, finding.box, finding.polygon) == (
        "fracture",
        Box(10, 20, 40, 60.5),
        None,
    )
    assert finding.attributes == {
        "occluded": "false", "note": "old", "grade": "2", "group_id": "7"
    }  # fmt: skip
    assert finding.index == "items[0].annotations[0]"
    assert (second.image, second.size_wh, second.status) == ("2", None, Status.NEGATIVE)
    assert ledger.totals()["in"] == 1


def drawn(kind: str, **values: Any) -> dict[str, Any]:
    return {"id": 0, "type": kind, "label_id": 0, "attributes": {}, "group": 0, **values}


def mask(counts: object) -> dict[str, Any]:
    return drawn("mask", rle={"size": [4, 5], "counts": counts})


HALF = 5 * math.sqrt(2)


@pytest.mark.parametrize(
    ("annotation", "box", "corners"),
    [
        pytest.param(drawn("bbox", bbox=[0, 0, 10, 10], attributes={"rotation": 45.0}),
                     Box(5 - HALF, 5 - HALF, 5 + HALF, 5 + HALF), 4, id="rectangle turned by CVAT"),
        pytest.param(drawn("rotated_bbox", rotated_bbox=[5, 5, 10, 10, 45]),
                     Box(5 - HALF, 5 - HALF, 5 + HALF, 5 + HALF), 4, id="rotated rectangle"),
        pytest.param(drawn("ellipse", points=[0, 0, 10, 4]), Box(0, 0, 10, 4), 64, id="ellipse"),
        pytest.param(drawn("ellipse", points=[0, 0, 10, 4], attributes={"rotation": 90}),
                     Box(3, -3, 7, 7), 64, id="turned ellipse"),
        pytest.param(drawn("polygon", points=[1, 2, 9, 3, 5, 8]), Box(1, 2, 9, 8), 3, id="polygon"),
        pytest.param(mask([5, 2, 2, 2, 9]), Box(1, 1, 3, 3), 4, id="mask"),
        pytest.param(mask("52207"), Box(1, 1, 3, 3), 4, id="compressed mask"),
    ],
)  # fmt: skip
def test_shapes(tmp_path: Path, annotation: dict[str, Any], box: Box, corners: int) -> None:
    (image,), ledger = read(tmp_path, with_annotations(annotation))
    assert not ledger.box_entries
    (finding,) = image.findings
    found = finding.box
    assert (found.x1, found.y1, found.x2, found.y2) == pytest.approx(
        (box.x1, box.y1, box.x2, box.y2)
    )
    assert finding.polygon is not None
    assert len(finding.polygon) == corners


def test_labels_captions_and_no_list(tmp_path: Path) -> None:
    document = with_annotations(
        {"type": "label", "label_id": 1}, {"type": "caption", "caption": "a chest"}
    )
    document["items"].append({"id": "2"})
    (labelled, bare), ledger = read(tmp_path, document)
    assert (labelled.labels, labelled.status) == ({"fracture": True}, Status.UNKNOWN)
    assert (bare.status, ledger.totals()["in"]) == (Status.UNKNOWN, 0)


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        pytest.param({**BBOX, "bbox": [1, 2, 0, 4]}, Reason.ZERO_AREA, id="zero"),
        pytest.param({**BBOX, "bbox": [1, 2, -3, 4]}, Reason.ZERO_AREA, id="negative"),
        pytest.param({**BBOX, "bbox": [1, math.inf, 3, 4]}, Reason.NOT_FINITE, id="infinite"),
        pytest.param({**BBOX, "bbox": [1, 2, 3]}, Reason.MALFORMED, id="three numbers"),
        pytest.param({**BBOX, "bbox": [1, 2, 3, "4"]}, Reason.MALFORMED, id="a text"),
        pytest.param({**BBOX, "bbox": None}, Reason.MALFORMED, id="null"),
        pytest.param({**BBOX, "attributes": {"rotation": "x"}}, Reason.MALFORMED, id="rotation"),
        pytest.param({**BBOX, "attributes": {"is_crowd": True}}, Reason.CROWD, id="crowd"),
        pytest.param({**BBOX, "label_id": 9}, Reason.UNKNOWN_CLASS, id="no such label"),
        pytest.param({**BBOX, "label_id": -1}, Reason.UNKNOWN_CLASS, id="below 0"),
        pytest.param({**BBOX, "label_id": None}, Reason.UNKNOWN_CLASS, id="no label"),
        pytest.param(drawn("polygon", points=[1, 2, 3]), Reason.MALFORMED, id="odd"),
        pytest.param(drawn("polygon", points=[1, 2, 3, 4]), Reason.MALFORMED, id="two corners"),
        pytest.param(drawn("polyline", points=[1, 2, 3, 4]), Reason.UNSUPPORTED_SHAPE, id="line"),
        pytest.param(drawn("points", points=[1, 2]), Reason.UNSUPPORTED_SHAPE, id="point"),
        pytest.param(drawn("cuboid_3d", position=[1, 2, 3]), Reason.UNSUPPORTED_SHAPE, id="cuboid"),
        pytest.param(drawn("skeleton", elements=[]), Reason.UNSUPPORTED_SHAPE, id="skeleton"),
        pytest.param(drawn("mask", rle=3), Reason.MALFORMED, id="no run lengths"),
        pytest.param(mask([3]), Reason.MALFORMED, id="short"),
        pytest.param(mask([20]), Reason.ZERO_AREA, id="empty"),
        pytest.param(drawn("mask", rle={"size": [10**9, 10**9], "counts": "0"}), Reason.MALFORMED,
                     id="huge"),
        pytest.param({"type": ["bbox"], "label_id": 0}, Reason.UNSUPPORTED_SHAPE, id="odd type"),
        pytest.param(7, Reason.UNKNOWN_CLASS, id="a number"),
    ],
)  # fmt: skip
def test_an_unusable_annotation(tmp_path: Path, annotation: Any, reason: Reason) -> None:
    (image,), ledger = read(tmp_path, with_annotations(BBOX, annotation))
    assert (len(image.findings), ledger.totals()["in"]) == (1, 2)
    (entry,) = ledger.box_entries
    assert (entry.reason, entry.index) == (reason, "items[0].annotations[1]")
    assert entry.detail.startswith("items[0].annotations[1]")


def test_an_image_with_unusable_boxes_alone_is_no_negative(tmp_path: Path) -> None:
    (image,), _ = read(tmp_path, with_annotations({**BBOX, "bbox": [1, 2, 0, 4]}))
    assert image.status is Status.UNKNOWN


def broken(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    document = copy.deepcopy(VALID)
    change(document)
    return document


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param('{"items":' + "[" * 100_000, id="deep"),
        pytest.param([], id="a list"),
        pytest.param(broken(lambda d: d.pop("items")), id="no items"),
        pytest.param(broken(lambda d: d.update(items={})), id="items is no list"),
        pytest.param(broken(lambda d: d.update(items=[3])), id="an item is a number"),
        pytest.param(broken(lambda d: d.update(categories=[1])), id="categories is a list"),
        pytest.param(broken(lambda d: d["categories"].update(label=[1])), id="label is a list"),
        pytest.param(broken(lambda d: d["categories"]["label"].update(labels=[{"name": 1}])),
                     id="name is a number"),
        pytest.param(broken(lambda d: d["items"][1].update(id="")), id="no name"),
        pytest.param(broken(lambda d: d["items"][0].update(image="1.png")), id="image is a text"),
        pytest.param(broken(lambda d: d["items"][0]["image"].update(size=[1])), id="one side"),
        pytest.param(broken(lambda d: d["items"][0]["image"].update(size=[-1, 5])), id="negative"),
        pytest.param(broken(lambda d: d["items"][0].update(annotations={})), id="annotations"),
        pytest.param(with_annotations({"type": "label", "label_id": 5}), id="no such label"),
    ],
)  # fmt: skip
def test_an_unreadable_document(tmp_path: Path, content: Any) -> None:
    with pytest.raises(AnnotationError, match=r"^1\.json: "):
        read(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"images": [], "annotations": [], "categories": []}, id="COCO"),
        pytest.param([{"image": "1.png", "annotations": []}], id="CreateML"),
        pytest.param({"1.png5": {"filename": "1.png", "regions": []}}, id="VIA"),
        pytest.param({"data": {}, "annotations": [], "predictions": []}, id="Label Studio"),
    ],
)
def test_other_formats_are_not_claimed(content: Any) -> None:
    assert not detects(content)

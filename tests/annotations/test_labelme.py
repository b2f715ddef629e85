import base64
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lucency.annotations import labelme
from lucency.annotations.findings import Finding, ImageAnnotation, LabelMap, Status
from lucency.annotations.formats import Head
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError

VALID: dict[str, Any] = {
    "version": "5.7.0",
    "flags": {"__ignore__": False, "tb": True},
    "shapes": [
        {"label": "fracture", "points": [[40, 60.5], [10, 20]], "group_id": 2,
         "description": "distal", "shape_type": "rectangle", "flags": {"uncertain": True}},
    ],
    "imagePath": "..\\images\\1.png",
    "imageData": None,
    "imageHeight": 80,
    "imageWidth": 100,
    "patient_id": "p1",
    "unknown key": {"kept": "by labelme"},
}  # fmt: skip


def read(path: Path, document: Any) -> tuple[ImageAnnotation, Ledger]:
    path.write_text(json.dumps(document))
    ledger = Ledger()
    (annotation,) = labelme.read(Source(path), ledger)
    return annotation, ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "1.json"


def test_a_valid_document(path: Path) -> None:
    annotation, ledger = read(path, VALID)
    assert labelme.detect(Head(str(path), path.name, path.read_text()))
    (finding,) = annotation.findings
    assert (annotation.image, annotation.size_wh) == ("../images/1.png", (100, 80))
    assert (annotation.labels, annotation.patient_id) == ({"tb": True}, "p1")
    assert (finding.label, finding.box) == ("fracture", Box(10, 20, 40, 60.5))
    assert finding.attributes == {"description": "distal", "group_id": "2", "uncertain": "true"}
    assert ledger.totals()["in"] == 1


def shape(**changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["shapes"][0].update(changes)


@pytest.mark.parametrize(
    ("spoil", "reason", "detail"),
    [
        (shape(points=[[1, 2], [float("nan"), 4]]), Reason.NOT_FINITE,
         "shapes[0].points: must be finite numbers, got [NaN, 4]"),
        (shape(points=[[1, 2], [float("-inf"), 4]]), Reason.NOT_FINITE, "[-Infinity, 4]"),
        (shape(points=[[1, 2], ["3", 4]]), Reason.NOT_FINITE, '["3", 4]'),
        (shape(points=[[1, 2], [3, 10**400]]), Reason.NOT_FINITE, "finite"),
        (shape(shape_type="circle", points=[[-1e308, 0], [1e308, 1e308]]), Reason.NOT_FINITE, ""),
        (shape(points=[[1, 2]]), Reason.MALFORMED, "has 2 or 4 points"),
        (shape(points=[[1, 2, 3], [4, 5, 6]]), Reason.MALFORMED, "must be [x, y]"),
        (shape(points=None), Reason.MALFORMED, "got null"),
        (shape(shape_type="polygon"), Reason.MALFORMED, "at least 3 points"),
        (shape(points=[[1, 2], [1, 9]]), Reason.ZERO_AREA, "span an area"),
        (shape(label=""), Reason.MALFORMED, "label"),
        (shape(label=None), Reason.MALFORMED, "label"),
        (shape(label="a\nb"), Reason.MALFORMED, "label"),
        (shape(shape_type="line"), Reason.UNSUPPORTED_SHAPE, '"line" cannot become a box'),
        (shape(shape_type="linestrip"), Reason.UNSUPPORTED_SHAPE, "linestrip"),
        (shape(shape_type="point", points=[[1, 2]]), Reason.UNSUPPORTED_SHAPE, "point"),
        (shape(shape_type=["x"]), Reason.UNSUPPORTED_SHAPE, "shape_type"),
        (lambda d: d["shapes"].__setitem__(0, "rectangle"), Reason.MALFORMED, "label"),
    ],
    ids=["nan", "infinity", "text", "huge", "huge circle", "one point", "three dimensions",
         "no points", "two-point polygon", "no area", "empty label", "no label",
         "label of two lines", "line", "linestrip", "point", "shape type a list",
         "no object"],
)  # fmt: skip
def test_a_broken_shape_goes_to_the_ledger(
    path: Path, spoil: Callable[[dict[str, Any]], None], reason: Reason, detail: str
) -> None:
    document = copy.deepcopy(VALID)
    spoil(document)
    annotation, ledger = read(path, document)
    (entry,) = ledger.box_entries
    assert entry.reason is reason
    assert detail in entry.detail
    assert annotation.status is Status.UNKNOWN
    ledger.check()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shapes": None}, "shapes: must be a list"),
        ({"shapes": {}}, "shapes: must be a list"),
        ({"imagePath": ""}, "imagePath: must be a file name"),
        ({"imagePath": 3}, "imagePath: must be a file name"),
        ({"imageWidth": 0.5}, "width and height"),
        ({"imageWidth": None}, "width and height"),
        ({"flags": {"tb": "yes"}}, "flags.tb: must be true or false"),
        ({"flags": [1]}, "flags: must be an object"),
        ({"patient_id": {}}, "patient_id"),
        ({"split": "dev"}, "split: must be train, val or test"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_broken_document_is_one_clear_line(
    path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(AnnotationError, match=f"1.json.*{message}"):
        read(path, VALID | changes)


@pytest.mark.parametrize("document", [[], {}, 3, None, {"imagePath": "a.png"}])
def test_other_json_is_no_labelme_document(path: Path, document: object) -> None:
    with pytest.raises(AnnotationError, match=r"1\.json: "):
        read(path, document)


def test_a_document_without_shapes_is_a_confirmed_negative(path: Path) -> None:
    annotation, _ = read(path, VALID | {"shapes": []})
    assert annotation.status is Status.NEGATIVE


def test_without_a_size_the_size_is_unknown(path: Path) -> None:
    document = {key: VALID[key] for key in ("shapes", "imagePath", "imageData")}
    assert read(path, document)[0].size_wh is None


def test_an_embedded_image_comes_out(path: Path) -> None:
    read(path, VALID | {"imageData": base64.b64encode(b"pixels").decode()})
    assert labelme.embedded_image(path) == b"pixels"
    read(path, VALID)
    assert labelme.embedded_image(path) is None
    read(path, VALID | {"imageData": "!"})
    with pytest.raises(AnnotationError, match="not base64"):
        labelme.embedded_image(path)


def test_in_a_folder_a_broken_file_does_not_hide_the_others(tmp_path: Path) -> None:
    for name, text in (("a", json.dumps(VALID)), ("b", json.dumps(VALID)[:50]), ("c", "{}")):
        (tmp_path / f"{name}.json").write_text(text)
    ledger = Ledger()
    assert len(list(labelme.read(Source(tmp_path), ledger))) == 1
    assert [entry.source for entry in ledger.image_entries] == ["b.json", "c.json"]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "boxes", "dropped"),
    [
        ("v2/2011_000003.json", 5, 0),
        ("v2/2011_000006.json", 10, 0),
        ("v2/apc2016_obj3.json", 3, 0),
        ("v4/cls/0001.json", 0, 0),
        ("v4/cls/0002.json", 0, 0),
        ("v5/primitives/primitives.json", 5, 3),
        ("v7.9.1/IMG0000019.json", 2, 0),
    ],
)
def test_files_that_labelme_wrote(lucency_data: Path, name: str, boxes: int, dropped: int) -> None:
    path = lucency_data / "formats/labelme" / name
    ledger = Ledger()
    (annotation,) = labelme.read(Source(path), ledger)
    assert (len(annotation.findings), len(ledger.box_entries)) == (boxes, dropped)
    assert ledger.totals()["in"] == boxes + dropped


@pytest.mark.real_data
def test_a_real_mask_has_the_size_of_its_picture(lucency_data: Path) -> None:
    path = lucency_data / "formats/labelme/v5/primitives/primitives.json"
    (annotation,) = labelme.read(Source(path), Ledger())
    (octagon,) = (f for f in annotation.findings if f.label == "octagon")
    assert (octagon.box.width, octagon.box.height) == pytest.approx((100, 100))


def written(path: Path, *findings: Finding, **said: Any) -> dict[str, Any]:
    """The document that is written of an image."""
    status = Status.ANNOTATED if findings else Status.NEGATIVE
    annotation = ImageAnnotation("a/1.png", "x", (100, 80), findings, status, **said)
    labelme.write([annotation], path.parent, label_map=LabelMap(("x",)))
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def test_what_is_written_opens_in_labelme(path: Path) -> None:
    """All keys that labelme 5 and 7 insist on are there, and shapes of its own kinds."""
    corners = ((1.0, 2.0), (5.0, 2.0), (5.0, 9.0))
    document = written(
        path,
        Finding("x", Box(1, 2, 5, 9), None, {"description": "distal"}),
        Finding("x", Box(1, 2, 5, 9), corners),
        patient_id="p1",
        labels={"tb": False},
    )
    keys = {"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"}
    assert document.keys() == keys | {"patient_id"}
    assert (document["imagePath"], document["imageWidth"]) == ("a/1.png", 100)
    assert (document["imageData"], document["flags"]) == (None, {"tb": False})
    rectangle, polygon = document["shapes"]
    assert rectangle["points"] == [[1, 2], [5, 9]]
    assert (rectangle["shape_type"], rectangle["description"]) == ("rectangle", "distal")
    assert (polygon["shape_type"], polygon["points"]) == ("polygon", [[1, 2], [5, 2], [5, 9]])
    assert rectangle.keys() >= {"label", "points", "group_id", "shape_type", "flags"}


def test_two_images_of_one_name_cannot_share_a_document(tmp_path: Path) -> None:
    images = [
        ImageAnnotation(name, "x", (9, 9), (), Status.NEGATIVE) for name in ("a/1.png", "b/1.jpg")
    ]
    with pytest.raises(AnnotationError, match=r"b/1\.jpg: another image is also named 1"):
        labelme.write(images, tmp_path, label_map=LabelMap(()))

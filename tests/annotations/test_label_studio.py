import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucency.annotations import label_studio
from lucency.annotations.findings import Finding, ImageAnnotation, LabelMap, Status
from lucency.annotations.formats import NORMALISED, Head
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError

VALUE = {"x": 10, "y": 25, "width": 30, "height": 50.5, "rotation": 0, "rectanglelabels": ["tb"]}
RESULT: dict[str, Any] = {
    "id": "a", "type": "rectanglelabels", "from_name": "label", "to_name": "image",
    "original_width": 200, "original_height": 100, "image_rotation": 0, "value": VALUE,
}  # fmt: skip


def result(**changes: Any) -> dict[str, Any]:
    return {**RESULT, **changes}


def handed_in(*results: Any, **changes: Any) -> dict[str, Any]:
    return {"id": 1, "completed_by": 3, "was_cancelled": False, "result": list(results), **changes}


def task(*annotations: Any, image: str = "/data/upload/7/0a1b2c3d-1.png", **data: Any) -> Any:
    return {
        "id": 5, "annotations": list(annotations), "predictions": [{"result": [RESULT]}],
        "drafts": [], "data": {"image": image, **data},
    }  # fmt: skip


def read(folder: Path, content: Any) -> tuple[list[ImageAnnotation], Ledger]:
    path = folder / "1.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    ledger = Ledger()
    return list(label_studio.read(Source(path), ledger)), ledger


def detects(content: Any) -> bool:
    return label_studio.detect(Head("1.json", "1.json", json.dumps(content)))


VALID = [
    task(
        handed_in(RESULT),
        handed_in(result(value={**VALUE, "x": 20}), completed_by={"id": 4, "email": "b@c.de"}),
        view="PA", patient_id=12, split="val", age=61.5, other="/data/upload/7/2.png",
    ),
    task(handed_in(), image="2.png"),
    task(image="3.png"),
]  # fmt: skip


def test_a_valid_document(tmp_path: Path) -> None:
    (first, second, negative, unknown), ledger = read(tmp_path, VALID)
    assert detects(VALID)
    assert (first.image, first.size_wh) == ("data/upload/7/0a1b2c3d-1.png", (200, 100))
    assert (first.reader, second.reader, second.image) == ("3", "b@c.de", first.image)
    assert (first.patient_id, first.split, first.extra) == (
        "12",
        "val",
        {"view": "PA", "age": "61.5"},
    )
    (finding,) = first.findings
    assert (finding.label, finding.polygon) == ("tb", None)
    assert finding.box == Box(20, 25, 80, 75.5)
    assert finding.index == "[0].annotations[0].result[0]"
    assert second.findings[0].box == Box(40, 25, 100, 75.5)
    assert (negative.image, negative.status, negative.reader) == ("2.png", Status.NEGATIVE, "3")
    assert (unknown.image, unknown.status) == ("3.png", Status.UNKNOWN)
    assert ledger.totals()["in"] == 2


JSON_MIN = [
    {
        "id": 5, "image": "/data/upload/7/1.png", "view": "PA", "annotator": 3,
        "annotation_id": 9, "created_at": "2024-01-25T23:52:00Z", "updated_at": "x",
        "lead_time": 3.5, "findings": {"choices": ["sick", "old"]},
        "label": [{**VALUE, "original_width": 200, "original_height": 100}] * 2,
    },
    {
        "id": 6, "image": "2.png", "annotator": 3, "annotation_id": 10, "lead_time": 1,
    },
    {
        "id": 5, "image": "/data/upload/7/1.png", "annotator": "b@c.de", "annotation_id": 11,
        "box": [{k: v for k, v in VALUE.items() if k != "rectanglelabels"}],
        "label": [{**{k: v for k, v in VALUE.items() if k != "rectanglelabels"}, "labels": ["tb"]}],
    },
]  # fmt: skip


def test_json_min(tmp_path: Path) -> None:
    (first, second, negative), ledger = read(tmp_path, JSON_MIN)
    assert detects(JSON_MIN)
    assert [finding.box for finding in first.findings] == [Box(20, 25, 80, 75.5)] * 2
    assert (first.labels, first.extra) == ({"sick": True, "old": True}, {"view": "PA"})
    # The label of the third entry stands under its own key, and the image's size nowhere.
    assert (second.image, second.reader, second.size_wh) == (first.image, "b@c.de", NORMALISED)
    (finding,) = second.findings
    assert (finding.label, finding.box) == ("tb", Box(0.1, 0.25, 0.4, 0.755))
    assert (negative.image, negative.status) == ("2.png", Status.NEGATIVE)
    assert ledger.totals()["in"] == 3


def test_a_file_of_a_target_storage(tmp_path: Path) -> None:
    document = {**handed_in(RESULT), "task": {"id": 5, "data": {"image": "s3://bucket/a/1.png"}}}
    (image,), _ = read(tmp_path, document)
    assert detects(document)
    assert (image.image, image.reader, len(image.findings)) == ("a/1.png", "3", 1)


def test_completions_of_versions_before_1(tmp_path: Path) -> None:
    old = {"id": 1, "data": {"image": "1.png"}, "completions": [{"result": [RESULT]}]}
    (image,), _ = read(tmp_path, [old])
    assert detects([old])
    assert image.findings[0].index == "[0].completions[0].result[0]"


def test_skipped_annotations_are_told_and_no_negatives(tmp_path: Path) -> None:
    (image,), ledger = read(tmp_path, [task(handed_in(RESULT, was_cancelled=True), image="1.png")])
    assert (image.status, ledger.totals()["in"]) == (Status.UNKNOWN, 0)
    (entry,) = ledger.image_entries
    assert (entry.image, entry.reason, entry.left_out) == ("1.png", Reason.UNKNOWN_STATUS, False)


CHOICE = {
    "id": "z", "type": "choices", "from_name": "choice", "to_name": "image",
    "value": {"choices": ["normal"]},
}  # fmt: skip


def test_choices_alone_are_a_negative_where_others_drew(tmp_path: Path) -> None:
    (alone,), _ = read(tmp_path, [task(handed_in(CHOICE))])
    assert (alone.labels, alone.status) == ({"normal": True}, Status.UNKNOWN)
    (first, _), _ = read(
        tmp_path, [task(handed_in(CHOICE), image="1.png"), task(handed_in(RESULT))]
    )
    assert (first.labels, first.status) == ({"normal": True}, Status.NEGATIVE)


@pytest.mark.parametrize(
    ("address", "image"),
    [
        pytest.param("/data/local-files/?d=scans/a%20b.png", "scans/a b.png", id="local files"),
        pytest.param("https://h.example/x/1%C3%A4.png?sig=a/b.jpg#t", "x/1ä.png", id="web"),
        pytest.param("gs://bucket/x/1.png", "x/1.png", id="cloud"),
        pytest.param("C:\\scans\\1.png", "C:/scans/1.png", id="Windows"),
        pytest.param("50%25?.png", "50%25?.png", id="a plain name stays"),
        pytest.param("/image1", "image1", id="no suffix"),
        pytest.param("https://[broken/../1.png", "../1.png", id="broken host"),
    ],
)
def test_names_of_images(tmp_path: Path, address: str, image: str) -> None:
    (found,), _ = read(tmp_path, [task(handed_in(RESULT), image=address)])
    assert found.image == image


@pytest.mark.parametrize(
    ("data", "targets", "images"),
    [
        pytest.param({"scan": "a.png", "note": "n"}, ["img"], ["a.png"], id="the first image"),
        pytest.param({"image": "a.png", "img": "b.png"}, ["img"], ["b.png"],
                     id="the control's name"),
        pytest.param({"x": "a.png", "y": "b.png"}, ["x", "y"], ["a.png", "b.png"], id="a pair"),
        pytest.param({"pages": [{"url": "https://h/a.png"}, {"url": "https://h/b.png"}]},
                     ["page_1", "page_0"], ["b.png", "a.png"], id="pages"),
        pytest.param({"address": "https://h/scan?id=3"}, ["img"], ["scan"], id="an address"),
    ],
)  # fmt: skip
def test_the_image_of_a_result(
    tmp_path: Path, data: dict[str, Any], targets: list[str], images: list[str]
) -> None:
    results = [result(to_name=name, id=name) for name in targets]
    found, ledger = read(tmp_path, [{"data": data, "annotations": [handed_in(*results)]}])
    assert [image.image for image in found if image.findings] == images
    assert not ledger.box_entries


def test_a_page_that_is_stated(tmp_path: Path) -> None:
    data = {"pages": ["a.png", "b.png"]}
    found, _ = read(tmp_path, [{"data": data, "annotations": [handed_in(result(item_index=1))]}])
    assert [(image.image, image.status) for image in found] == [
        ("b.png", Status.ANNOTATED), ("a.png", Status.UNKNOWN)
    ]  # fmt: skip


def test_regions_whose_image_nothing_tells(tmp_path: Path) -> None:
    results = [result(to_name="left", id="l"), result(to_name="right", id="r")]
    (image,), ledger = read(tmp_path, [task(handed_in(*results))])
    assert image.status is Status.UNKNOWN
    assert ledger.dropped_by_reason() == {Reason.UNKNOWN_IMAGE: 2}


def test_a_task_without_an_image_among_others(tmp_path: Path) -> None:
    chat = {"data": {"prompt": "how are you / they?"}, "annotations": [handed_in(RESULT)]}
    (image,), ledger = read(tmp_path, [chat, task(handed_in(RESULT))])
    assert len(image.findings) == 1
    assert (ledger.totals()["in"], ledger.totals()["dropped"]) == (2, 1)
    assert ledger.left_out_by_reason() == {Reason.UNKNOWN_IMAGE: 1}


def changed(change: Callable[[Any], object]) -> Any:
    document = copy.deepcopy(VALID)
    change(document)
    return document


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param(3, id="a number"),
        pytest.param([3], id="a task is a number"),
        pytest.param([{"image": "1.png"}], id="no task"),
        pytest.param(changed(lambda d: d[0].update(data=[])), id="data is a list"),
        pytest.param(changed(lambda d: d[0].update(annotations=3)), id="annotations"),
        pytest.param(changed(lambda d: d[0].update(annotations=[3])), id="annotation"),
        pytest.param(
            changed(lambda d: d[1]["annotations"][0].update(result={"a": 1})), id="result"
        ),
        pytest.param(changed(lambda d: d[0]["data"].update(split="x")), id="split"),
        pytest.param([{"data": {"text": "hello"}, "annotations": []}], id="no image at all"),
    ],
)
def test_an_unreadable_document(tmp_path: Path, content: Any) -> None:
    ledger = Ledger()
    path = tmp_path / "1.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(AnnotationError, match=r"^1\.json: "):
        list(label_studio.read(Source(path), ledger))
    assert (ledger.totals()["in"], ledger.image_entries) == (0, [])


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"images": [], "annotations": [], "categories": []}, id="COCO"),
        pytest.param({"shapes": [], "imagePath": "1.png", "imageData": None}, id="labelme"),
        pytest.param([{"image": "1.png", "annotations": []}], id="CreateML"),
        pytest.param({"1.png5": {"filename": "1.png", "regions": []}}, id="VIA"),
        pytest.param({"categories": {}, "items": [{"annotations": []}]}, id="Datumaro"),
    ],
)
def test_other_formats_are_not_claimed(content: Any) -> None:
    assert not detects(content)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "images", "found", "dropped"),
    [
        pytest.param("test_export_yolo/data.json", 3, 6, 0, id="rectangles, two annotators"),
        pytest.param("test_export_yolo/data_obb.json", 3, 25, 0, id="turned rectangles"),
        pytest.param("test_export_yolo/data_polygons.json", 1, 1, 0, id="polygon"),
        pytest.param("test_export_yolo/data_keypoints.json", 1, 1, 3, id="keypoints"),
        pytest.param("test_export_json_min/data.json", 1, 1, 0, id="another polygon"),
        pytest.param("test_export_json_min/data_repeater.json", 3, 1, 0, id="pages"),
    ],
)
def test_real_files(lucency_data: Path, name: str, images: int, found: int, dropped: int) -> None:
    """The numbers of boxes are those of ``"type": "…labels"`` in the files, by grep."""
    path = lucency_data / "formats/label_studio/sdk" / name
    assert label_studio.detect(Head(str(path), name, path.read_text()))
    ledger = Ledger()
    annotations = list(label_studio.read(Source(path), ledger))
    assert len(annotations) == images
    assert sum(len(annotation.findings) for annotation in annotations) == found
    assert ledger.totals()["in"] == found + dropped
    assert sum(ledger.dropped_by_reason().values()) == dropped


@pytest.mark.real_data
def test_the_first_turned_rectangle(lucency_data: Path) -> None:
    path = lucency_data / "formats/label_studio/sdk/test_export_yolo/data_obb.json"
    finding = next(iter(label_studio.read(Source(path), Ledger()))).findings[0]
    # In pixels of 597 x 768: the corner, and the sides along and across 328.3 degrees.
    x, y = 0.10537066764905694 * 597, 0.7955767690059092 * 768
    angle = math.radians(328.33240366032836)
    width, height = 0.19045470024656689 * 597, 0.08132522043893883 * 768
    assert finding.polygon is not None
    assert finding.polygon[0] == pytest.approx((x, y))
    assert finding.polygon[1] == pytest.approx(
        (x + width * math.cos(angle), y + width * math.sin(angle))
    )
    assert finding.polygon[3] == pytest.approx(
        (x - height * math.sin(angle), y + height * math.cos(angle))
    )
    assert finding.box.y1 == pytest.approx(y + width * math.sin(angle))


@pytest.mark.real_data
def test_a_chat_has_no_image(lucency_data: Path) -> None:
    path = lucency_data / "formats/label_studio/sdk/test_export_json_min/chat_data.json"
    with pytest.raises(AnnotationError, match=r"chat_data\.json: has no image"):
        list(label_studio.read(Source(path), Ledger()))


COORDINATES = st.floats(-100, 4196, width=64)
POLYGONS = st.lists(st.tuples(COORDINATES, COORDINATES), min_size=3, max_size=9)


@settings(max_examples=50, deadline=None)
@given(corners=st.tuples(*[COORDINATES] * 4), points=POLYGONS)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    corners: tuple[float, ...],
    points: list[tuple[float, float]],
) -> None:
    (x1, x2), (y1, y2) = sorted(corners[:2]), sorted(corners[2:])
    outline = (*points, (0.0, 0.0), (9.0, 9.0))
    xs, ys = [x for x, _ in outline], [y for _, y in outline]
    boxes = [Box(x1, y1, x2 + 0.01, y2 + 0.01), Box(min(xs), min(ys), max(xs), max(ys))]
    findings = (Finding("tb", boxes[0]), Finding("b c", boxes[1], outline))
    given_ = ImageAnnotation(
        "ä/1.png", "s", (4096, 3072), findings, Status.ANNOTATED, "R8", "val", "p1", {"sick": True}
    )
    out = tmp_path_factory.mktemp("out")
    label_studio.write([given_], out, label_map=LabelMap(("b c", "tb")))
    (image,) = label_studio.read(Source(out / "annotations.json"), Ledger())
    assert (image.image, image.size_wh, image.reader) == ("ä/1.png", (4096, 3072), "R8")
    assert (image.split, image.patient_id, image.labels) == ("val", "p1", {"sick": True})
    for found, box in zip(image.findings, boxes, strict=True):
        assert (found.box.x1, found.box.y1, found.box.x2, found.box.y2) == pytest.approx(
            (box.x1, box.y1, box.x2, box.y2), abs=0.001
        )
    assert image.findings[0].polygon is None
    for point, expected in zip(image.findings[1].polygon or (), outline, strict=True):
        assert point == pytest.approx(expected, abs=0.001)


def marked(reader: str, size_wh: tuple[int, int] | None = (100, 80)) -> ImageAnnotation:
    finding = Finding("tb", Box(1, 2, 3, 4))
    return ImageAnnotation("1.png", "s", size_wh, (finding,), Status.ANNOTATED, reader)


def test_readers_share_a_task_and_unknown_images_are_left_out(tmp_path: Path) -> None:
    negative = ImageAnnotation("2.png", "s", None, (), Status.NEGATIVE)
    unknown = ImageAnnotation("3.png", "s", None, (), Status.UNKNOWN)
    annotations = [marked("a"), negative, unknown, marked("b")]
    label_studio.write(annotations, tmp_path, label_map=LabelMap(("tb",)))
    written = json.loads((tmp_path / "annotations.json").read_text())
    assert [entry["data"] for entry in written] == [
        {"image": "/data/local-files/?d=1.png"}, {"image": "/data/local-files/?d=2.png"}
    ]  # fmt: skip
    assert [one["reader"] for one in written[0]["annotations"]] == ["a", "b"]
    value = written[0]["annotations"][0]["result"][0]["value"]
    assert (value["x"], value["y"], value["width"]) == (1, 2.5, 2)
    assert written[1]["annotations"][0]["result"] == []


@pytest.mark.parametrize(
    ("size_wh", "names", "message"),
    [
        pytest.param(None, ("tb",), "1.png: Label Studio needs the image's size", id="no size"),
        pytest.param((9, 9), ("other",), "1.png: tb: no such class", id="no class"),
    ],
)
def test_what_cannot_be_written(
    tmp_path: Path, size_wh: tuple[int, int] | None, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(AnnotationError, match=message):
        label_studio.write([marked("", size_wh)], tmp_path, label_map=LabelMap(names))
    assert not list(tmp_path.iterdir())


def test_the_project_gets_a_configuration(tmp_path: Path) -> None:
    image = ImageAnnotation(
        "a b/ü.png", "", (10, 10), (), Status.NEGATIVE, labels={"a&b": True, "no": False}
    )
    label_studio.write([image], tmp_path, label_map=LabelMap(('lytic "lesion"', "fracture")))
    root = ElementTree.parse(tmp_path / "config.xml").getroot()  # noqa: S314 - our own
    labels = [label.get("value") for label in root.findall("RectangleLabels/Label")]
    assert labels == ['lytic "lesion"', "fracture"]
    assert [choice.get("value") for choice in root.findall("Choices/Choice")] == ["a&b"]
    (task,) = json.loads((tmp_path / "annotations.json").read_text())
    assert task["data"]["image"] == "/data/local-files/?d=a%20b/%C3%BC.png"
    (back,) = label_studio.read(Source(tmp_path / "annotations.json"), Ledger())
    assert back.image == "a b/ü.png"

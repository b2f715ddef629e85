import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest

from lucency.annotations import via
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.formats import Head
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError

RECT = {"name": "rect", "x": 10, "y": 20, "width": 30, "height": 40.5}
HEADER = (
    "filename,file_size,file_attributes,region_count,region_id,"
    "region_shape_attributes,region_attributes"
)


def region(shape: Any = RECT, **attributes: Any) -> dict[str, Any]:
    return {"shape_attributes": shape, "region_attributes": attributes or {"class": "tb"}}


def document(*regions: Any, **further: Any) -> dict[str, Any]:
    entry = {"filename": "1.png", "size": 77, "regions": list(regions), "file_attributes": {}}
    return {"1.png77": {**entry, **further}}


def read(folder: Path, content: Any, name: str = "1.json") -> tuple[list[ImageAnnotation], Ledger]:
    path = folder / name
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(text.encode())
    ledger = Ledger()
    return list(via.read(Source(path), ledger)), ledger


def detects(content: Any, name: str = "1.json") -> bool:
    text = content if isinstance(content, str) else json.dumps(content)
    return via.detect(Head(name, name, text))


VALID = document(region(), file_attributes={"view": "AP", "quality": {"good": True, "dark": False}})


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(VALID, id="version 2"),
        pytest.param({"1.png77": {**VALID["1.png77"], "regions": {"0": region()}}}, id="version 1"),
        pytest.param({"_via_settings": {}, "_via_img_metadata": VALID}, id="project"),
    ],
)
def test_a_valid_document(tmp_path: Path, content: dict[str, Any]) -> None:
    (image,), ledger = read(tmp_path, content)
    assert detects(content)
    assert (image.image, image.size_wh, image.status) == ("1.png", None, Status.ANNOTATED)
    assert image.extra == {"view": "AP", "quality": "good"}
    (finding,) = image.findings
    assert (finding.label, finding.box, finding.polygon) == ("tb", Box(10, 20, 40, 60.5), None)
    assert finding.index == "1.png77.regions[0]"
    assert ledger.totals()["in"] == 1


def csv_text(*rows: list[Any], header: str = HEADER) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return f"{header}\r\n{buffer.getvalue()}"


ROW = ["1.png", 77, '{"view": "AP"}', 2, 0, json.dumps(RECT), '{"class": "tb"}']
OTHER_ROW = ["1.png", 77, '{"view": "AP"}', 2, 1, json.dumps({**RECT, "x": 0}), '{"class": "tb"}']
EMPTY_ROW = ["2.png", 5, "{}", 0, 0, "{}", "{}"]


@pytest.mark.parametrize("start", ["", "#", "\ufeff"], ids=["plain", "version 1", "BOM"])
def test_csv(tmp_path: Path, start: str) -> None:
    text = start + csv_text(ROW, OTHER_ROW, EMPTY_ROW)
    (first, second), ledger = read(tmp_path, text, "1.csv")
    assert detects(text, "1.csv")
    assert [finding.box for finding in first.findings] == [
        Box(10, 20, 40, 60.5),
        Box(0, 20, 30, 60.5),
    ]
    assert (first.findings[1].index, first.extra) == ("line 3", {"view": "AP"})
    assert (second.image, second.status) == ("2.png", Status.UNKNOWN)
    assert ledger.totals()["in"] == 2


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(["1.png", 77, "{}", 1, 0, "{broken", '{"class": "tb"}'], id="no JSON"),
        pytest.param(["1.png", 77, "{}", 1, 0, json.dumps(RECT)], id="cells missing"),
        pytest.param(["1.png", 77, "{}", 1, 0, "{}", '{"class": "tb"}'], id="no shape"),
        pytest.param(["1.png", 77, "", "", "", "", "[" * 10_000], id="deep"),
    ],
)
def test_a_broken_row_is_told(tmp_path: Path, row: list[Any]) -> None:
    (image,), ledger = read(tmp_path, csv_text(ROW, row), "1.csv")
    assert (len(image.findings), ledger.totals()["in"]) == (1, 2)
    (entry,) = ledger.box_entries
    assert (entry.reason, entry.index) == (Reason.MALFORMED, "line 3")
    assert entry.detail.startswith("line 3.")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("filename,file_size\r\n1.png,5\r\n", id="columns missing"),
        pytest.param(csv_text(["", 1, "{}", 0, 0, "{}", "{}"]), id="no name"),
        pytest.param(csv_text(["x" * 200_000, 1, "{}", 0, 0, "{}", "{}"]), id="a huge cell"),
    ],
)
def test_an_unreadable_csv(tmp_path: Path, text: str) -> None:
    with pytest.raises(AnnotationError, match=r"^1\.csv: line [12]"):
        read(tmp_path, text, "1.csv")


RING_X, RING_Y = [0, 100, 100, 0], [0, 0, 100, 100]
POINT = {"name": "point", "cx": 1, "cy": 2}


def line(xs: list[int], ys: list[int]) -> dict[str, Any]:
    return {"name": "polyline", "all_points_x": xs, "all_points_y": ys}


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        pytest.param({"name": "circle", "cx": 5, "cy": 6, "r": 2}, Box(3, 4, 7, 8), id="circle"),
        pytest.param({"name": "ellipse", "cx": 5, "cy": 6, "rx": 2, "ry": 3}, Box(3, 3, 7, 9),
                     id="ellipse of version 1"),
        pytest.param({"name": "ellipse", "cx": 5, "cy": 6, "rx": 2, "ry": 3, "theta": math.pi / 2},
                     Box(2, 4, 8, 8), id="ellipse of version 2"),
        pytest.param({"name": "polygon", "all_points_x": [1, 9, 5], "all_points_y": [2, 3, 8]},
                     Box(1, 2, 9, 8), id="polygon"),
        pytest.param(line([*RING_X, 0], [*RING_Y, 0]), Box(0, 0, 100, 100), id="closed line"),
        pytest.param(line([*RING_X, 2], [*RING_Y, 2]), Box(0, 0, 100, 100), id="closed by hand"),
    ],
)  # fmt: skip
def test_shapes(tmp_path: Path, shape: dict[str, Any], box: Box) -> None:
    (image,), _ = read(tmp_path, document(region(shape)))
    (finding,) = image.findings
    found = finding.box
    assert (found.x1, found.y1, found.x2, found.y2) == pytest.approx(
        (box.x1, box.y1, box.x2, box.y2)
    )
    assert finding.polygon is not None
    assert len(finding.polygon) == len(shape.get("all_points_x", range(64)))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        pytest.param(region({**RECT, "width": 0}), Reason.ZERO_AREA, id="zero"),
        pytest.param(region({**RECT, "x": math.nan}), Reason.NOT_FINITE, id="nan"),
        pytest.param(region({**RECT, "x": None}), Reason.MALFORMED, id="null"),
        pytest.param(region({"x": 1}), Reason.MALFORMED, id="no shape name"),
        pytest.param(region([]), Reason.MALFORMED, id="shape is a list"),
        pytest.param(region(POINT), Reason.UNSUPPORTED_SHAPE, id="point"),
        pytest.param(region({"name": "blob"}), Reason.UNSUPPORTED_SHAPE, id="unknown shape"),
        pytest.param(region(line(RING_X, RING_Y)), Reason.UNSUPPORTED_SHAPE, id="open line"),
        pytest.param(region({"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1]}),
                     Reason.MALFORMED, id="lengths differ"),
        pytest.param(region({"name": "polygon", "all_points_x": 1, "all_points_y": []}),
                     Reason.MALFORMED, id="no list"),
        pytest.param(region(**{"class": ""}), Reason.UNKNOWN_CLASS, id="empty class"),
        pytest.param(region(other="x"), Reason.UNKNOWN_CLASS, id="no class"),
        pytest.param(region(**{"class": {"tb": False}}), Reason.UNKNOWN_CLASS, id="nothing ticked"),
        pytest.param({"shape_attributes": RECT}, Reason.MALFORMED, id="no attributes"),
        pytest.param(None, Reason.MALFORMED, id="null region"),
    ],
)  # fmt: skip
def test_an_unusable_region(tmp_path: Path, broken: Any, reason: Reason) -> None:
    (image,), ledger = read(tmp_path, document(region(), broken))
    assert (len(image.findings), ledger.totals()["in"]) == (1, 2)
    (entry,) = ledger.box_entries
    assert (entry.reason, entry.index) == (reason, "1.png77.regions[1]")
    assert entry.detail.startswith("1.png77.regions[1]")
    assert ", got " in entry.detail


@pytest.mark.parametrize(
    ("attributes", "label", "further"),
    [
        pytest.param([{"anything": "tb"}], "tb", {}, id="the only one"),
        pytest.param([{"type": "x", "Label": "tb", "n": 3}], "tb", {"type": "x", "n": "3"},
                     id="named"),
        pytest.param([{"a": "tb", "b": "x"}, {"a": "y"}], "tb", {"b": "x"}, id="the one all share"),
        pytest.param([{"class": {"tb": True, "no": False, "old": True}}], "tb", {"class": "old"},
                     id="ticked"),
        pytest.param([{"class": 3}], "3", {}, id="a number"),
    ],
)  # fmt: skip
def test_the_attribute_that_is_the_class(
    tmp_path: Path, attributes: list[dict[str, Any]], label: str, further: dict[str, str]
) -> None:
    (image,), _ = read(tmp_path, document(*(region(**a) for a in attributes)))
    assert (image.findings[0].label, image.findings[0].attributes) == (label, further)


def test_no_attribute_is_the_class(tmp_path: Path) -> None:
    (image,), ledger = read(tmp_path, document(region(a="x", b="y")))
    assert image.status is Status.UNKNOWN
    assert ledger.dropped_by_reason() == {Reason.UNKNOWN_CLASS: 1}


def test_regions_without_any_attribute_are_of_one_class(tmp_path: Path) -> None:
    unnamed = {"shape_attributes": RECT, "region_attributes": {}}
    (image,), ledger = read(tmp_path, document(unnamed, unnamed))
    assert [finding.label for finding in image.findings] == ["region", "region"]
    assert [hint for hint in ledger.hints if "--map region=NAME" in hint] == ledger.hints != []


def test_one_region_without_attributes_among_others_has_no_class(tmp_path: Path) -> None:
    unnamed = {"shape_attributes": RECT, "region_attributes": {}}
    (image,), ledger = read(tmp_path, document(region(label="tb "), unnamed))
    assert [finding.label for finding in image.findings] == ["tb"]
    assert ledger.dropped_by_reason() == {Reason.UNKNOWN_CLASS: 1}
    assert ledger.hints == []


def test_files_of_windows(tmp_path: Path) -> None:
    (image,), _ = read(tmp_path, document(filename="file://C:\\scans\\a b.png"))
    assert image.image == "scans/a b.png"


def test_images_without_regions_and_of_the_web(tmp_path: Path) -> None:
    address = "https://host.example/scans/a%20b.png?size=3#x"
    (image,), _ = read(tmp_path, document(filename=address))
    assert (image.image, image.status) == ("scans/a b.png", Status.UNKNOWN)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param([], id="a list"),
        pytest.param({"1.png5": 3}, id="an entry is a number"),
        pytest.param({"_via_img_metadata": []}, id="metadata is a list"),
        pytest.param({"1.png5": {"regions": []}}, id="no file name"),
        pytest.param({"1.png5": {"filename": "1.png", "regions": "x"}}, id="regions are a text"),
        pytest.param({"1.png5": {"filename": "https://host", "regions": []}}, id="no path"),
    ],
)
def test_an_unreadable_document_tells_the_ledger_nothing(tmp_path: Path, content: Any) -> None:
    with pytest.raises(AnnotationError, match=r"^1\.json: "):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param({"images": [], "annotations": [], "categories": []}, "1.json", id="COCO"),
        pytest.param({"shapes": [], "imagePath": "1.png"}, "1.json", id="labelme"),
        pytest.param([{"image": "1.png", "annotations": []}], "1.json", id="CreateML"),
        pytest.param("filename,width,height,class,xmin\n", "1.csv", id="TensorFlow CSV"),
    ],
)
def test_other_formats_are_not_claimed(content: Any, name: str) -> None:
    assert not detects(content, name)


@pytest.mark.real_data
def test_polylines_drawn_around_things(lucency_data: Path) -> None:
    """115 polylines in 112 images, counted with grep; all are closed, 54 of them by hand."""
    path = lucency_data / "formats/via/misc/via2yolo_region_data.json"
    assert detects(path.read_text())
    ledger = Ledger()
    images = list(via.read(Source(path), ledger))
    findings = [finding for image in images for finding in image.findings]
    assert (len(images), len(findings), ledger.totals()["in"]) == (112, 115, 115)
    labels = [finding.label for finding in findings]
    assert (labels.count("handhole"), labels.count("manhole")) == (88, 27)
    assert findings[0].box == Box(1430, 1663, 1795, 1849)  # read off the file


@pytest.mark.real_data
def test_fracatlas_agrees_with_its_coco_file(lucency_data: Path) -> None:
    """850 regions, counted with grep, of 855 boxes in COCO.

    FracAtlas itself left five out here, and drew one (IMG0002614) with fewer corners.
    """
    folder = lucency_data / "fracatlas/annotations"
    coco = json.loads((folder / "coco.json").read_text())
    names = {image["id"]: image["file_name"] for image in coco["images"]}
    left: dict[str, list[list[float]]] = {name: [] for name in names.values()}
    for annotation in coco["annotations"]:
        left[names[annotation["image_id"]]].append(annotation["bbox"])
    ledger = Ledger()
    images = list(via.read(Source(folder / "via.json"), ledger))
    assert (len(images), ledger.totals()["in"], ledger.box_entries) == (656, 850, [])
    apart = []
    for image in images:
        for finding in image.findings:
            assert finding.label == "fractured"
            box = finding.box
            found = [box.x1, box.y1, box.width, box.height]
            near = [b for b in left[image.image] if found == pytest.approx(b, abs=1)]
            if near:
                left[image.image].remove(near[0])
            else:
                apart.append(image.image)
    assert apart == ["IMG0002614.jpg"]
    assert {name: len(boxes) for name, boxes in left.items() if boxes} == {
        "IMG0000851.jpg": 1, "IMG0002086.jpg": 1, "IMG0002395.jpg": 1, "IMG0002471.jpg": 2,
        "IMG0002614.jpg": 1,
    }  # fmt: skip

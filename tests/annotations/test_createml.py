import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucency.annotations import createml
from lucency.annotations.findings import Finding, ImageAnnotation, LabelMap, Status
from lucency.annotations.formats import Head
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError

VALID: list[dict[str, Any]] = [
    {"image": "a\\1.png", "annotations": [
        {"label": "fracture", "coordinates": {"x": 25, "y": 40.25, "width": 30, "height": 40.5}},
        {"label": "implant", "coordinates": {"x": 5, "y": 5, "width": 4, "height": 2}},
    ]},
    {"image": "2.png", "annotations": []},
]  # fmt: skip


def read(folder: Path, document: Any) -> tuple[list[ImageAnnotation], Ledger]:
    path = folder / "1.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    ledger = Ledger()
    return list(createml.read(Source(path), ledger)), ledger


def detects(document: Any) -> bool:
    return createml.detect(Head("1.json", "1.json", json.dumps(document)))


def test_a_valid_document(tmp_path: Path) -> None:
    (first, second), ledger = read(tmp_path, VALID)
    assert detects(VALID)
    assert (first.image, first.source, first.size_wh) == ("a/1.png", "1.json", None)
    assert [finding.label for finding in first.findings] == ["fracture", "implant"]
    assert first.findings[0].box == Box(10, 20, 40, 60.5)
    assert first.findings[1].index == "[0].annotations[1]"
    assert (second.image, second.status) == ("2.png", Status.NEGATIVE)
    assert ledger.totals()["in"] == 2


def test_older_names(tmp_path: Path) -> None:
    document = [{"imagefilename": "1.png", "annotation": VALID[0]["annotations"]}]
    (image,), _ = read(tmp_path, document)
    assert detects(document)
    assert (image.image, len(image.findings)) == ("1.png", 2)
    assert image.findings[0].index == "[0].annotation[0]"


@pytest.mark.parametrize(
    ("entry", "labels", "status"),
    [
        pytest.param({"annotations": ["tb", "effusion"]}, {"tb": True, "effusion": True},
                     Status.UNKNOWN, id="names as annotations"),
        pytest.param({"label": "tb"}, {"tb": True}, Status.UNKNOWN, id="a label"),
        pytest.param({"labels": ["tb"]}, {"tb": True}, Status.UNKNOWN, id="a list"),
        pytest.param({"labels": {"tb": False}, "annotations": []}, {"tb": False},
                     Status.NEGATIVE, id="true and false"),
        pytest.param({"annotations": None}, {}, Status.UNKNOWN, id="null"),
    ],
)  # fmt: skip
def test_image_level_labels(
    tmp_path: Path, entry: dict[str, Any], labels: dict[str, bool], status: Status
) -> None:
    (image,), ledger = read(tmp_path, [{"image": "1.png", **entry}])
    assert (image.labels, image.status, ledger.totals()["in"]) == (labels, status, 0)


def changed(change: Callable[[dict[str, Any]], object]) -> list[dict[str, Any]]:
    document = copy.deepcopy(VALID[:1])
    change(document[0]["annotations"][0])
    return document


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(lambda b: b["coordinates"].update(width=0), Reason.ZERO_AREA, id="zero"),
        pytest.param(lambda b: b["coordinates"].update(height=-1), Reason.ZERO_AREA, id="negative"),
        pytest.param(
            lambda b: b["coordinates"].update(x=float("nan")), Reason.NOT_FINITE, id="nan"
        ),
        pytest.param(lambda b: b["coordinates"].update(x=10**400), Reason.NOT_FINITE, id="huge"),
        pytest.param(lambda b: b["coordinates"].update(x="1"), Reason.MALFORMED, id="a text"),
        pytest.param(lambda b: b["coordinates"].pop("y"), Reason.MALFORMED, id="no y"),
        pytest.param(lambda b: b.update(coordinates=[1, 2, 3, 4]), Reason.MALFORMED, id="a list"),
        pytest.param(lambda b: b.pop("coordinates"), Reason.NO_BOX, id="no coordinates"),
        pytest.param(lambda b: b.pop("label"), Reason.MALFORMED, id="no label"),
        pytest.param(lambda b: b.update(label=7), Reason.MALFORMED, id="label is a number"),
    ],
)
def test_an_unusable_box(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], reason: Reason
) -> None:
    (image,), ledger = read(tmp_path, changed(change))
    assert len(image.findings) == 1
    (entry,) = ledger.box_entries
    assert (entry.reason, entry.index) == (reason, "[0].annotations[0]")
    assert entry.detail.startswith("[0].annotations[0]")
    assert ledger.totals()["in"] == 2


def test_an_image_with_unusable_boxes_alone_is_no_negative(tmp_path: Path) -> None:
    (image,), ledger = read(tmp_path, [{"image": "1.png", "annotations": [[]]}])
    assert image.status is Status.UNKNOWN
    assert ledger.dropped_by_reason() == {Reason.MALFORMED: 1}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param("", id="empty"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param({"images": []}, id="object"),
        pytest.param([1], id="numbers"),
        pytest.param([{"annotations": []}], id="no image"),
        pytest.param([{"image": "\ud800", "annotations": []}], id="half a character"),
        pytest.param([{"image": "1.png", "annotations": {}}], id="annotations is no list"),
        pytest.param([{"image": "1.png", "label": 3}], id="label is a number"),
        pytest.param([{"image": "1.png", "labels": {"tb": 1}}], id="flag is a number"),
    ],
)
def test_an_unreadable_document_tells_the_ledger_nothing(tmp_path: Path, document: Any) -> None:
    ledger = Ledger()
    path = tmp_path / "1.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(AnnotationError, match=r"^1\.json: "):
        list(createml.read(Source(path), ledger))
    assert ledger.totals()["in"] == 0
    assert not ledger.box_entries


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"images": [], "annotations": [], "categories": []}, id="COCO"),
        pytest.param({"shapes": [], "imagePath": "1.png"}, id="labelme"),
        pytest.param([{"data": {"image": "1.png"}, "annotations": []}], id="Label Studio"),
        pytest.param(
            [{"image": "1.png", "annotation_id": 1, "annotator": 1}], id="Label Studio JSON-min"
        ),
        pytest.param({"1.png5": {"filename": "1.png", "regions": []}}, id="VIA"),
    ],
)
def test_other_formats_are_not_claimed(document: Any) -> None:
    assert not detects(document)


@pytest.mark.real_data
def test_what_lies_among_createml_files_but_is_none(lucency_data: Path) -> None:
    files = sorted((lucency_data / "formats/createml").rglob("*.json"))
    assert len(files) == 3
    for file in files:
        assert not createml.detect(Head(str(file), file.name, file.read_text()))
        with pytest.raises(AnnotationError, match="must be a list"):
            list(createml.read(Source(file), Ledger()))


CORNERS = st.tuples(*[st.floats(-100, 4196, width=64)] * 4)


@settings(max_examples=50, deadline=None)
@given(corners=CORNERS)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, corners: tuple[float, ...]) -> None:
    (x1, x2), (y1, y2) = sorted(corners[:2]), sorted(corners[2:])
    box = Box(x1, y1, x2 + 0.01, y2 + 0.01)
    out = tmp_path_factory.mktemp("out")
    given_ = ImageAnnotation(
        "ä/1.png", "s", (4096, 4096), (Finding("tb", box),), Status.ANNOTATED, labels={"sick": True}
    )
    createml.write([given_], out, label_map=LabelMap(("tb",)))
    (image,) = createml.read(Source(out / "annotations.json"), Ledger())
    (finding,) = image.findings
    assert (image.image, image.labels, finding.label) == ("ä/1.png", {"sick": True}, "tb")
    found = finding.box
    assert (found.x1, found.y1, found.x2, found.y2) == pytest.approx(
        (box.x1, box.y1, box.x2, box.y2), abs=0.001
    )


def test_what_is_written(tmp_path: Path) -> None:
    negative = ImageAnnotation("1.png", "s", None, (), Status.NEGATIVE)
    unknown = ImageAnnotation("2.png", "s", None, (), Status.UNKNOWN)
    createml.write([negative, unknown], tmp_path, label_map=LabelMap(()))
    assert json.loads((tmp_path / "annotations.json").read_text()) == [
        {"image": "1.png", "annotations": []}
    ]
    marked = ImageAnnotation(
        "3.png", "s", None, (Finding("tb", Box(0, 0, 1, 1)),), Status.ANNOTATED
    )
    with pytest.raises(AnnotationError, match="tb: no such class"):
        createml.write([marked], tmp_path, label_map=LabelMap(("other",)))

import hashlib
import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lucency.annotations.records import read_dataset
from lucency.api.feedback import (
    EARLIER,
    MAX_BYTES,
    FeedbackError,
    FeedbackFailedError,
    FeedbackStore,
    parse_feedback,
)
from lucency.configs.errors import AnnotationError, ConfigError
from lucency.datasets.collect import collect
from lucency.datasets.phantom_files import write_dicom
from lucency.datasets.phantoms import make_limbs

Png = Callable[..., bytes]
KEPT = {"x1": 10, "y1": 10, "x2": 30.25, "y2": 30}
ELSEWHERE = {"x1": 40, "y1": 40, "x2": 60, "y2": 60}
NEARBY = {"x1": 42, "y1": 41, "x2": 61, "y2": 62}


def found(action: str, finding: int, box: dict[str, float], **values: Any) -> dict[str, Any]:
    """A box of the report, and what the reader made of it."""
    of_model = {"model": "fracture", "score": 0.8, "label": "fracture"}
    return {"action": action, "finding": finding, "box": box, **of_model, **values}


def added(box: dict[str, float], label: str = "fracture") -> dict[str, Any]:
    return {"action": "add", "label": label, "box": box}


def body(image: bytes, *boxes: dict[str, Any], **values: Any) -> dict[str, Any]:
    facts = {"sha256": hashlib.sha256(image).hexdigest(), "width": 64, "height": 64, "kind": "png"}
    return {"report_id": "ab12", "image": facts | values, "boxes": list(boxes), "comment": ""}


def save(
    folder: Path, image: bytes, *boxes: dict[str, Any], send: bool = True, **values: Any
) -> str:
    feedback = parse_feedback(json.dumps(body(image, *boxes, **values)))
    return FeedbackStore(folder).save(feedback, image=image if send else None, request_id="r1")


def test_what_was_proposed_and_what_was_left(tmp_path: Path, png: Png) -> None:
    image = png()
    made = save(
        tmp_path / "kept",
        image,
        found("accept", 0, KEPT),
        found("reject", 1, {"x1": 0, "y1": 50, "x2": 10, "y2": 63}),
        found("move", 2, NEARBY, proposed=ELSEWHERE),
        added({"x1": 33, "y1": 5, "x2": 50, "y2": 20}, "lesion"),
    )
    name = hashlib.sha256(image).hexdigest()
    document = json.loads((tmp_path / "kept" / f"{name}.json").read_text(encoding="utf-8"))
    assert document["imagePath"] == f"{name}.png"
    assert document["lucency"]["feedback"]["id"] == made
    assert document["lucency"]["prelabelled_by"] == "fracture"
    assert [shape["points"] for shape in document["shapes"]] == [
        [[10, 10], [30.25, 30]],
        [[42, 41], [61, 62]],
        [[33, 5], [50, 20]],
    ]
    assert "score" not in document["shapes"][2]
    collected = collect(tmp_path / "kept", tmp_path / "set")
    rows = {label: collected.tally.row(label) for label in ("fracture", "lesion")}
    counts = ("proposed", "kept", "moved", "deleted", "added", "now")
    assert [rows["fracture"][name] for name in counts] == [3, 1, 1, 1, 0, 2]
    assert [rows["lesion"][name] for name in counts] == [0, 0, 0, 0, 1, 1]
    dataset = read_dataset(tmp_path / "set")
    corners = [tuple(finding.box) for finding in dataset.findings(dataset.records[0])]
    assert corners == [
        pytest.approx(box, abs=0.01)
        for box in [(10, 10, 30.25, 30), (42, 41, 61, 62), (33, 5, 50, 20)]
    ]


def test_another_label_is_a_rejected_box_and_an_added_one(tmp_path: Path, png: Png) -> None:
    save(tmp_path / "kept", png(), found("reject", 0, KEPT), added(KEPT, "lesion"))
    collected = collect(tmp_path / "kept", tmp_path / "set")
    assert dict(collected.tally.relabelled) == {("fracture", "lesion"): 1}


def test_nothing_left_is_a_confirmed_negative(tmp_path: Path, png: Png) -> None:
    save(tmp_path / "kept", png(), found("reject", 0, KEPT))
    collect(tmp_path / "kept", tmp_path / "set")
    records = read_dataset(tmp_path / "set").records
    assert [record.status.value for record in records] == ["negative"]


def test_images_that_were_not_sent_are_found_by_digest(tmp_path: Path, png: Png) -> None:
    sent, not_sent, other = png(64, 64), png(64, 48), png(48, 64)
    save(tmp_path / "kept", sent, found("accept", 0, KEPT))
    save(tmp_path / "kept", not_sent, added(KEPT), send=False, height=48)
    mine = tmp_path / "mine" / "ward"
    mine.mkdir(parents=True)
    (mine / "hand of somebody.png").write_bytes(not_sent)
    (mine / "other.png").write_bytes(other)
    with pytest.raises(AnnotationError, match="missing-image"):
        collect(tmp_path / "kept", tmp_path / "set")
    collect(tmp_path / "kept", tmp_path / "set", images=tmp_path / "mine")
    found_status = {
        record.image.name: record.status.value for record in read_dataset(tmp_path / "set").records
    }
    named = {f"{hashlib.sha256(data).hexdigest()}.png" for data in (sent, not_sent)}
    assert found_status == {**dict.fromkeys(named, "annotated"), "other.png": "unknown"}


def test_the_last_word_counts_and_earlier_ones_are_kept(tmp_path: Path, png: Png) -> None:
    first = save(tmp_path, png(), found("accept", 0, KEPT))
    save(tmp_path, png(), send=False)
    name = hashlib.sha256(png()).hexdigest()
    assert json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))["shapes"] == []
    earlier = tmp_path / EARLIER / f"{name}-{first}.json"
    assert len(json.loads(earlier.read_text(encoding="utf-8"))["shapes"]) == 1
    assert (tmp_path / f"{name}.png").read_bytes() == png()
    (tmp_path / f"{name}.json").write_text("[", encoding="utf-8")  # somebody's slip
    save(tmp_path, png())
    assert sorted(path.read_text() for path in (tmp_path / EARLIER).iterdir())[0] == "["


def test_only_the_owner_may_read(tmp_path: Path, png: Png) -> None:
    before = os.umask(0)
    try:
        save(tmp_path / "a" / "kept", png())
        save(tmp_path / "a" / "kept", png())
    finally:
        os.umask(before)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in [tmp_path / "a" / "kept", *(tmp_path / "a" / "kept").rglob("*")]
    }
    assert modes.pop("kept") == modes.pop(EARLIER) == 0o700
    assert len(modes) == 4
    assert set(modes.values()) == {0o600}


def test_many_at_once_lose_nothing(tmp_path: Path, png: Png) -> None:
    store, image = FeedbackStore(tmp_path), png()
    made: list[str] = []

    def post(number: int) -> None:
        boxes = [found("accept", 0, KEPT)] * (number % 2)
        feedback = parse_feedback(json.dumps(body(image, *boxes)))
        made.append(store.save(feedback, image=image, request_id=str(number)))

    threads = [threading.Thread(target=post, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = [json.loads(path.read_text()) for path in tmp_path.rglob("*.json")]
    assert sorted(each["lucency"]["feedback"]["id"] for each in kept) == sorted(made)
    assert len(made) == 16


MISTAKES = {
    "no JSON": (b"{", "feedback"),
    "not UTF-8": (b"\xff", "feedback"),
    "no object": (b"[]", "feedback"),
    "nested too deeply": (b"[" * 100_000, "feedback"),
}


@pytest.mark.parametrize("text, where", MISTAKES.values(), ids=MISTAKES)
def test_text_that_is_no_feedback(text: bytes, where: str) -> None:
    with pytest.raises(FeedbackError, match=where):
        parse_feedback(text)


WRONG_BOXES = {
    "outside": (added({"x1": 0, "y1": 0, "x2": 66, "y2": 10}), "must lie in the image of 64 × 64"),
    "empty": (added({"x1": 5, "y1": 0, "x2": 5, "y2": 10}), "must have an area"),
    "upside down": (added({"x1": 0, "y1": 10, "x2": 9, "y2": 0}), "must have an area"),
    "only in the margin": (added({"x1": -1, "y1": 0, "x2": 0, "y2": 9}), "must have an area"),
    "no number": (added({"x1": 0, "y1": 0, "x2": "NaN", "y2": 9}), r"boxes\.0\.box\.x2"),
    "blank label": (added(KEPT, "  "), "must be a name"),
    "label of two lines": (added(KEPT, "a\nb"), "must be a name"),
    "long label": (added(KEPT, "a" * 201), "200"),
    "unknown action": (found("keep", 0, KEPT), "accept"),
    "unknown field": (added(KEPT) | {"SMITH": "red"}, r"boxes\.0: has a field that does not exist"),
    "added and found": (found("add", 0, KEPT), "finding"),
    "accepted and not found": ({"action": "accept", "label": "a", "box": KEPT}, "finding"),
    "moved from nowhere": (found("move", 0, KEPT), "where the model had the box"),
    "accepted and moved": (found("accept", 0, KEPT, proposed=NEARBY), "left out otherwise"),
    "index below 0": (found("accept", -1, KEPT), "finding"),
    "score above 1": (found("accept", 0, KEPT, score=1.5), "score"),
}


@pytest.mark.parametrize("box, told", WRONG_BOXES.values(), ids=WRONG_BOXES)
def test_boxes_that_cannot_be(box: dict[str, Any], told: str) -> None:
    with pytest.raises(FeedbackError, match=told) as caught:
        parse_feedback(json.dumps(body(b"", box)))
    assert "\n" not in str(caught.value)
    assert "SMITH" not in str(caught.value)


WRONG_BODIES = {
    "the same finding twice": (
        {"boxes": [found("accept", 0, KEPT), found("reject", 0, KEPT)]},
        "the same finding",
    ),
    "too many boxes": ({"boxes": [added(KEPT)] * 1001}, "1000"),
    "long comment": ({"comment": "SMITH" * 401}, "2000"),
    "half a character": ({"comment": "\ud800"}, "feedback"),
    "no digest": ({"image": {"sha256": "x", "width": 1, "height": 1, "kind": "png"}}, "sha256"),
    "a path for an id": ({"report_id": "../a"}, "report_id"),
}


@pytest.mark.parametrize("values, told", WRONG_BODIES.values(), ids=WRONG_BODIES)
def test_bodies_that_cannot_be(values: dict[str, Any], told: str) -> None:
    with pytest.raises(FeedbackError, match=told) as caught:
        parse_feedback(json.dumps(body(b"") | values))
    assert "SMITH" not in str(caught.value)


def test_a_box_may_stick_out_by_a_pixel_and_is_clipped(tmp_path: Path, png: Png) -> None:
    image = png()
    save(tmp_path, image, added({"x1": -0.6, "y1": 1, "x2": 64.9, "y2": 9}))
    document = json.loads((tmp_path / f"{hashlib.sha256(image).hexdigest()}.json").read_text())
    assert document["shapes"][0]["points"] == [[0, 1], [64, 9]]


def test_another_image_is_refused(tmp_path: Path, png: Png) -> None:
    feedback = parse_feedback(json.dumps(body(png())))
    with pytest.raises(FeedbackError, match="SHA-256"):
        FeedbackStore(tmp_path).save(feedback, image=png(32, 64), request_id="")
    with pytest.raises(FeedbackError, match="64 × 64 px, not a jpeg"):
        save(tmp_path, png(), kind="jpeg")
    with pytest.raises(FeedbackError, match="not a png of 65"):
        save(tmp_path, png(), width=65)
    with pytest.raises(FeedbackError, match="truncated"):
        save(tmp_path, png()[:-8])
    with pytest.raises(FeedbackError, match="is no PNG"):
        save(tmp_path, b"no image")
    assert not list(tmp_path.glob("*.json"))


def test_a_folder_that_cannot_be(tmp_path: Path, png: Png) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        FeedbackStore(tmp_path / "file")
    feedback = parse_feedback(json.dumps(body(png())))
    store = FeedbackStore(tmp_path / "gone")
    for path in (tmp_path / "gone").iterdir():
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "gone").rmdir()
    with pytest.raises(FeedbackFailedError, match="nothing was changed"):
        store.save(feedback, image=png(), request_id="")


def test_a_dicom_file_is_kept_as_it_is(tmp_path: Path) -> None:
    write_dicom(next(make_limbs(1, seed=2, size=64)), tmp_path / "made.dcm", monochrome=2)
    image = (tmp_path / "made.dcm").read_bytes()
    save(tmp_path / "kept", image, added(KEPT), kind="dicom")
    name = hashlib.sha256(image).hexdigest()
    assert (tmp_path / "kept" / f"{name}.dcm").read_bytes() == image
    collect(tmp_path / "kept", tmp_path / "set")
    assert [record.image.name for record in read_dataset(tmp_path / "set").records] == [
        f"{name}.dcm"
    ]


@pytest.mark.real_data
def test_a_real_radiograph_comes_back_as_a_data_set(tmp_path: Path, lucency_data: Path) -> None:
    path = lucency_data / "fracatlas" / "images" / "Fractured" / "IMG0000019.jpg"
    image = path.read_bytes()
    with Image.open(path) as picture:
        width, height = picture.size
    moved = {"x1": 0.4 * width, "y1": 0.4 * height, "x2": 0.5 * width, "y2": 0.5 * height}
    proposed = moved | {"x2": 0.51 * width}
    drawn = {"x1": 1, "y1": 2, "x2": 33.5, "y2": height}
    save(
        tmp_path / "kept",
        image,
        found("move", 0, moved, proposed=proposed),
        found("reject", 1, {"x1": 0, "y1": 0, "x2": 20, "y2": 20}),
        added(drawn),
        width=width,
        height=height,
        kind="jpeg",
    )
    collected = collect(tmp_path / "kept", tmp_path / "set")
    row = collected.tally.row("fracture")
    assert (row["proposed"], row["moved"], row["deleted"], row["added"]) == (2, 1, 1, 1)
    dataset = read_dataset(tmp_path / "set")
    boxes = [tuple(each.box) for each in dataset.findings(dataset.records[0])]
    wanted = [(box["x1"], box["y1"], box["x2"], box["y2"]) for box in (moved, drawn)]
    assert boxes == [pytest.approx(box, abs=0.02) for box in wanted]


@pytest.mark.parametrize(
    "text",
    [b'{"boxes":[' + b"[]," * 200_000 + b"[]]}", b'{"comment":"' + b"x" * MAX_BYTES + b'"}'],
    ids=["many-boxes", "long-comment"],
)
def test_more_text_than_feedback_has_is_not_even_parsed(text: bytes) -> None:
    with pytest.raises(FeedbackError, match=rf"bytes, and may have {MAX_BYTES}"):
        parse_feedback(text)


def test_feedback_with_all_the_boxes_that_there_may_be_is_taken() -> None:
    box = {"x1": 512.123456, "y1": 612.123456, "x2": 700.123456, "y2": 900.123456}
    moved = {"action": "move", "label": "fractured", "model": "fracture", "score": 0.123456789}
    boxes = [{**moved, "finding": number, "box": box, "proposed": box} for number in range(1000)]
    facts = {"sha256": "0" * 64, "width": 1024, "height": 1280, "kind": "jpeg"}
    text = json.dumps({"report_id": "ab", "image": facts, "boxes": boxes})
    assert len(parse_feedback(text).boxes) == 1000

"""What readers do to boxes: feedback on disk, files to save."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lucency.annotations import labelme
from lucency.annotations.ledger import Ledger
from lucency.annotations.prelabels import read_reviews
from lucency.annotations.sources import Source
from lucency.configs.bundle import Bundle
from lucency.datasets.collect import collect

pytestmark = pytest.mark.xdist_group("chromium")

Opens = Callable[..., Any]


@pytest.fixture
def shown(visit: Opens, site: str, image: bytes) -> Any:
    """A page with one analysed image and its picture."""
    opened = visit(site)
    opened.add(("hand.png", image))
    opened.expect(opened.marks).to_have_count(2)
    return opened


def test_accepted_moved_and_drawn_boxes_end_in_a_labelme_file(
    visit: Opens, site: str, png: Callable[..., bytes], feedback_folder: Path
) -> None:
    opened = visit(site)
    opened.add(("hand.png", png(401, 300)))
    opened.expect(opened.marks).to_have_count(2)
    send = opened.page.get_by_role("button", name="Send feedback")
    opened.expect(send).to_be_disabled()
    opened.keys("1", "j", "a", "j", "m")
    box = _stored_box(opened, "lesion")
    opened.drag(_middle(opened, box), _shifted(_middle(opened, box), 40, 24))
    opened.drag(opened.place(*_stored_box(opened, "lesion")[2:]), opened.place(390, 290))
    opened.keys("Escape", "j", "r", "n")
    opened.drag(opened.place(20, 30), opened.place(120, 90))
    opened.page.get_by_label("Label", exact=True).select_option("another …")
    opened.page.get_by_label("Its name").fill("spur")
    opened.page.get_by_label("Comment").fill("thin line")
    send.click()
    opened.expect(opened.page.locator("#review-reason")).to_contain_text("Stored as")
    opened.expect(send).to_be_disabled()
    identity = opened.page.locator("#review-reason").inner_text().split()[-1].rstrip(".")
    (file,) = [
        path for path in feedback_folder.rglob("*.json") if identity in path.read_text("utf-8")
    ]
    (annotation,) = labelme.read(Source(file), Ledger())
    assert [finding.label for finding in annotation.findings] == ["fracture", "lesion", "spur"]
    _, lesion, spur = (finding.box for finding in annotation.findings)
    assert (spur.x1, spur.y1, spur.x2, spur.y2) == pytest.approx((20, 30, 120, 90), abs=1)
    scale = opened.view()[0]
    assert lesion.x1 == pytest.approx(box[0] + 40 / scale, abs=1)
    assert (lesion.x2, lesion.y2) == pytest.approx((390, 290), abs=1)
    assert opened.complaints == []


def test_nothing_to_mark_has_to_be_said(shown: Any) -> None:
    send = shown.page.get_by_role("button", name="Send feedback")
    shown.page.get_by_role("button", name="Reject the rest (2)").click()
    shown.expect(shown.page.locator(".mark.reject")).to_have_count(2)
    shown.expect(send).to_be_disabled()
    shown.page.get_by_label("There is nothing to mark in this image").check()
    shown.expect(send).to_be_enabled()
    # Who thinks again takes it back.
    shown.keys("j", "r")
    shown.expect(send).to_be_disabled()


def test_keys_draw_move_and_resize_too(shown: Any) -> None:
    shown.keys("n", "Enter")
    shown.expect(shown.page.locator(".mark.edited .handle")).to_have_count(8)
    before = _stored_box(shown, "fracture", own=True)
    shown.keys("ArrowRight", "ArrowDown", "Shift+ArrowDown")
    after = _stored_box(shown, "fracture", own=True)
    assert [b - a for a, b in zip(before, after, strict=True)] == pytest.approx(
        [2, 2, 2, 4], abs=0.2
    )
    shown.keys("Delete")
    shown.expect(shown.page.locator(".mark.own")).to_have_count(0)


def test_without_a_folder_the_button_says_why(
    visit: Opens, serving: Callable[..., Any], detector_bundle: Bundle, image: bytes
) -> None:
    with serving(detector_bundle) as address:
        opened = visit(address)
        opened.add(("hand.png", image))
        opened.page.get_by_role("button", name="Accept the rest (2)").click()
        button = opened.page.get_by_role("button", name="Send feedback")
        opened.expect(button).to_be_disabled()
        opened.expect(opened.page.locator("#review-reason")).to_contain_text("keeps no feedback")


def test_a_refusal_of_feedback_is_shown(shown: Any) -> None:
    error = {"error": {"code": "no_feedback", "message": "This service takes no feedback."}}
    shown.page.route(
        "**/v1/feedback", lambda route: route.fulfill(status=404, body=json.dumps(error))
    )
    shown.page.get_by_role("button", name="Accept the rest (2)").click()
    button = shown.page.get_by_role("button", name="Send feedback")
    button.click()
    shown.expect(shown.page.locator("#review-reason")).to_have_text(error["error"]["message"])
    shown.expect(button).to_be_disabled()


def test_files_to_save(shown: Any) -> None:
    name, answer = _saved(shown, "JSON")
    assert name == "hand.report.json"
    report = json.loads(answer)
    assert len(report["findings"]) == 3
    assert report["notice"].startswith("For research use only")
    shown.keys("j", "r")
    name, document = _saved(shown, "labelme")
    assert name == "hand.json"
    assert [shape["label"] for shape in json.loads(document)["shapes"]] == ["lesion"]
    name, picture = _saved(shown, "PNG")
    assert name == "hand.findings.png"
    drawn = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)
    assert drawn.shape[1] == 1000
    assert drawn.shape[0] > 750
    coloured = (drawn.max(axis=2) - drawn.min(axis=2) > 60)[:750]
    assert 1000 < coloured.sum() < 60_000


def test_only_a_complete_review_is_collected(shown: Any, image: bytes, tmp_path: Path) -> None:
    def keep(folder: str) -> None:
        place = tmp_path / "saved" / folder
        place.mkdir(parents=True)
        (place / "hand.png").write_bytes(image)
        name, document = _saved(shown, "labelme")
        (place / name).write_bytes(document)

    hint = shown.page.get_by_text("nobody has reviewed the image")
    keep("undecided")
    shown.keys("j", "r")
    keep("one-rejected")
    shown.expect(hint).to_be_visible()
    shown.keys("j", "a")
    shown.expect(hint).to_have_count(0)
    keep("complete")
    reviews, unreadable = read_reviews(Source(tmp_path / "saved"))
    assert not unreadable
    done = {review.file.name: review.done for review in reviews}
    assert done == {
        "complete/hand.json": True,
        "one-rejected/hand.json": False,
        "undecided/hand.json": False,
    }
    collected = collect(tmp_path / "saved", tmp_path / "set")
    assert (collected.reviewed, collected.unreviewed, collected.unticked) == (1, 2, ())
    (correction,) = collected.corrections
    assert correction.image == "complete/hand.png"
    assert (correction.kept, correction.deleted) == (("lesion",), ("fracture",))


def _saved(shown: Any, button: str) -> tuple[str, bytes]:
    with shown.page.expect_download() as saving:
        shown.page.get_by_role("button", name=button, exact=True).click()
    download = saving.value
    return download.suggested_filename, Path(download.path()).read_bytes()


def _stored_box(shown: Any, label: str, *, own: bool = False) -> list[float]:
    """The corners of the best box of a label, in pixels of the stored image."""
    keys = [
        item.get_attribute("data-finding")
        for item in shown.findings.all()
        if item.locator(".label").inner_text() == label
    ]
    key = next(key for key in keys if key.startswith("new" if own else "finding"))
    outline = shown.page.locator(f"[data-mark={key}] .outline")
    x, y, width, height = (
        float(outline.get_attribute(name)) for name in ("x", "y", "width", "height")
    )
    scale, left, top = shown.view()
    corners = (x - left, y - top, x + width - left, y + height - top)
    return [value / scale for value in corners]


def _middle(shown: Any, box: list[float]) -> tuple[float, float]:
    x, y = shown.place((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    return x, y


def _shifted(place: tuple[float, float], dx: float, dy: float) -> tuple[float, float]:
    return place[0] + dx, place[1] + dy

"""Errors that people can read, and what they can do about them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lucency.api.keys import key_line, new_key
from lucency.configs.bundle import Bundle

pytestmark = pytest.mark.xdist_group("chromium")

Opens = Callable[..., Any]


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (b"", "The file is empty"),
        (b"no image", "Not an image"),
        (None, "The file is cut off"),
    ],
    ids=["empty", "text", "truncated"],
)
def test_a_broken_file_is_told_and_spares_the_others(
    visit: Opens, site: str, image: bytes, data: bytes | None, title: str
) -> None:
    opened = visit(site)
    broken = image[: len(image) // 2] if data is None else data
    opened.add(("broken.png", broken), ("good.png", image))
    alert = opened.page.get_by_role("alert")
    opened.expect(alert).to_contain_text(title)
    opened.expect(opened.page.locator(".strip .done .stage")).to_contain_text("2 findings")
    opened.keys("ArrowRight")
    opened.expect(opened.marks).to_have_count(2)
    opened.expect(alert).to_have_count(0)


def test_what_is_no_radiograph_is_analysed_all_the_same(
    visit: Opens,
    serving: Callable[..., Any],
    make_detector: Callable[..., Bundle],
    make_router: Callable[..., Bundle],
    tmp_path: Path,
    image: bytes,
) -> None:
    detector = make_detector(tmp_path / "finder", kinds=("bone",))
    router = make_router(tmp_path / "kinds", other=0.9, chest=0.05, bone=0.05)
    with serving(detector, router) as address:
        opened = visit(address)
        opened.add(("holiday.png", image))
        opened.expect(opened.page.get_by_role("alert")).to_contain_text(
            "Not recognised as a radiograph"
        )
        opened.page.get_by_role("button", name="Analyse as bone all the same").click()
        opened.expect(opened.marks).to_have_count(2)
        opened.expect(opened.page.locator(".details")).to_contain_text("because you said so")


def test_several_frames_are_asked_about(visit: Opens, site: str, two_pages: bytes) -> None:
    opened = visit(site)
    opened.add(("film.tiff", two_pages))
    opened.expect(opened.page.get_by_role("alert")).to_contain_text(
        "The file has 2 frames; choose the one to analyse."
    )
    opened.page.get_by_label("Frame").fill("2")
    opened.page.get_by_role("button", name="Analyse this frame").click()
    opened.expect(opened.marks).to_have_count(2)
    assert any("frame=2" in url and "analyze" in url for url in opened.requests)


def test_a_key_is_asked_for_only_where_the_service_wants_one(
    visit: Opens,
    serving: Callable[..., Any],
    detector_bundle: Bundle,
    tmp_path: Path,
    image: bytes,
) -> None:
    key = new_key()
    file = tmp_path / "keys"
    file.write_text(key_line("reader", key) + "\n", encoding="utf-8")
    with serving(detector_bundle, api_keys_file=file) as address:
        opened = visit(address)
        field = opened.page.get_by_label("API key")
        opened.expect(opened.page.get_by_text("does not know that key")).to_have_count(0)
        field.fill("wrong")
        opened.page.get_by_role("button", name="Use this key").click()
        opened.expect(opened.page.get_by_text("does not know that key")).to_be_visible()
        opened.expect(field).to_have_value("")
        assert "X-API-Key" not in opened.page.locator("body").inner_text()
        field.fill(key)
        opened.page.get_by_role("button", name="Use this key").click()
        opened.expect(opened.page.get_by_role("list", name="Loaded models")).to_be_visible()
        opened.expect(opened.page.get_by_role("dialog")).to_have_count(0)
        opened.add(("hand.png", image))
        opened.expect(opened.marks).to_have_count(2)
        opened.page.reload()
        opened.expect(opened.page.get_by_role("list", name="Loaded models")).to_be_visible()
        stored = "() => [Object.values(localStorage).join(), document.cookie].join()"
        assert key not in opened.page.evaluate(stored)
        assert not any(key in url for url in opened.requests)


def test_a_busy_service_is_asked_again(visit: Opens, site: str, image: bytes) -> None:
    opened = visit(site)
    refused: list[str] = []

    def once(route: Any) -> None:
        if refused:
            route.continue_()
            return
        refused.append(route.request.url)
        error = {"error": {"code": "overloaded", "message": "Too much to do."}}
        route.fulfill(status=503, headers={"Retry-After": "0"}, body=json.dumps(error))

    opened.page.route("**/v1/analyze*", once)
    opened.add(("hand.png", image))
    opened.expect(opened.marks).to_have_count(2)
    assert len(refused) == 1


def test_a_service_that_is_gone_is_said_to_be(visit: Opens, site: str, image: bytes) -> None:
    opened = visit(site)
    opened.expect(opened.page.get_by_role("list", name="Loaded models")).to_be_visible()
    opened.page.route("**/v1/pixels*", lambda route: route.abort())
    opened.add(("hand.png", image))
    alert = opened.page.get_by_role("alert")
    opened.expect(alert).to_contain_text("The service does not answer")
    opened.page.unroute("**/v1/pixels*")
    opened.page.get_by_role("button", name="Try again").click()
    opened.expect(opened.marks).to_have_count(2)


@pytest.mark.parametrize("path", ["models", "analyze*"])
def test_the_strip_tells_that_the_service_failed(
    visit: Opens, site: str, image: bytes, path: str
) -> None:
    opened = visit(site)
    opened.expect(opened.page.get_by_role("list", name="Loaded models")).to_be_visible()
    error = {"error": {"code": "internal", "message": "The service failed."}}
    opened.page.route(
        f"**/v1/{path}", lambda route: route.fulfill(status=500, body=json.dumps(error))
    )
    opened.page.reload()
    opened.pick(("hand.png", image))
    opened.expect(opened.page.locator(".strip .failed .stage")).to_have_text("The service failed")
    opened.page.unroute(f"**/v1/{path}")
    opened.page.get_by_role("button", name="Try again").click()
    opened.expect(opened.marks).to_have_count(2)


def test_a_warning_stands_at_the_bar_of_a_classifier_that_knows_no_such_image(
    visit: Opens, site: str, image: bytes, classifier_bundle: Bundle
) -> None:
    opened = visit(site)
    name = classifier_bundle.manifest.name
    flag = {"kind": "out-of-distribution", "message": "Unlike all it knows.", "models": [name]}

    def flagged(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"flags": [flag]})

    opened.add(("plain.png", image))
    bars = opened.page.locator(".classifiers > li", has=opened.page.get_by_role("meter"))
    opened.expect(bars).to_contain_text(classifier_bundle.manifest.intended_use.split(". ")[0])
    opened.expect(bars.locator(".doubt")).to_have_count(0)
    opened.page.get_by_role("button", name="Remove plain.png").click()
    opened.page.route("**/v1/analyze*", flagged)
    opened.add(("odd.png", image))
    opened.expect(bars.locator(".doubt")).to_have_text(flag["message"])

"""Looking at images: boxes, thresholds, zoom, window, heat, keys."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("chromium")

Opens = Callable[..., Any]


@pytest.fixture
def shown(visit: Opens, site: str, image: bytes) -> Any:
    """A page with one analysed image and its picture."""
    opened = visit(site)
    opened.add(("hand.png", image))
    opened.expect(opened.marks).to_have_count(2)
    return opened


def test_png_shows_boxes_bars_and_the_research_sentence(shown: Any) -> None:
    assert shown.marks.nth(0).locator("rect.outline").count() == 1
    captions = shown.page.locator(".boxes .caption text").all_text_contents()
    assert sorted(captions) == ["fracture 0.90", "lesion 0.60"]
    # 0.9 is below the specific threshold of 'fracture', 0.6 above that of 'lesion'.
    shown.expect(shown.page.locator(".mark.doubtful")).to_have_count(1)
    dashes = "element => getComputedStyle(element).strokeDasharray"
    assert shown.page.locator(".mark.doubtful .outline").evaluate(dashes) != "none"
    assert shown.page.locator(".mark.sure .outline").evaluate(dashes) == "none"
    meter = shown.page.get_by_role("meter", name="tb")
    assert meter.get_attribute("aria-valuetext") == "0.75, threshold 0.50"
    shown.expect(shown.page.locator("footer")).to_contain_text("not for diagnosis")
    shown.expect(shown.page.get_by_role("status").last).to_have_text(
        "hand.png: 2 findings: 1 sure, 1 doubtful"
    )
    assert shown.complaints == []


def test_boxes_lie_where_the_answer_says(shown: Any) -> None:
    # The network sees 64 × 48 of 64 × 64 pixels, 8 rows of padding above and below.
    scale = 400 / 64
    left, top = shown.place((16 - 8) * scale, (16 - 8 - 8) * scale)
    box = shown.page.locator(".mark.doubtful .outline").evaluate(
        "element => { const box = element.getBoundingClientRect(); return [box.x, box.y]; }"
    )
    assert box == pytest.approx([left, top], abs=3)


def test_dicom_of_16_bits_is_shown_in_its_window(visit: Opens, site: str, dicom: bytes) -> None:
    opened = visit(site)
    opened.add(("doe_jane.dcm", dicom))
    opened.expect(opened.page.locator(".readout")).to_contain_text("L 2000")
    # Low values are bright in MONOCHROME1.
    assert opened.shade(40, 20)[0] == pytest.approx(191, abs=2)
    assert opened.shade(360, 20)[0] == pytest.approx(64, abs=2)
    opened.page.mouse.move(*opened.place(40.5, 20.5))
    opened.expect(opened.page.locator(".readout")).to_contain_text("x 40 y 20 · 1000")
    assert opened.complaints == []


def test_threshold_and_operating_point_act_without_a_request(shown: Any) -> None:
    asked = len(shown.requests)
    shown.page.get_by_label("Least score of a box").fill("0.95")
    shown.expect(shown.marks).to_have_count(0)
    shown.expect(shown.page.locator(".summary")).to_have_text("No findings at this threshold")
    shown.page.get_by_label("Least score of a box").fill("0.3")
    shown.expect(shown.marks).to_have_count(3)
    shown.expect(shown.findings).to_have_count(3)
    shown.page.locator(".segments label", has_text="Specific").click()
    shown.expect(shown.page.locator(".findings .label")).to_have_text("lesion")
    shown.keys("1")
    shown.expect(shown.marks).to_have_count(3)
    shown.keys("2")
    shown.expect(shown.marks).to_have_count(2)
    shown.keys("]")
    shown.expect(shown.page.locator(".thresholds output")).to_have_text("0.51")
    assert len(shown.requests) == asked
    assert sum("/v1/analyze" in url for url in shown.requests) == 1


def test_wheel_zooms_about_the_pointer_and_dragging_pans(shown: Any) -> None:
    fit, left, top = shown.view()
    at = shown.place(100, 100)
    shown.page.mouse.move(*at)
    shown.page.mouse.wheel(0, -400)
    shown.expect(shown.page.locator(".viewer")).not_to_have_attribute("data-scale", str(fit))
    scale, _, _ = shown.view()
    assert scale > 1.5 * fit
    assert shown.place(100, 100) == pytest.approx(at, abs=1)
    shown.drag((at[0], at[1] + 250), (at[0] + 60, at[1] + 280))
    assert shown.place(100, 100) == pytest.approx((at[0] + 60, at[1] + 30), abs=1)
    shown.page.mouse.dblclick(at[0] + 200, at[1] + 250)
    assert shown.view() == pytest.approx((fit, left, top))
    shown.keys("+")
    assert shown.view()[0] == pytest.approx(1.25 * fit)
    shown.keys("f")
    assert shown.view()[0] == pytest.approx(fit)
    shown.page.get_by_role("button", name="Pixel for pixel").click()
    assert shown.view()[0] == 1


def test_right_button_and_window_tool_change_the_window(shown: Any) -> None:
    readout = shown.page.locator(".readout")
    shown.expect(readout).to_contain_text("W 255 L 128")
    before = shown.shade(200, 150)[0]
    start = shown.place(300, 250)
    shown.drag(start, (start[0], start[1] + 80), button="right")
    shown.expect(readout).to_contain_text("W 255 L 17")
    assert shown.shade(200, 150)[0] < before - 30
    shown.keys("w")
    shown.drag(start, (start[0] + 100, start[1]))
    shown.expect(readout).to_contain_text("W 319")
    shown.keys("0")
    shown.expect(readout).to_contain_text("W 255 L 128")
    shown.keys("i")
    shown.expect(shown.page.get_by_role("button", name="Invert")).to_have_attribute(
        "aria-pressed", "true"
    )
    assert shown.shade(200, 5)[0] > 240


def test_heat_lies_over_the_picture(shown: Any) -> None:
    red, green, blue = shown.shade(200, 250)
    assert red == green == blue
    shown.keys("h")
    box = shown.page.get_by_label("Show what speaks for")
    shown.expect(box).to_be_checked()
    shown.page.get_by_label("Opacity").fill("1")
    shown.page.wait_for_timeout(200)
    red, green, blue = shown.shade(200, 280)
    assert red > blue + 30
    shown.page.get_by_label("Opacity").fill("0.05")
    shown.page.wait_for_timeout(100)
    faint = shown.shade(200, 280)
    assert faint[0] - faint[2] < red - blue
    shown.keys("h")
    shown.expect(box).not_to_be_checked()


def test_list_and_picture_point_at_each_other(shown: Any) -> None:
    first = shown.findings.nth(0)
    key = first.get_attribute("data-finding")
    first.hover()
    shown.expect(shown.page.locator(".mark.hovered")).to_have_attribute("data-mark", key)
    shown.page.locator(".mark.sure .outline").hover()
    shown.expect(shown.page.locator(".findings li.hovered .label")).to_have_text("lesion")
    shown.page.locator(".findings button.finding").nth(1).focus()
    shown.expect(shown.page.locator(".mark.hovered.sure")).to_have_count(1)
    shown.page.locator(".mark.sure .outline").click()
    shown.expect(shown.page.locator(".findings li.selected .label")).to_have_text("lesion")
    # Every class's probability stands with the selected one.
    rows = shown.page.locator(".figures tbody tr").all_inner_texts()
    assert [row.split()[:2] for row in rows] == [["fracture", "0.200"], ["lesion", "0.600"]]


def test_keys_lead_through_findings_and_images(visit: Opens, site: str, image: bytes) -> None:
    opened = visit(site)
    opened.add(("a.png", image), ("b.png", image), ("c.png", image))
    current = opened.page.locator(".strip [aria-current=true] .name")
    opened.expect(current).to_have_text("a.png")
    opened.keys("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft")
    opened.expect(current).to_have_text("b.png")
    selected = opened.page.locator(".findings li.selected .label")
    opened.keys("j")
    opened.expect(selected).to_have_text("fracture")
    opened.keys("j")
    opened.expect(selected).to_have_text("lesion")
    opened.keys("k")
    opened.expect(selected).to_have_text("fracture")
    opened.keys("?")
    dialog = opened.page.get_by_role("dialog")
    opened.expect(dialog).to_contain_text("previous, next image")
    opened.keys("Escape")
    opened.expect(dialog).to_have_count(0)
    opened.page.get_by_role("button", name="Remove b.png").click()
    opened.expect(current).to_have_text("c.png")
    assert opened.complaints == []


def test_single_keys_can_be_switched_off(shown: Any) -> None:
    shown.keys("?")
    shown.page.get_by_label("Single keys are on").uncheck()
    shown.page.get_by_role("button", name="Close").click()
    shown.keys("3")
    shown.expect(shown.marks).to_have_count(2)


def test_colours_are_dark_until_light_is_chosen(shown: Any) -> None:
    back = "() => getComputedStyle(document.body).backgroundColor"
    assert shown.page.evaluate(back) == "rgb(13, 16, 19)"
    shown.page.get_by_role("button", name="Change to light colours").click()
    assert shown.page.evaluate(back) == "rgb(233, 237, 240)"
    shown.page.reload()
    assert shown.page.evaluate(back) == "rgb(233, 237, 240)"

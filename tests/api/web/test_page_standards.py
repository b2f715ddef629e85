"""The page is quick, keeps to itself, and can be used by everybody."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from lucency.api.loading import load_bundles

pytestmark = pytest.mark.xdist_group("chromium")

Opens = Callable[..., Any]
MOST_LOAD_MS = 1000
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
AUDIT = """async (rules) => {
    const found = await axe.run(document, { runOnly: { type: 'tag', values: rules } });
    const show = (one) => one.id + ': ' + one.nodes.map((node) => node.html).join(' | ');
    return { violations: found.violations.map(show), passes: found.passes.length };
}"""


@pytest.fixture(scope="module")
def axe(repository: Path) -> str:
    """The checks of axe-core, from the viewer's development packages."""
    file = repository / "api" / "web" / "node_modules" / "axe-core" / "axe.min.js"
    if not file.is_file():
        pytest.skip("axe-core is not installed; run npm ci in api/web")
    return file.read_text(encoding="utf-8")


def test_page_loads_within_a_second(visit: Opens, site: str) -> None:
    opened = visit(site)
    times = []
    for _ in range(3):
        opened.page.reload()
        opened.page.locator(".drop").wait_for()
        times.append(opened.page.evaluate("() => performance.now()"))
    assert min(times) < MOST_LOAD_MS
    assert opened.complaints == []


def test_policy_holds_back_inline_scripts(visit: Opens, site: str) -> None:
    opened = visit(site)
    opened.page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'document.title = "taken over"';
            document.head.append(script);
        }"""
    )
    assert opened.page.title() == "Lucency"
    assert any("Content Security Policy" in text for text in opened.complaints)


def test_docs_describe_the_interface(visit: Opens, site: str) -> None:
    opened = visit(site, "/docs")
    opened.page.locator(".opblock", has_text="/v1/analyze/batch").first.wait_for()
    opened.page.locator(".opblock", has_text="/v1/analyze").first.click()
    opened.expect(opened.page.locator(".opblock.is-open")).to_contain_text("operating_point")
    assert opened.complaints == []


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [(1400, 900), (700, 450)], ids=["wide", "narrow"])
def test_axe_finds_nothing(
    chromium: Any, site: str, axe: str, image: bytes, theme: str, size: tuple[int, int]
) -> None:
    # The policy would keep the audit's own script out.
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]}, bypass_csp=True, reduced_motion="reduce"
    )
    try:
        page = context.new_page()
        page.add_init_script(f"localStorage.setItem('lucency-theme', '{theme}')")
        page.goto(site)
        page.locator(".loaded").wait_for()
        page.evaluate(axe)
        _audit(page, "welcome")
        files = [("hand.png", image), ("broken.png", image[:200])]
        page.set_input_files(
            "input[type=file]",
            [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files],
        )
        page.locator(".strip .failed").wait_for()
        page.locator(".mark").first.wait_for()
        page.keyboard.press("j")
        page.keyboard.press("a")
        page.keyboard.press("h")
        page.locator(".details summary").click()
        _audit(page, "findings")
        page.keyboard.press("n")
        page.keyboard.press("Enter")
        _audit(page, "new box")
        page.keyboard.press("?")
        page.get_by_role("dialog").wait_for()
        _audit(page, "help")
        page.keyboard.press("Escape")
        page.locator(".strip .thumb").nth(1).click()
        page.get_by_role("alert").wait_for()
        _audit(page, "error")
    finally:
        context.close()


def _audit(page: Any, state: str) -> None:
    result = page.evaluate(AUDIT, RULES)
    assert result["violations"] == [], state
    assert result["passes"] > 5


@pytest.mark.parametrize("size", [(360, 640), (700, 450), (800, 600)], ids=str)
def test_small_windows_need_no_scrolling_sideways(
    visit: Opens, site: str, image: bytes, size: tuple[int, int]
) -> None:
    opened = visit(site, size=size)
    opened.add(("a_very_long_name_of_a_radiograph_of_a_hand.png", image), ("b.png", image))
    opened.expect(opened.marks).to_have_count(2)
    wide = opened.page.evaluate("() => document.documentElement.scrollWidth")
    assert wide <= size[0]
    picture = opened.page.locator(".viewer").bounding_box()
    assert picture["width"] > 0.5 * size[0]
    assert picture["height"] > 200


def test_tab_reaches_every_control_and_shows_where_it_is(
    visit: Opens, site: str, image: bytes
) -> None:
    opened = visit(site)
    opened.add(("hand.png", image))
    opened.expect(opened.marks).to_have_count(2)
    reached = set()
    for _ in range(60):
        opened.keys("Tab")
        name, outlined = opened.page.evaluate(
            """() => {
                const at = document.activeElement;
                const shown = at.matches('.segments input') ? at.nextElementSibling : at;
                return [at.ariaLabel || at.id || at.textContent || at.name,
                        getComputedStyle(shown).outlineStyle];
            }"""
        )
        reached.add(name)
        assert outlined != "none" or name in ("", None) or "Lucency" in name
    assert {"Zoom in", "threshold", "Accept fracture", "New box", "JSON"} <= {
        name.strip() for name in reached if name
    }


@pytest.mark.real_data
def test_real_hand_and_chest_with_the_shipped_bundles(
    visit: Opens, serving: Callable[..., Any], lucency_data: Path
) -> None:
    hand = lucency_data / "fracatlas" / "images" / "Fractured" / "IMG0001381.jpg"
    chest = lucency_data / "tb_sites" / "images" / "shenzhen_CHNCXR_0638_1.jpg"
    film = lucency_data / "dicom" / "gdcm-CR-MONO1-10-chest.dcm"
    with serving(*load_bundles(())) as address:
        opened = visit(address)
        opened.add(*((path.name, path.read_bytes()) for path in (hand, chest, film)))
        opened.expect(opened.page.locator(".mark.sure")).to_have_count(1)
        answer = httpx.post(f"{address}/v1/analyze", files={"file": hand.read_bytes()}).json()
        (found,) = answer["findings"]
        opened.expect(opened.page.locator(".findings .score")).to_have_text(f"{found['score']:.2f}")
        opened.keys("ArrowRight")
        opened.expect(opened.page.get_by_role("meter", name="tb")).to_be_visible()
        opened.expect(opened.page.locator(".details")).to_contain_text("kind chest")
        opened.keys("h", "ArrowRight")
        opened.expect(opened.page.locator(".readout")).to_contain_text("W 1023")
        assert opened.complaints == []

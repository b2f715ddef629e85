import math
from typing import Any

import pytest

from lucency.annotations.formats import NORMALISED
from lucency.annotations.geometry import Box
from lucency.annotations.label_studio_results import finding_of, results_in, size_of
from lucency.annotations.ledger import Reason, UnusableBox

SIZE = {"original_width": 200, "original_height": 100}
SHAPE = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}


def result(kind: str, value: Any, **further: Any) -> dict[str, Any]:
    return {"id": "a", "type": kind, "to_name": "image", **SIZE, "value": value, **further}


def rectangle(**changes: Any) -> dict[str, Any]:
    return result("rectanglelabels", {**SHAPE, "rectanglelabels": ["tb"], **changes})


def pack(alpha: list[int], *, widths: tuple[int, ...] = (3, 4, 8, 16)) -> list[int]:
    """RGBA pixels of these alphas in run lengths, each pixel's colour written out."""
    bits = f"{4 * len(alpha):032b}{7:05b}" + "".join(f"{width - 1:04b}" for width in widths)
    values = [value for a in alpha for value in (a, 0, 7, a)]
    at = 0
    while at < len(values):
        end = at
        while end < len(values) and values[end] == values[at] and end - at < 2 ** widths[3]:
            end += 1
        if end - at > 1:
            bits += f"1{3:02b}{end - at - 1:0{widths[3]}b}{values[at]:08b}"
        else:
            end = min(at + 3, len(values))
            literal = "".join(f"{value:08b}" for value in values[at:end])
            bits += f"0{0:02b}{end - at - 1:0{widths[0]}b}{literal}"
        at = end
    bits += "0" * (-len(bits) % 8)
    return list(int(bits, 2).to_bytes(len(bits) // 8))


# 6 x 4 pixels: a bar in rows 1 and 2, columns 2 to 4.
ALPHA = [255 if at // 6 in (1, 2) and at % 6 in (2, 3, 4) else 0 for at in range(24)]
BRUSH = {"format": "rle", "rle": pack(ALPHA), "brushlabels": ["tb"]}
SMALL = {"original_width": 6, "original_height": 4}


@pytest.mark.parametrize(
    ("value", "box", "corners"),
    [
        pytest.param(rectangle(), Box(20, 20, 80, 60), None, id="rectangle"),
        pytest.param(rectangle(rotation=None), Box(20, 20, 80, 60), None, id="rotation null"),
        pytest.param(rectangle(rotation=90), Box(-20, 20, 20, 80), 4, id="about the corner"),
        pytest.param(rectangle(rotation=-270.0), Box(-20, 20, 20, 80), 4, id="below 0 degrees"),
        pytest.param(
            result("ellipselabels", {"x": 50, "y": 50, "radiusX": 10, "radiusY": 10,
                                     "rotation": 0, "ellipselabels": ["tb"]}),
            Box(80, 40, 120, 60), 64, id="ellipse"),
        pytest.param(
            result("ellipselabels", {"x": 50, "y": 50, "radiusX": 10, "radiusY": 10,
                                     "rotation": 90, "ellipselabels": ["tb"]}),
            Box(90, 30, 110, 70), 64, id="turned ellipse"),
        pytest.param(
            result("polygonlabels", {"points": [[10, 10], [30, 20], [20, 50]],
                                     "polygonlabels": ["tb"]}),
            Box(20, 10, 60, 50), 3, id="polygon"),
        pytest.param(result("brushlabels", BRUSH, **SMALL), Box(2, 1, 5, 3), 4, id="brush"),
    ],
)  # fmt: skip
def test_shapes(value: dict[str, Any], box: Box, corners: int | None) -> None:
    (region,) = results_in([value], where="r").regions
    finding = finding_of(region, size_of([region]))
    found = finding.box
    assert (found.x1, found.y1, found.x2, found.y2) == pytest.approx(
        (box.x1, box.y1, box.x2, box.y2)
    )
    assert (finding.polygon and len(finding.polygon)) == corners


@pytest.mark.parametrize("seed", range(4))
def test_brushes_of_any_pixels(seed: int) -> None:
    alpha = [255 * ((at * at * (seed + 3) + at) % (seed + 2) == 0) for at in range(600)]
    inside = [(at % 30, at // 30) for at, value in enumerate(alpha) if value]
    value = {"format": "rle", "rle": pack(alpha), "brushlabels": ["tb"]}
    size = {"original_width": 30, "original_height": 20}
    (region,) = results_in([result("brushlabels", value, **size)], where="r").regions
    xs, ys = [x for x, _ in inside], [y for _, y in inside]
    expected = Box(min(xs), min(ys), max(xs) + 1, max(ys) + 1)
    assert finding_of(region, (30, 20)).box == expected


def said(kind: str, value: Any, identity: str = "a") -> dict[str, Any]:
    return result(kind, {**SHAPE, **value}, id=identity)


@pytest.mark.parametrize(
    ("results", "labels", "attributes"),
    [
        pytest.param([said("rectangle", {}), said("labels", {"labels": ["tb", "old"]})],
                     ["tb"], {"labels": "old"}, id="label of the same id"),
        pytest.param([said("labels", {"labels": ["tb"]}), said("rectangle", {})],
                     ["tb"], {}, id="label first"),
        pytest.param([said("labels", {"labels": ["tb"]})], ["tb"], {}, id="label alone"),
        pytest.param([said("rectangle", {}), said("choices", {"choices": ["tb"]})],
                     ["tb"], {"choices": "tb"}, id="a choice for the region is its label"),
        pytest.param([rectangle(), said("taxonomy", {"taxonomy": [["lung", "left"], ["x"]]}),
                      said("textarea", {"text": ["a note"]}), said("number", {"number": 3})],
                     ["tb"], {"taxonomy": "lung/left, x", "text": "a note", "number": "3"},
                     id="further results of a region"),
        pytest.param([rectangle(), rectangle()], ["tb", "tb"], {}, id="the same id twice"),
        pytest.param([rectangle(), {"type": "relation", "from_id": "a", "to_id": "b"},
                      result("textarea", {"text": ["x"]}, id="t"), result("rating", {"rating": 3}),
                      result("labels", {"start": 0, "end": 3, "labels": ["word"]}, id="t")],
                     ["tb"], {"rating": "3"}, id="what is no region"),
    ],
)  # fmt: skip
def test_regions_and_what_is_said_of_them(
    results: list[Any], labels: list[str], attributes: dict[str, str]
) -> None:
    found = results_in(results, where="r")
    findings = [finding_of(region, (200, 100)) for region in found.regions]
    assert [finding.label for finding in findings] == labels
    assert findings[0].attributes == attributes
    assert findings[0].box == Box(20, 20, 80, 60)
    assert not found.choices


def test_choices_of_the_image() -> None:
    choice = {"type": "choices", "to_name": "img", "value": {"choices": ["sick", "old"]}}
    found = results_in([choice], where="r")
    assert found.choices == [(("img", None), "sick"), (("img", None), "old")]
    assert not found.regions


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(rectangle(width=0), Reason.ZERO_AREA, id="zero"),
        pytest.param(rectangle(x=math.nan), Reason.NOT_FINITE, id="nan"),
        pytest.param(rectangle(x=1e308, width=1e308), Reason.NOT_FINITE, id="overflow"),
        pytest.param(rectangle(y="1"), Reason.MALFORMED, id="a text"),
        pytest.param(rectangle(rotation="x"), Reason.MALFORMED, id="rotation is a text"),
        pytest.param(rectangle(rectanglelabels=[]), Reason.MALFORMED, id="no label"),
        pytest.param(rectangle(rectanglelabels=[None, ""]), Reason.MALFORMED, id="empty labels"),
        pytest.param(result("rectanglelabels", None), Reason.MALFORMED, id="no value"),
        pytest.param(result("rectanglelabels", {"rectanglelabels": ["tb"]}), Reason.MALFORMED,
                     id="no numbers"),
        pytest.param("x", Reason.MALFORMED, id="a result is a text"),
        pytest.param(result("polygonlabels", {"points": [[1, 2], [3]], "polygonlabels": ["tb"]}),
                     Reason.MALFORMED, id="half a point"),
        pytest.param(result("polygonlabels", {"points": [[1, 2], [3, 4]], "polygonlabels": ["tb"]}),
                     Reason.MALFORMED, id="two points"),
        pytest.param(result("keypointlabels", {"x": 1, "y": 2, "keypointlabels": ["n"]}),
                     Reason.UNSUPPORTED_SHAPE, id="keypoint"),
        pytest.param(result("vectorlabels", {"vertices": [], "vectorlabels": ["n"]}),
                     Reason.UNSUPPORTED_SHAPE, id="vector"),
        pytest.param(result("brushlabels", {**BRUSH, "rle": BRUSH["rle"][:-4]}, **SMALL),
                     Reason.MALFORMED, id="brush is cut"),
        pytest.param(result("brushlabels", {**BRUSH, "rle": [1, 2]}, **SMALL), Reason.MALFORMED,
                     id="brush without a header"),
        pytest.param(result("brushlabels", {**BRUSH, "rle": [1, 2.5]}, **SMALL), Reason.MALFORMED,
                     id="brush of fractions"),
        pytest.param(result("brushlabels", {**BRUSH, "rle": [300]}, **SMALL), Reason.MALFORMED,
                     id="brush of no bytes"),
        pytest.param(result("brushlabels", BRUSH, original_width=7, original_height=4),
                     Reason.MALFORMED, id="brush of another size"),
        pytest.param(result("brushlabels", BRUSH, original_width=10**9, original_height=10**9),
                     Reason.MALFORMED, id="brush of a huge image"),
        pytest.param(result("brushlabels", {**BRUSH, "rle": pack([0] * 24)}, **SMALL),
                     Reason.ZERO_AREA, id="empty brush"),
    ],
)  # fmt: skip
def test_an_unusable_region(value: Any, reason: Reason) -> None:
    (region,) = results_in([value], where="r").regions
    with pytest.raises(UnusableBox, match=r"^r\[0\]\.value.*, got ") as caught:
        finding_of(region, size_of([region]))
    assert caught.value.reason is reason


def test_without_the_size_upright_shapes_are_fractions() -> None:
    unsized = {"id": "a", "type": "rectanglelabels"}
    upright, turned = (
        results_in([{**unsized, "value": rectangle(rotation=r)["value"]}], where="r").regions[0]
        for r in (0, 30)
    )
    assert size_of([upright]) == NORMALISED
    found = finding_of(upright, NORMALISED).box
    assert (found.x1, found.y1, found.x2, found.y2) == pytest.approx((0.1, 0.2, 0.4, 0.6))
    with pytest.raises(UnusableBox, match="must be 0 without the image's size, got 30"):
        finding_of(turned, NORMALISED)

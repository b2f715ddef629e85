import base64
import io
from typing import Any

import pytest
from PIL import Image, ImageDraw

from lucency.annotations.geometry import Box, box_around
from lucency.annotations.labelme_shapes import shape_finding
from lucency.annotations.ledger import Reason, UnusableBox

RECTANGLE: dict[str, Any] = {"shape_type": "rectangle", "points": [[9, 1], [2, 7]]}


def picture(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (8, 7)) -> str:
    """A mask as labelme writes it, with ``boxes`` (both corners inside) filled."""
    image = Image.new("1", size)
    for box in boxes:
        ImageDraw.Draw(image).rectangle(box, fill=1)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


FULL = picture((0, 0, 7, 6))


def mask(text: object, points: object = ([2, 1], [9, 7])) -> dict[str, Any]:
    return {"shape_type": "mask", "points": list(points), "mask": text}  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        (RECTANGLE, Box(2, 1, 9, 7)),
        ({"shape_type": "rectangle", "points": [[9.5, 7.25], [2.0, 1.0]]}, Box(2, 1, 9.5, 7.25)),
        ({"shape_type": "rectangle", "points": [[2, 1], [9, 1], [9, 7], [2, 7]]}, Box(2, 1, 9, 7)),
        ({"shape_type": "polygon", "points": [[2, 1], [9, 3], [4, 7]]}, Box(2, 1, 9, 7)),
        ({"points": [[2, 1], [9, 3], [4, 7]]}, Box(2, 1, 9, 7)),
        ({"shape_type": None, "points": [[2, 1], [9, 3], [4, 7]]}, Box(2, 1, 9, 7)),
        ({"shape_type": "circle", "points": [[20, 30], [23, 34]]}, Box(15, 25, 25, 35)),
        (
            {"shape_type": "oriented_rectangle", "points": [[5, 0], [10, 5], [5, 10], [0, 5]]},
            Box(0, 0, 10, 10),
        ),
        ({"shape_type": "rotation", "points": [[5, 0], [10, 5], [5, 10], [0, 5]],
          "direction": 0.785}, Box(0, 0, 10, 10)),
        ({"shape_type": "quadrilateral", "points": [[1, 0], [9, 2], [8, 7], [0, 5]]},
         Box(0, 0, 9, 7)),
        (mask(FULL), Box(2, 1, 10, 8)),
        (mask(None), Box(2, 1, 10, 8)),
        (mask(FULL, ([2.4, 1], [9.4, 7])), Box(2, 1, 10, 8)),
        (mask(picture((1, 2, 3, 5))), Box(3, 3, 6, 7)),
    ],
    ids=["rectangle, any corners", "in floats", "rectangle of four", "polygon", "version 2",
         "no kind", "circle", "oriented", "X-AnyLabeling's oriented", "X-AnyLabeling's corners",
         "mask", "mask without picture", "mask moved by hand", "mask with a margin"],
)  # fmt: skip
def test_every_shape_that_has_an_area(shape: dict[str, Any], box: Box) -> None:
    finding = shape_finding(shape, "x", where="shapes[3]")
    assert (finding.label, finding.index) == ("x", "shapes[3]")
    assert finding.box == box


@pytest.mark.parametrize(
    ("shape", "corners"),
    [
        (RECTANGLE, None),
        ({"shape_type": "rectangle", "points": [[2, 1], [9, 1], [9, 7], [2, 7]]}, None),
        ({"shape_type": "polygon", "points": [[2, 1], [9, 3], [4, 7]]}, 3),
        ({"shape_type": "oriented_rectangle", "points": [[5, 0], [10, 5], [5, 10], [0, 5]]}, 4),
        ({"shape_type": "circle", "points": [[20, 30], [23, 34]]}, 64),
        (mask(None), None),
        (mask(picture((0, 0, 7, 2), (0, 3, 3, 6))), 6),
    ],
    ids=["rectangle", "rectangle of four", "polygon", "oriented", "circle", "bare mask", "mask"],
)
def test_what_is_no_upright_rectangle_keeps_its_outline(
    shape: dict[str, Any], corners: int | None
) -> None:
    finding = shape_finding(shape, "x", where="shapes[0]")
    assert (len(finding.polygon) if finding.polygon else None) == corners
    if finding.polygon:
        around = box_around(finding.polygon)
        assert (around.x1, around.y1, around.x2, around.y2) == pytest.approx(
            (finding.box.x1, finding.box.y1, finding.box.x2, finding.box.y2)
        )


@pytest.mark.parametrize(
    ("shape", "reason", "detail"),
    [
        (mask(picture()), Reason.ZERO_AREA, "has no pixel"),
        (mask(picture((0, 0, 49, 49), size=(50, 50))), Reason.MALFORMED, "px beyond its points"),
        (mask("!"), Reason.MALFORMED, "mask"),
        (mask(base64.b64encode(b"no picture").decode()), Reason.MALFORMED, "mask"),
        (mask(FULL[: len(FULL) // 8 * 4]), Reason.MALFORMED, "mask"),
        (mask(FULL, ([2, 1],)), Reason.MALFORMED, "a mask has 2 points"),
        (mask(FULL, ([float("nan"), 1], [9, 7])), Reason.NOT_FINITE, "points"),
        ({"shape_type": "circle", "points": [[3, 4], [3, 4]]}, Reason.ZERO_AREA, "span an area"),
        ({"shape_type": "polygon", "points": [[0, 0], [5, 0], [9, 0]]}, Reason.ZERO_AREA, "area"),
        (RECTANGLE | {"points": [[2.0, 1.0], [2.0, 7.0]]}, Reason.ZERO_AREA, "span an area"),
        (RECTANGLE | {"points": [[2.0, 1.0], [float("inf"), 7.0]]}, Reason.NOT_FINITE, "points"),
        (RECTANGLE | {"points": ["ab", "cd"]}, Reason.MALFORMED, "must be [x, y]"),
        (RECTANGLE | {"points": "ab"}, Reason.MALFORMED, "2 or 4 points"),
        (RECTANGLE | {"points": {"a": 1, "b": 2}}, Reason.MALFORMED, "2 or 4 points"),
        (RECTANGLE | {"points": [[True, 1], [9, 7]]}, Reason.NOT_FINITE, "[true, 1]"),
        (RECTANGLE | {"shape_type": "points"}, Reason.UNSUPPORTED_SHAPE, "cannot become a box"),
        (RECTANGLE | {"shape_type": {}}, None, ""),
    ],
    ids=["empty mask", "mask of another size", "no base64", "no picture", "half a picture",
         "mask of one point", "mask at nan", "point-like circle", "flat polygon", "flat rectangle",
         "infinite", "points of texts", "points a text", "points an object", "a truth value",
         "points", "kind an object"],
)  # fmt: skip
def test_what_is_no_box_says_why(shape: dict[str, Any], reason: Reason | None, detail: str) -> None:
    if reason is None:  # an empty object is as good as none, so that it is a polygon
        reason, detail = Reason.MALFORMED, "at least 3 points"
    with pytest.raises(UnusableBox) as caught:
        shape_finding(shape, "x", where="shapes[3]")
    assert caught.value.reason is reason
    assert caught.value.detail.startswith("shapes[3].")
    assert detail in caught.value.detail
    assert len(caught.value.detail) < 200


def test_descriptions_groups_and_flags_are_kept() -> None:
    told = {"description": "distal", "group_id": 0, "flags": {"old": True, "sure": False}}
    finding = shape_finding(RECTANGLE | told, "x", where="")
    assert finding.attributes == {
        "description": "distal", "group_id": "0", "old": "true", "sure": "false"
    }  # fmt: skip
    empty = {"description": "", "group_id": None, "flags": {}}
    assert not shape_finding(RECTANGLE | empty, "x", where="").attributes


def test_attributes_of_wrong_types_cost_no_box() -> None:
    told = {"description": ["a"], "group_id": {"b": 1}, "flags": [2]}
    assert shape_finding(RECTANGLE | told, "x", where="").box == Box(2, 1, 9, 7)


def test_a_linestrip_that_ends_where_it_began_is_an_outline() -> None:
    points = [[1.0, 2.0], [30.0, 2.0], [30.0, 40.0], [1.1, 2.0]]
    shape = {"label": "cell", "shape_type": "linestrip", "points": points}
    found = shape_finding(shape, "cell", where="shapes[0]")
    assert found.box == Box(1, 2, 30, 40)
    with pytest.raises(UnusableBox, match="open linestrip") as caught:
        shape_finding(shape | {"points": points[:3]}, "cell", where="shapes[0]")
    assert caught.value.reason is Reason.UNSUPPORTED_SHAPE

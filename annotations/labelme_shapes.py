"""The shapes of labelme documents, and the findings they are.

Rectangles are two opposite corners in any order, or four points as some forks write them; a
circle is its centre and a point of its edge; a mask is a PNG between its first and last pixel.
``rotation`` and ``quadrilateral`` are X-AnyLabeling's (https://github.com/CVHub520/X-AnyLabeling).
"""

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any

from lucency.annotations.documents import finite, shown
from lucency.annotations.findings import NO_ATTRIBUTES, Finding
from lucency.annotations.geometry import INF, Box, Point, box_around
from lucency.annotations.ledger import Reason, UnusableBox
from lucency.annotations.masks import mask_from_png
from lucency.annotations.shapes import ellipse_box, ellipse_outline, is_closed

# How many points each shape that can become a box has; None: three or more.
_POINTS: dict[str, tuple[int, ...] | None] = {
    "rectangle": (2, 4),
    "oriented_rectangle": (4,),
    "rotation": (4,),
    "quadrilateral": (4,),
    "circle": (2,),
    "mask": (2,),
    "polygon": None,
    "linestrip": None,
}


def shape_finding(shape: Mapping[str, Any], label: str, *, where: str) -> Finding:
    """The finding that a shape is.

    Raises
    ------
    UnusableBox
        It has no label, no usable points, no area, or is a line or a point.

    """
    if not label:
        found = shown(shape.get("label"))
        raise UnusableBox(Reason.MALFORMED, f"{where}.label: must be a name, got {found}")
    kind = shape.get("shape_type") or "polygon"  # version 2 knew polygons alone
    if not isinstance(kind, str) or kind not in _POINTS:
        raise UnusableBox(
            Reason.UNSUPPORTED_SHAPE, f"{where}.shape_type: {shown(kind)} cannot become a box"
        )
    value = shape.get("points")
    if kind == "rectangle" and (plain := _plain_rectangle(value)):
        return Finding(label, plain, None, _attributes(shape), where)
    points: tuple[Point, ...] = ()
    if kind != "linestrip" or (isinstance(value, list) and len(value) > 2):
        points = _points(value, kind, where=where)
    if kind == "linestrip" and not is_closed(points):
        raise UnusableBox(
            Reason.UNSUPPORTED_SHAPE, f"{where}.shape_type: an open linestrip cannot become a box"
        )
    try:
        box, polygon = _geometry(shape, kind, points, where=where)
    except (ValueError, OverflowError):  # a radius may overflow
        raise UnusableBox(
            Reason.NOT_FINITE, f"{where}.points: must be finite numbers, got {shown(points)}"
        ) from None
    if box.x2 <= box.x1 or box.y2 <= box.y1:
        raise UnusableBox(
            Reason.ZERO_AREA, f"{where}.points: must span an area, got {shown(points)}"
        )
    return Finding(label, box, polygon, _attributes(shape), where)


def _plain_rectangle(points: Any) -> Box | None:
    """The box of two corners in floats, as nearly all shapes of a set are; else None."""
    try:
        (x1, y1), (x2, y2) = points
    except (TypeError, ValueError):
        return None
    if not (type(x1) is type(y1) is type(x2) is type(y2) is float):
        return None
    if x2 < x1:
        x1, x2 = x2, x1
    if y2 < y1:
        y1, y2 = y2, y1
    # Infinity and NaN fail one of these.
    return Box(x1, y1, x2, y2) if -INF < x1 < x2 < INF and -INF < y1 < y2 < INF else None


def _points(value: object, kind: str, *, where: str) -> tuple[Point, ...]:
    expected = _POINTS[kind]
    count = len(value) if isinstance(value, list) else -1
    if not isinstance(value, list) or not (count in expected if expected else count >= 3):
        wanted = " or ".join(map(str, expected)) if expected else "at least 3"
        raise UnusableBox(
            Reason.MALFORMED, f"{where}.points: a {kind} has {wanted} points, got {shown(value)}"
        )
    points = []
    for point in value:
        if not isinstance(point, list) or len(point) != 2:
            raise UnusableBox(
                Reason.MALFORMED, f"{where}.points: must be [x, y], got {shown(point)}"
            )
        x, y = finite(point[0]), finite(point[1])
        if x is None or y is None:
            raise UnusableBox(
                Reason.NOT_FINITE, f"{where}.points: must be finite numbers, got {shown(point)}"
            )
        points.append((x, y))
    return tuple(points)


def _geometry(
    shape: Mapping[str, Any], kind: str, points: tuple[Point, ...], *, where: str
) -> tuple[Box, tuple[Point, ...] | None]:
    """The box, and the outline of what is no upright rectangle."""
    if kind == "rectangle":
        if len(points) == 2:
            (x1, y1), (x2, y2) = points
            return Box(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), None
        return box_around(points), None
    if kind == "circle":
        centre, edge = points
        radius = math.dist(centre, edge)
        return ellipse_box(centre, radius, radius), ellipse_outline(centre, radius, radius)
    if kind == "mask":
        return _mask(shape, box_around(points), where=where)
    return box_around(points), points


def _mask(
    shape: Mapping[str, Any], around: Box, *, where: str
) -> tuple[Box, tuple[Point, ...] | None]:
    """Box and outline of the mask's pixels; without its PNG, the box between its points.

    The points are the first and the last pixel of the mask, both inside.
    """
    text = shape.get("mask")
    if not isinstance(text, str) or not text:
        return Box(around.x1, around.y1, around.x2 + 1, around.y2 + 1), None
    try:
        data = base64.b64decode(text, validate=True)
        mask = mask_from_png(data, left=int(around.x1), top=int(around.y1))
    except (binascii.Error, ValueError) as error:
        raise UnusableBox(Reason.MALFORMED, f"{where}.mask: {error}") from None
    box = mask.box()
    if box is None:
        raise UnusableBox(Reason.ZERO_AREA, f"{where}.mask: has no pixel")
    beyond = max(box.x2 - around.x2, box.y2 - around.y2)
    if beyond > 2:
        raise UnusableBox(
            Reason.MALFORMED, f"{where}.mask: goes {beyond:g} px beyond its points {shown(around)}"
        )
    return box, mask.outline()


def _attributes(shape: Mapping[str, Any]) -> Mapping[str, str]:
    description, group, flags = shape.get("description"), shape.get("group_id"), shape.get("flags")
    if not description and group is None and not flags:
        return NO_ATTRIBUTES
    found = {}
    if description:
        found["description"] = str(description)
    if group not in (None, ""):
        found["group_id"] = str(group)
    if isinstance(flags, dict):
        found |= {str(name): str(flag).lower() for name, flag in flags.items()}
    return found

"""The shapes of CVAT's XML: boxes, polygons, ellipses and masks become findings.

https://docs.cvat.ai/docs/other/xml_format: pixels from the top left, ``rotation`` in degrees
clockwise about the middle of a box or an ellipse, a mask's run lengths row by row, outside first.
"""

from collections.abc import Mapping
from math import isfinite
from xml.etree.ElementTree import Element

from lucency.annotations import masks, shapes
from lucency.annotations.documents import shown
from lucency.annotations.findings import NO_ATTRIBUTES, Finding
from lucency.annotations.geometry import Box, Point, box_around
from lucency.annotations.ledger import Reason, UnusableBox
from lucency.annotations.xml_documents import line, number

_Outlined = tuple[Box, tuple[Point, ...] | None]


def finding(shape: Element, *, label: str, index: str) -> Finding:
    """The finding that a shape marks; lines, points, cuboids and skeletons mark none.

    Raises
    ------
    UnusableBox
        The shape is no finding; ``index`` is its position in the document.

    """
    if not label:
        raise UnusableBox(
            Reason.MALFORMED, f"{index}.label: must be a name, got {shown(shape.get('label'))}"
        )
    read = _READERS.get(shape.tag)
    if read is None:
        raise UnusableBox(
            Reason.UNSUPPORTED_SHAPE,
            f"{index}: a <{shape.tag:.60}> cannot become a box; these can: {', '.join(_READERS)}",
        )
    try:
        box, polygon = read(shape, index)
    except ValueError:  # sums of finite numbers may overflow
        raise UnusableBox(
            Reason.NOT_FINITE, f"{index}: must have finite corners, got {shown(shape.attrib)}"
        ) from None
    if box.width <= 0 or box.height <= 0:
        raise _without_area(shape, index)
    return Finding(label, box, polygon, _attributes(shape), index)


def _attributes(shape: Element) -> Mapping[str, str]:
    found = {}
    if shape.get("occluded") == "1":
        found["occluded"] = "1"
    z_order = line(shape.get("z_order"))
    if z_order not in ("", "0"):
        found["z_order"] = z_order
    for child in shape.iterfind("attribute"):
        name, value = line(child.get("name")), line(" ".join((child.text or "").split()))
        if name and value:
            found[name] = value
    return found or NO_ATTRIBUTES


def _numbers(shape: Element, names: tuple[str, ...], index: str) -> list[float]:
    try:
        values = [float(shape.attrib[name]) for name in names]
        if isfinite(sum(values)):
            return values
    except (KeyError, ValueError):
        pass
    return [number(shape.get(name), where=f"{index}.{name}") for name in names]


def _without_area(shape: Element, index: str) -> UnusableBox:
    return UnusableBox(
        Reason.ZERO_AREA,
        f"{index}: width and height must be above 0, got {shown(shape.attrib)}",
    )


def _upright(shape: Element, index: str) -> Box:
    x1, y1, x2, y2 = _numbers(shape, ("xtl", "ytl", "xbr", "ybr"), index)
    if x1 >= x2 or y1 >= y2:
        raise _without_area(shape, index)
    return Box(x1, y1, x2, y2)


def _box(shape: Element, index: str) -> _Outlined:
    box = _upright(shape, index)
    if "rotation" not in shape.attrib:
        return box, None
    degrees = number(shape.get("rotation"), where=f"{index}.rotation")
    if degrees == 0:
        return box, None
    middle = ((box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2)
    corners = shapes.rotated(shapes.corners(box), degrees, about=middle)
    return box_around(corners), None if degrees % 90 == 0 else corners


def _points(shape: Element, index: str) -> tuple[Point, ...]:
    text = shape.get("points") or ""
    pairs = [pair.split(",") for pair in text.strip("; \n").split(";")]
    if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
        raise UnusableBox(
            Reason.MALFORMED,
            f"{index}.points: must be x,y of at least 3 points, got {shown(text)}",
        )
    where = f"{index}.points"
    return tuple((number(x, where=where), number(y, where=where)) for x, y in pairs)


def _polygon(shape: Element, index: str) -> _Outlined:
    polygon = _points(shape, index)
    # The box stands beside the outline where our writer found that it is not the outline's own.
    return _upright(shape, index) if "xtl" in shape.attrib else box_around(polygon), polygon


def _polyline(shape: Element, index: str) -> _Outlined:
    """A line that ends where it began is an outline; any other has no box."""
    text = shape.get("points") or ""
    points = _points(shape, index) if text.count(";") > 1 else ()
    if not shapes.is_closed(points):
        raise UnusableBox(
            Reason.UNSUPPORTED_SHAPE, f"{index}: an open line has no box, got {shown(text)}"
        )
    return box_around(points), points


def _ellipse(shape: Element, index: str) -> _Outlined:
    x, y, radius_x, radius_y = _numbers(shape, ("cx", "cy", "rx", "ry"), index)
    degrees = number(shape.get("rotation", "0"), where=f"{index}.rotation")
    if radius_x <= 0 or radius_y <= 0:
        raise _without_area(shape, index)
    box = shapes.ellipse_box((x, y), radius_x, radius_y, degrees)
    return box, shapes.ellipse_outline((x, y), radius_x, radius_y, degrees)


def _mask(shape: Element, index: str) -> _Outlined:
    try:
        counts = [int(count) for count in (shape.get("rle") or "").split(",")]
        left, top, width, height = (
            int(shape.get(name, "")) for name in ("left", "top", "width", "height")
        )
        mask = masks.mask_from_row_runs(counts, left=left, top=top, width=width, height=height)
    except ValueError as error:
        raise UnusableBox(Reason.MALFORMED, f"{index}.rle: {error!s:.120}") from None
    box = mask.box()
    if box is None:
        raise UnusableBox(Reason.ZERO_AREA, f"{index}.rle: must mark a pixel, got none")
    return box, mask.outline()


_READERS = {
    "box": _box,
    "polygon": _polygon,
    "polyline": _polyline,
    "ellipse": _ellipse,
    "mask": _mask,
}

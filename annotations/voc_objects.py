"""The objects of Pascal VOC documents: their names, what else is said of them, and their boxes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from lucency.annotations import shapes
from lucency.annotations.documents import shown
from lucency.annotations.findings import NO_ATTRIBUTES, Finding
from lucency.annotations.geometry import Box, Point, box_around
from lucency.annotations.ledger import Reason, UnusableBox
from lucency.annotations.xml_documents import line, number, shortest

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_MARKS = ("bndbox", "robndbox", "polygon")
_CORNERS = ("left_top", "right_top", "right_bottom", "left_bottom")
ASIDES = ("pose", "truncated", "difficult", "occluded", "extra")
_UNINFORMATIVE = frozenset({None, "", "0", "unspecified", "Unspecified", "UNSPECIFIED"})
_Attributes = Mapping[str, str]


@dataclass(slots=True)
class Origin:
    """The coordinate of the first pixel, 0 or 1, that was ``asked`` for.

    ``least`` is the least coordinate of all boxes so far, counted from 0.
    """

    asked: int
    least: float = math.inf

    def hint(self) -> str:
        """What the coordinates say against the origin that was asked for, or an empty text."""
        if self.asked == 0 and self.least == 1:
            return (
                "the least coordinate of all boxes is exactly 1: if these documents count pixels "
                "from 1, as the official Pascal VOC does, read them with --voc-origin 1"
            )
        if self.asked == 1 and self.least < 0:
            return (
                f"the least coordinate of all boxes is {shortest(self.least + 1)}: if these "
                "documents count pixels from 0, read them without --voc-origin 1"
            )
        return ""


def read_object(
    element: Element,
    index: str,
    origin: Origin,
    findings: list[Finding],
    problems: list[tuple[str, str, UnusableBox]],
) -> None:
    """Add the finding of an object, or what is wrong with it; more than one if it has parts."""
    label, attributes = "", NO_ATTRIBUTES
    marks, parts = [], []
    for child in element:
        tag = child.tag
        if tag == "name":
            label = line(child.text)
        elif tag in _MARKS:
            marks.append(child)
        elif tag in ASIDES:
            if child.text not in _UNINFORMATIVE:
                attributes = _with_attribute(attributes, tag, child.text)
        elif tag == "part":
            parts.append(child)
        elif tag == "attributes":
            attributes = _with_attributes(attributes, child)
        elif tag == "deleted" and line(child.text) == "1":
            return  # LabelMe keeps what its user has deleted
    try:
        findings.append(_finding(label, marks, attributes, index, origin))
    except UnusableBox as problem:
        problems.append((index, label, problem))
    for position, part in enumerate(parts):
        read_object(part, f"{index}.part[{position}]", origin, findings, problems)


def _with_attribute(attributes: _Attributes, name: str, text: str | None) -> _Attributes:
    value = line(text)
    return attributes if value in _UNINFORMATIVE else {**attributes, name: value}


def _with_attributes(attributes: _Attributes, element: Element) -> _Attributes:
    for child in element.iterfind("attribute"):
        name = line(child.findtext("name"))
        if name:
            attributes = _with_attribute(attributes, name, child.findtext("value"))
    return attributes


def _finding(
    label: str, marks: list[Element], attributes: _Attributes, index: str, origin: Origin
) -> Finding:
    if not label:
        raise UnusableBox(Reason.MALFORMED, f"{index}.name: must be a name, got an empty one")
    polygon = None
    if len(marks) == 1 and marks[0].tag == "bndbox":
        box = _box(marks[0], index, origin)
    else:
        box, polygon = _outlined(marks, index, origin)
    return Finding(label, box, polygon, attributes, index)


def _box(mark: Element, index: str, origin: Origin) -> Box:
    sides = {side.tag: side.text for side in mark}
    try:
        # A side that is missing or empty goes the way of one that is no number.
        x1, y1 = float(sides["xmin"]), float(sides["ymin"])  # type: ignore[arg-type]
        x2, y2 = float(sides["xmax"]), float(sides["ymax"])  # type: ignore[arg-type]
        if origin.asked:
            x1, y1 = x1 - 1, y1 - 1
        if x1 < x2 and y1 < y2:
            box = Box(x1, y1, x2, y2)
            if x1 < origin.least:
                origin.least = x1
            if y1 < origin.least:
                origin.least = y1
            return box
    except (KeyError, TypeError, ValueError):
        pass
    where = f"{index}.bndbox"
    found = [number(sides.get(side), where=f"{where}.{side}") for side in _SIDES]
    raise UnusableBox(
        Reason.ZERO_AREA, f"{where}: width and height must be above 0, got {shown(found)}"
    )


def _outlined(
    marks: list[Element], index: str, origin: Origin
) -> tuple[Box, tuple[Point, ...] | None]:
    """The box and outline of an object that has more, or other, than one ``bndbox``."""
    by_tag = {mark.tag: mark for mark in marks}
    if not marks:
        raise UnusableBox(
            Reason.NO_BOX, f"{index}: must have a bndbox, robndbox or polygon, got none"
        )
    if len(by_tag) < len(marks):
        found = shown([mark.tag for mark in marks])
        raise UnusableBox(Reason.MALFORMED, f"{index}: must have one box, got {found}")
    if "robndbox" in by_tag:
        return _rotated(by_tag["robndbox"], where=f"{index}.robndbox", origin=origin)
    polygon = _polygon(by_tag["polygon"], where=f"{index}.polygon", origin=origin)
    if "bndbox" in by_tag:
        return _box(by_tag["bndbox"], index, origin), polygon
    return _box_around(polygon, where=f"{index}.polygon"), polygon


def _box_around(polygon: tuple[Point, ...], *, where: str) -> Box:
    try:
        box = box_around(polygon)
    except ValueError:  # sums of finite numbers may overflow
        raise UnusableBox(
            Reason.NOT_FINITE, f"{where}: must have finite corners, got {shown(polygon)}"
        ) from None
    if box.width <= 0 or box.height <= 0:
        raise UnusableBox(
            Reason.ZERO_AREA, f"{where}: width and height must be above 0, got {shown(polygon)}"
        )
    return box


def _rotated(mark: Element, *, where: str, origin: Origin) -> tuple[Box, tuple[Point, ...] | None]:
    if mark.find("x_left_top") is not None:
        return _four_corners(mark, where=where, origin=origin)
    x, y, width, height, angle = (
        number(mark.findtext(tag), where=f"{where}.{tag}")
        for tag in ("cx", "cy", "w", "h", "angle")
    )
    if width <= 0 or height <= 0:
        raise UnusableBox(
            Reason.ZERO_AREA,
            f"{where}: width and height must be above 0, got {shown([width, height])}",
        )
    # The middle of the first pixel is 1 where pixels count from 1.
    x, y = x - origin.asked / 2, y - origin.asked / 2
    corners = [
        (x + across * width / 2, y + down * height / 2)
        for across, down in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    degrees = math.degrees(math.fmod(angle, math.tau))
    polygon = shapes.rotated(corners, degrees, about=(x, y))
    return _box_around(polygon, where=where), None if degrees % 90 == 0 else polygon


def _four_corners(
    mark: Element, *, where: str, origin: Origin
) -> tuple[Box, tuple[Point, ...] | None]:
    """DIOR-R names the corners (https://gcheng-nwpu.github.io/#Datasets)."""
    half = origin.asked / 2
    points = tuple(
        (
            number(mark.findtext(f"x_{corner}"), where=f"{where}.x_{corner}") - half,
            number(mark.findtext(f"y_{corner}"), where=f"{where}.y_{corner}") - half,
        )
        for corner in _CORNERS
    )
    box = _box_around(points, where=where)
    return box, None if set(points) == set(shapes.corners(box)) else points


def _polygon(mark: Element, *, where: str, origin: Origin) -> tuple[Point, ...]:
    pairs = [(point.findtext("x"), point.findtext("y")) for point in mark.iterfind("pt")]
    if not pairs:
        numbered = {child.tag: child.text for child in mark}
        named = sum(tag[:1] in "xy" and tag[1:].isdecimal() for tag in numbered)
        count = (named + 1) // 2
        pairs = [(numbered.get(f"x{n}"), numbered.get(f"y{n}")) for n in range(1, count + 1)]
    if len(pairs) < 3:
        raise UnusableBox(
            Reason.MALFORMED, f"{where}: must be x and y of at least 3 points, got {shown(pairs)}"
        )
    half = origin.asked / 2
    return tuple(
        (number(x, where=f"{where}.x{n}") - half, number(y, where=f"{where}.y{n}") - half)
        for n, (x, y) in enumerate(pairs, start=1)
    )

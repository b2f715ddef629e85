"""Marks of annotation tools: their numbers to an upright box and, where it differs, an outline.

All coordinates are pixels, or fractions where the format knows no size; angles turn clockwise.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from lucency.annotations.documents import finite, shown, text
from lucency.annotations.geometry import Box, Point, box_around
from lucency.annotations.ledger import Reason, UnusableBox
from lucency.annotations.shapes import corners, ellipse_box, ellipse_outline, rotated

# The upright box of a mark, and its outline where it is no upright rectangle.
Mark: TypeAlias = tuple[Box, tuple[Point, ...] | None]


def label(value: object, *, where: str) -> str:
    """The name of a class; raises `UnusableBox` if it is none."""
    name = text(value)
    if name is None:
        raise UnusableBox(Reason.MALFORMED, f"{where}: must be a name, got {shown(value)}")
    return name


def numbers(values: Sequence[Any], *, where: str) -> list[float]:
    """The values as floats.

    Raises
    ------
    UnusableBox
        One is no number, or not finite.

    """
    found = [number for number in map(finite, values) if number is not None]
    if len(found) == len(values):
        return found
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UnusableBox(
                Reason.MALFORMED, f"{where}: must be {len(values)} numbers, got {shown(values)}"
            )
    raise not_finite(values, where=where)


def keyed_numbers(shape: object, keys: Sequence[str], *, where: str) -> list[float]:
    """The values under ``keys`` of a JSON object as floats; raises `UnusableBox` likewise."""
    if not isinstance(shape, dict):
        raise UnusableBox(Reason.MALFORMED, f"{where}: must be an object, got {shown(shape)}")
    missing = [key for key in keys if key not in shape]
    if missing:
        wanted = ", ".join(missing)
        raise UnusableBox(Reason.MALFORMED, f"{where}: must have {wanted}, got {shown(shape)}")
    return numbers([shape[key] for key in keys], where=where)


def rectangle(
    x: float, y: float, width: float, height: float, *, where: str, degrees: float = 0.0,
    about: Point | None = None,
) -> Mark:  # fmt: skip
    """A rectangle by its top-left corner, turned around ``about`` (its centre if None).

    Raises
    ------
    UnusableBox
        It has no area, or its corners are too large for numbers.

    """
    if width <= 0 or height <= 0:
        raise UnusableBox(
            Reason.ZERO_AREA,
            f"{where}: width and height must be above 0, got {width:g} and {height:g}",
        )
    try:
        box = Box(x, y, x + width, y + height)
        if degrees % 360 == 0:
            return _with_area(box, where=where), None
        turned = rotated(corners(box), degrees, about=about or (x + width / 2, y + height / 2))
        return _with_area(box_around(turned), where=where), turned
    except ValueError:  # the sum of two finite numbers may overflow
        raise not_finite([x, y, width, height], where=where) from None


def polygon(points: Sequence[Point], *, where: str) -> Mark:
    """A polygon of at least three points; raises `UnusableBox` if it has fewer or no area."""
    if len(points) < 3:
        raise UnusableBox(
            Reason.MALFORMED, f"{where}: must have at least 3 points, got {shown(points)}"
        )
    try:
        box = box_around(points)
    except ValueError:  # a percentage of a huge size may overflow
        raise not_finite(points, where=where) from None
    return _with_area(box, where=where), tuple(points)


def ellipse(
    centre: Point, radius_x: float, radius_y: float, *, where: str, degrees: float = 0.0
) -> Mark:
    """An ellipse, turned around its centre; raises `UnusableBox` if it has no area."""
    if radius_x <= 0 or radius_y <= 0:
        raise UnusableBox(
            Reason.ZERO_AREA,
            f"{where}: both radii must be above 0, got {radius_x:g} and {radius_y:g}",
        )
    try:
        box = ellipse_box(centre, radius_x, radius_y, degrees)
    except ValueError:
        raise not_finite([*centre, radius_x, radius_y], where=where) from None
    outline = ellipse_outline(centre, radius_x, radius_y, degrees)
    return _with_area(box, where=where), outline


def not_finite(values: object, *, where: str) -> UnusableBox:
    """The complaint about numbers that are not finite."""
    return UnusableBox(Reason.NOT_FINITE, f"{where}: must be finite numbers, got {shown(values)}")


def _with_area(box: Box, *, where: str) -> Box:
    if box.width <= 0 or box.height <= 0:
        found = shown([box.x1, box.y1, box.x2, box.y2])
        raise UnusableBox(Reason.ZERO_AREA, f"{where}: must span an area, got the corners {found}")
    return box

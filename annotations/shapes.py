"""Rotated rectangles, ellipses and polygons: their upright boxes, outlines, and smallest rectangle.

Pixel coordinates with y downwards, so a positive angle turns clockwise on the screen.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from lucency.annotations.geometry import Box, Point

_OUTLINE_POINTS = 64
_GAP = 0.01


def corners(box: Box) -> tuple[Point, ...]:
    """The four corners of a box, clockwise on the screen from the top left."""
    return ((box.x1, box.y1), (box.x2, box.y1), (box.x2, box.y2), (box.x1, box.y2))


def rotated(points: Sequence[Point], degrees: float, *, about: Point) -> tuple[Point, ...]:
    """``points`` turned clockwise on the screen around the point ``about``."""
    turn = math.fmod(degrees, 360.0)
    if turn == 0:
        return tuple(points)
    # cos(90°) is not quite 0 in floats, and a quarter turn must not move a corner.
    quarter = {90.0: (0.0, 1.0), 180.0: (-1.0, 0.0), 270.0: (0.0, -1.0)}.get(turn % 360)
    radians = math.radians(turn)
    cosine, sine = quarter or (math.cos(radians), math.sin(radians))
    x0, y0 = about
    return tuple(
        (x0 + (x - x0) * cosine - (y - y0) * sine, y0 + (x - x0) * sine + (y - y0) * cosine)
        for x, y in points
    )


def ellipse_box(centre: Point, radius_x: float, radius_y: float, degrees: float = 0.0) -> Box:
    """The exact upright box of an ellipse; raises `ValueError` if it is not finite."""
    radians = math.radians(degrees)
    cosine, sine = math.cos(radians), math.sin(radians)
    half_width = math.hypot(radius_x * cosine, radius_y * sine)
    half_height = math.hypot(radius_x * sine, radius_y * cosine)
    x, y = centre
    return Box(x - half_width, y - half_height, x + half_width, y + half_height)


def ellipse_outline(
    centre: Point, radius_x: float, radius_y: float, degrees: float = 0.0
) -> tuple[Point, ...]:
    """64 points of an ellipse, the ends of its axes among them."""
    x, y = centre
    angles = [2 * math.pi * number / _OUTLINE_POINTS for number in range(_OUTLINE_POINTS)]
    upright = [(x + radius_x * math.cos(a), y + radius_y * math.sin(a)) for a in angles]
    return rotated(upright, degrees, about=centre)


def is_closed(line: Sequence[Point]) -> bool:
    """Whether a line of three points or more ends where it began: it goes around something.

    Hand-drawn ends meet within a hundredth of the line's length.
    """
    length = sum(math.dist(start, end) for start, end in pairwise(line))
    return len(line) > 2 and math.dist(line[0], line[-1]) <= _GAP * length


def clipped_polygon(points: Sequence[Point], width: float, height: float) -> tuple[Point, ...]:
    """The part of a polygon inside an image, empty if there is none.

    Sutherland and Hodgman, Reentrant polygon clipping, CACM 17(1), 1974. Several parts of a
    concave polygon stay joined along the edge of the image.
    """
    kept = list(points)
    for axis, limit, sign in ((0, 0.0, 1), (0, width, -1), (1, 0.0, 1), (1, height, -1)):
        before, kept = kept, []
        for start, end in zip(before[-1:] + before[:-1], before, strict=True):
            start_inside = (start[axis] - limit) * sign >= 0
            end_inside = (end[axis] - limit) * sign >= 0
            if start_inside != end_inside:
                kept.append(_crossing(start, end, axis, limit))
            if end_inside:
                kept.append(end)
    return tuple(kept)


def minimum_rectangle(points: Sequence[Point]) -> tuple[Point, ...]:
    """The four corners of the rectangle of smallest area around ``points``.

    One of its sides lies along the convex hull (Freeman and Shapira, CACM 18(7), 1975).

    Raises
    ------
    ValueError
        The points span no area.

    """
    hull = _convex_hull(points)
    if len(hull) < 3:
        raise ValueError(f"must span an area, got {list(points)!r:.60}")
    best: tuple[float, tuple[Point, ...]] | None = None
    for (x1, y1), (x2, y2) in zip(hull, hull[1:] + hull[:1], strict=True):
        length = math.hypot(x2 - x1, y2 - y1)
        along, across = (
            ((x2 - x1) / length, (y2 - y1) / length),
            (
                -(y2 - y1) / length,
                (x2 - x1) / length,
            ),
        )
        us = [(x - x1) * along[0] + (y - y1) * along[1] for x, y in hull]
        vs = [(x - x1) * across[0] + (y - y1) * across[1] for x, y in hull]
        area = (max(us) - min(us)) * (max(vs) - min(vs))
        if best is None or area < best[0]:
            ends = ((min(us), min(vs)), (max(us), min(vs)), (max(us), max(vs)), (min(us), max(vs)))
            turned = tuple(
                (x1 + u * along[0] + v * across[0], y1 + u * along[1] + v * across[1])
                for u, v in ends
            )
            best = area, turned
    return best[1] if best else ()


def _crossing(start: Point, end: Point, axis: int, limit: float) -> Point:
    share = (limit - start[axis]) / (end[axis] - start[axis])
    other = start[1 - axis] + share * (end[1 - axis] - start[1 - axis])
    return (limit, other) if axis == 0 else (other, limit)


def _convex_hull(points: Sequence[Point]) -> list[Point]:
    """The hull's corners (Andrew's monotone chain), without points along its sides."""
    ordered = sorted(set(points))
    chains = []
    for run in (ordered, ordered[::-1]):
        chain: list[Point] = []
        for point in run:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        chains.append(chain[:-1])
    return chains[0] + chains[1]


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def joined(parts: Sequence[Sequence[Point]]) -> tuple[Point, ...]:
    """One polygon of several parts, joined by bridges of no width between nearest corners."""
    whole = list(parts[0])
    for part in parts[1:]:
        _, start, end = min(
            (math.dist(one, other), start, end)
            for start, one in enumerate(whole)
            for end, other in enumerate(part)
        )
        around = [*part[end:], *part[: end + 1]]
        whole = [*whole[: start + 1], *around, *whole[start:]]
    return tuple(whole)

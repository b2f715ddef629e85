import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucency.annotations.geometry import Box, Point, box_around
from lucency.annotations.shapes import (
    clipped_polygon,
    corners,
    ellipse_box,
    ellipse_outline,
    is_closed,
    minimum_rectangle,
    rotated,
)

coordinates = st.floats(-500, 500).map(lambda value: round(value, 3))
points = st.tuples(coordinates, coordinates)
angles = st.floats(-720, 720)


def area(polygon: tuple[Point, ...]) -> float:
    ends = polygon[1:] + polygon[:1]
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(polygon, ends, strict=True)) / 2


def close(value: float) -> object:
    return pytest.approx(value, abs=1e-6)


def test_corners_go_clockwise_from_the_top_left() -> None:
    assert corners(Box(1, 2, 5, 4)) == ((1, 2), (5, 2), (5, 4), (1, 4))
    assert area(corners(Box(1, 2, 5, 4))) == 8


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        (0, (3, 1)),
        (90, (1, 3)),
        (180, (-1, 1)),
        (270, (1, -1)),
        (-90, (1, -1)),
        (360, (3, 1)),
        (450, (1, 3)),
        (-720, (3, 1)),
    ],
)
def test_quarter_turns_are_exact_and_clockwise(degrees: float, expected: Point) -> None:
    # From right of the centre, a quarter clockwise leads to below it: y grows downwards.
    assert rotated([(3, 1)], degrees, about=(1, 1)) == (expected,)


@settings(max_examples=100, deadline=None)
@given(point=points, centre=points, degrees=angles)
def test_turning_keeps_the_distance_and_turns_back(
    point: Point, centre: Point, degrees: float
) -> None:
    (turned,) = rotated([point], degrees, about=centre)
    assert math.dist(turned, centre) == close(math.dist(point, centre))
    (back,) = rotated([turned], -degrees, about=centre)
    assert math.dist(back, point) < 1e-6


@settings(max_examples=100, deadline=None)
@given(
    centre=points,
    radius_x=st.floats(0.1, 300),
    radius_y=st.floats(0.1, 300),
    degrees=angles,
)
def test_an_ellipse_lies_in_its_box_and_touches_every_side(
    centre: Point, radius_x: float, radius_y: float, degrees: float
) -> None:
    box = ellipse_box(centre, radius_x, radius_y, degrees)
    # 20,000 points on the turned ellipse, by the definition.
    t, turn = np.linspace(0, 2 * math.pi, 20_000), math.radians(degrees)
    u, v = radius_x * np.cos(t), radius_y * np.sin(t)
    x = centre[0] + u * math.cos(turn) - v * math.sin(turn)
    y = centre[1] + u * math.sin(turn) + v * math.cos(turn)
    found = [x.min(), y.min(), x.max(), y.max()]
    assert [box.x1, box.y1, box.x2, box.y2] == pytest.approx(found, abs=1e-3)


def test_the_box_of_a_circle() -> None:
    assert ellipse_box((10, 20), 3, 3) == Box(7, 17, 13, 23)


@pytest.mark.parametrize("radius", [math.inf, math.nan, 1e308])
def test_an_endless_ellipse_has_no_box(radius: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        ellipse_box((1e308, 0), radius, radius)


@pytest.mark.parametrize("degrees", [0, 30, 90, -45])
def test_the_outline_of_an_ellipse_holds_the_ends_of_its_axes(degrees: float) -> None:
    outline = ellipse_outline((50, 40), 30, 10, degrees)
    ends = rotated([(80, 40), (20, 40), (50, 50), (50, 30)], degrees, about=(50, 40))
    for end in ends:
        assert min(math.dist(end, point) for point in outline) < 1e-9
    assert area(outline) == pytest.approx(math.pi * 30 * 10, rel=0.002)
    box, around = ellipse_box((50, 40), 30, 10, degrees), box_around(outline)
    assert around.x1 >= box.x1 - 1e-9 and around.x2 <= box.x2 + 1e-9


SQUARE = ((2.0, 2.0), (8.0, 2.0), (8.0, 8.0), (2.0, 8.0))


@pytest.mark.parametrize(
    ("polygon", "expected"),
    [
        (SQUARE, 36),
        (tuple((x - 5, y) for x, y in SQUARE), 18),
        (tuple((x + 5, y + 5) for x, y in SQUARE), 9),
        (((-10, -10), (30, -10), (30, 30), (-10, 30)), 100),
        (((0, 0), (20, 0), (0, 20)), 100),
        (((5, -5), (15, 5), (5, 15), (-5, 5)), 100),
        (tuple((x + 50, y) for x, y in SQUARE), 0),
        ((), 0),
    ],
    ids=["inside", "left", "corner", "around", "touching", "diamond", "outside", "none"],
)
def test_the_part_of_a_polygon_in_a_10_px_image(
    polygon: tuple[Point, ...], expected: float
) -> None:
    clipped = clipped_polygon(polygon, 10, 10)
    assert (area(clipped) if clipped else 0) == close(expected)
    assert all(0 <= x <= 10 and 0 <= y <= 10 for x, y in clipped)


def test_a_polygon_outside_has_no_part() -> None:
    assert clipped_polygon([(20, 20), (30, 20), (30, 30)], 10, 10) == ()


def test_a_polygon_inside_stays_as_it_is() -> None:
    assert clipped_polygon(SQUARE, 10, 10) == SQUARE


@settings(max_examples=100, deadline=None)
@given(centre=points, radius=st.floats(1, 300), degrees=angles)
def test_clipping_a_rectangle_that_stands_upright_is_clipping_its_box(
    centre: Point, radius: float, degrees: float
) -> None:
    quarter = round(degrees / 90) * 90
    x, y = centre
    box = Box(x - radius, y - radius / 2, x + radius, y + radius / 2)
    polygon = rotated(corners(box), quarter, about=centre)
    expected = box_around(polygon).clipped(200, 100).area
    clipped = clipped_polygon(polygon, 200, 100)
    assert (area(clipped) if clipped else 0) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(
    centre=points,
    width=st.floats(2, 300),
    height=st.floats(2, 300),
    degrees=st.floats(0, 360),
)
def test_the_smallest_rectangle_around_a_rectangle_is_itself(
    centre: Point, width: float, height: float, degrees: float
) -> None:
    x, y = centre
    box = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    rectangle = rotated(corners(box), degrees, about=centre)
    found = minimum_rectangle([*rectangle, centre])
    assert len(found) == 4
    for corner in rectangle:
        assert min(math.dist(corner, other) for other in found) < 1e-5


@settings(max_examples=100, deadline=None)
@given(cloud=st.lists(points, min_size=3, max_size=12))
def test_the_smallest_rectangle_holds_all_points_and_is_no_larger_than_the_box(
    cloud: list[Point],
) -> None:
    try:
        found = minimum_rectangle(cloud)
    except ValueError:
        # All on one line, so that no two differences span an area.
        base, *others = cloud
        spans = [
            (ax - base[0]) * (by - base[1]) - (ay - base[1]) * (bx - base[0])
            for ax, ay in others
            for bx, by in others
        ]
        assert max(map(abs, spans)) < 1e-6
        return
    around = box_around(cloud)
    assert abs(area(found)) <= around.area + 1e-6
    turn = math.copysign(1, area(found))
    for (x1, y1), (x2, y2) in zip(found, found[1:] + found[:1], strict=True):
        length = math.dist((x1, y1), (x2, y2)) or 1.0
        for x, y in cloud:
            cross = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
            assert turn * cross / length >= -1e-6


@pytest.mark.parametrize(
    "cloud",
    [[], [(1.0, 1.0)], [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)], [(1.0, 1.0)] * 5],
    ids=["none", "one", "a line", "the same"],
)
def test_points_on_a_line_span_no_rectangle(cloud: list[Point]) -> None:
    with pytest.raises(ValueError, match="must span an area"):
        minimum_rectangle(cloud)


@pytest.mark.parametrize(
    ("line", "closed"),
    [
        ([(0, 0), (10, 0), (10, 10), (0, 0)], True),
        ([(0, 0), (10, 0), (10, 10), (0.2, 0.1)], True),
        ([(0, 0), (10, 0), (10, 10), (0, 5)], False),
        ([(0, 0), (10, 0)], False),
        ([(0, 0), (0, 0)], False),
        ([], False),
    ],
    ids=["closed", "nearly", "open", "two points", "one place", "nothing"],
)
def test_lines_that_go_around_something_are_closed(line: list[Point], closed: bool) -> None:
    assert is_closed(line) is closed

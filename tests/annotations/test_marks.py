import math

import pytest

from lucency.annotations import marks
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Reason, UnusableBox

HUGE = 1e308


def test_an_upright_rectangle_has_no_outline() -> None:
    assert marks.rectangle(1, 2, 3, 4, where="x") == (Box(1, 2, 4, 6), None)
    assert marks.rectangle(1, 2, 3, 4, degrees=-360, where="x") == (Box(1, 2, 4, 6), None)


@pytest.mark.parametrize(
    ("about", "box"),
    [
        pytest.param(None, Box(3, -1, 7, 7), id="its centre"),
        pytest.param((1, 1), Box(-3, 1, 1, 9), id="its corner"),
    ],
)
def test_a_quarter_turn(about: tuple[float, float] | None, box: Box) -> None:
    found, outline = marks.rectangle(1, 1, 8, 4, degrees=90, about=about, where="x")
    assert found == box
    assert outline is not None
    assert len(set(outline)) == 4


def test_an_ellipse_turned_by_45_degrees() -> None:
    box, outline = marks.ellipse((10, 20), 4, 2, degrees=45, where="x")
    half = math.sqrt(10)  # of (4² + 2²) / 2
    assert (box.x1, box.y2) == pytest.approx((10 - half, 20 + half))
    assert outline is not None
    assert outline[0] == pytest.approx((10 + 4 * math.sqrt(0.5), 20 + 4 * math.sqrt(0.5)))


def test_a_polygon_is_its_own_outline() -> None:
    points = [(0.0, 0.0), (4.0, 1.0), (2.0, 5.0)]
    assert marks.polygon(points, where="x") == (Box(0, 0, 4, 5), tuple(points))


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        pytest.param(lambda: marks.rectangle(0, 0, 0, 1, where="x"), Reason.ZERO_AREA, id="width"),
        pytest.param(
            lambda: marks.rectangle(0, 0, 1, -1, where="x"), Reason.ZERO_AREA, id="height"
        ),
        pytest.param(
            lambda: marks.rectangle(HUGE, 0, HUGE, 1, where="x"), Reason.NOT_FINITE, id="overflow"
        ),
        pytest.param(
            lambda: marks.rectangle(0, 0, HUGE, HUGE, degrees=45, about=(-HUGE, 0), where="x"),
            Reason.NOT_FINITE,
            id="turned overflow",
        ),
        pytest.param(
            lambda: marks.rectangle(1e300, 0, 1, 1, where="x"), Reason.ZERO_AREA, id="absorbed"
        ),
        pytest.param(lambda: marks.ellipse((0, 0), 1, 0, where="x"), Reason.ZERO_AREA, id="radius"),
        pytest.param(
            lambda: marks.ellipse((HUGE, 0), HUGE, 1, where="x"), Reason.NOT_FINITE, id="ellipse"
        ),
        pytest.param(
            lambda: marks.polygon([(0, 0), (1, 1)], where="x"), Reason.MALFORMED, id="two points"
        ),
        pytest.param(
            lambda: marks.polygon([(0, 0), (1, 0), (2, 0)], where="x"), Reason.ZERO_AREA, id="flat"
        ),
        pytest.param(
            lambda: marks.polygon([(0, 0), (1, 0), (2, math.inf)], where="x"),
            Reason.NOT_FINITE,
            id="infinite corner",
        ),
        pytest.param(lambda: marks.numbers([1, "2"], where="x"), Reason.MALFORMED, id="a text"),
        pytest.param(lambda: marks.numbers([1, True], where="x"), Reason.MALFORMED, id="a flag"),
        pytest.param(lambda: marks.numbers([1, math.nan], where="x"), Reason.NOT_FINITE, id="nan"),
        pytest.param(lambda: marks.numbers([10**400], where="x"), Reason.NOT_FINITE, id="huge"),
        pytest.param(
            lambda: marks.keyed_numbers({"x": 1}, ("x", "y"), where="x"),
            Reason.MALFORMED,
            id="no y",
        ),
        pytest.param(
            lambda: marks.keyed_numbers([1], ("x",), where="x"), Reason.MALFORMED, id="a list"
        ),
        pytest.param(lambda: marks.label(" ", where="x"), Reason.MALFORMED, id="no name"),
    ],
)
def test_what_is_no_mark(call: object, reason: Reason) -> None:
    with pytest.raises(UnusableBox, match=r"^x: .*, got ") as caught:
        call()  # type: ignore[operator]
    assert caught.value.reason is reason

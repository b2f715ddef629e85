import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucency.annotations.choices import Geometry
from lucency.annotations.findings import Finding
from lucency.annotations.geometry import Box, box_around
from lucency.annotations.ledger import Reason, UnusableBox
from lucency.annotations.packing import packed
from lucency.annotations.yolo_lines import label_lines, label_of, read_line

NAMES = ("b", "a")
IDS = {name: number for number, name in enumerate(NAMES)}
SIZE = (4096, 4096)
TRIANGLE = ((1024.0, 0.0), (2048.0, 1024.0), (0.0, 4096.0))


def test_a_box_has_ten_digits() -> None:
    text = label_lines(packed([Finding("a", Box(1 / 3, 1, 2, 3))]), (3000, 2000), IDS)
    assert text == "1 0.0003888889 0.0010000000 0.0005555556 0.0010000000\n"


def test_no_findings_are_an_empty_file() -> None:
    for geometry in Geometry:
        assert label_lines(packed([]), SIZE, IDS, geometry) == ""


def test_lines_come_in_the_order_of_the_findings() -> None:
    findings = [Finding(name, Box(0, 0, 1024, 2048)) for name in "aba"]
    text = label_lines(packed(findings), SIZE, IDS)
    assert [line.split()[0] for line in text.splitlines()] == ["1", "0", "1"]


@pytest.mark.parametrize(
    ("geometry", "outline", "counts"),
    [
        (Geometry.BOX, None, [4, 4]),
        (Geometry.OUTLINE, TRIANGLE, [6, 8]),
        (Geometry.ROTATED, ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0)), [8, 8]),
    ],
    ids=["box", "outline", "rotated"],
)
def test_one_file_holds_lines_of_one_kind(
    geometry: Geometry, outline: tuple[tuple[float, float], ...] | None, counts: list[int]
) -> None:
    findings = [Finding("a", Box(0, 0, 2048, 4096), outline), Finding("b", Box(1, 2, 3, 4))]
    text = label_lines(packed(findings), SIZE, IDS, geometry)
    assert [len(line.split()) - 1 for line in text.splitlines()] == counts


def test_an_outline_is_written_corner_by_corner() -> None:
    findings = packed([Finding("a", Box(0, 0, 2048, 4096), TRIANGLE)])
    text = label_lines(findings, SIZE, IDS, Geometry.OUTLINE)
    assert [float(v) for v in text.split()] == [1, 0.25, 0, 0.5, 0.25, 0, 1]


coordinate = st.floats(0, 4096)


@given(st.tuples(coordinate, coordinate, coordinate, coordinate), st.sampled_from(Geometry))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_what_is_written_is_read_again(
    numbers: tuple[float, float, float, float], geometry: Geometry
) -> None:
    (x1, x2), (y1, y2) = sorted(numbers[:2]), sorted(numbers[2:])
    if min(x2 - x1, y2 - y1) < 0.001:
        return
    line = label_lines(packed([Finding("a", Box(x1, y1, x2, y2))]), SIZE, IDS, geometry)
    assert re.fullmatch(r"1( [01]\.\d{10})+\n", line)
    found = read_line(line, NAMES, where="line 1")
    box = found.box.scaled(*SIZE)
    assert (box.x1, box.y1, box.x2, box.y2) == pytest.approx((x1, y1, x2, y2), abs=1e-5)
    assert (found.label, bool(found.polygon)) == ("a", geometry is not Geometry.BOX)


@pytest.mark.parametrize(
    ("line", "box", "corners"),
    [
        ("0 0.5 0.5 0.2 0.4", Box(0.4, 0.3, 0.6, 0.7), 0),
        ("  0.000\t5e-1 0.5 0.2 0.4 \r", Box(0.4, 0.3, 0.6, 0.7), 0),
        ("0 0.1 0.1 0.3 0.1 0.3 0.5 0.1 0.5", Box(0.1, 0.1, 0.3, 0.5), 4),
        ("0 0.1 0.2 0.3 0.1 0.2 0.5", Box(0.1, 0.1, 0.3, 0.5), 3),
        ("0 0.9 0.9 0.4 0.4", Box(0.7, 0.7, 1.1, 1.1), 0),
    ],
    ids=["box", "floats, tabs and crlf", "oriented box", "outline", "beyond the edge"],
)
def test_every_kind_of_line(line: str, box: Box, corners: int) -> None:
    found = read_line(line, NAMES, where="line 3")
    got = (found.box.x1, found.box.y1, found.box.x2, found.box.y2)
    assert got == pytest.approx((box.x1, box.y1, box.x2, box.y2))
    assert len(found.polygon or ()) == corners
    assert found.index == "line 3"
    if found.polygon:
        assert box_around(found.polygon) == found.box


def test_a_pose_line_starts_with_its_box() -> None:
    found = read_line("0 .5 .5 .2 .4 0 0 1 1", NAMES, where="line 1", boxes_first=True)
    assert (found.box, found.polygon) == (Box(0.4, 0.3, 0.6, 0.7), None)


@pytest.mark.parametrize(
    ("line", "reason", "words"),
    [
        ("0 0.5 nan 0.2 0.4", Reason.NOT_FINITE, "must be finite numbers"),
        ("0 0.5 -inf 0.2 0.4", Reason.NOT_FINITE, "must be finite numbers"),
        ("0 0.5 1e400 0.2 0.4", Reason.NOT_FINITE, "must be finite numbers"),
        ("nan 0.5 0.5 0.2 0.4", Reason.NOT_FINITE, "must be finite numbers"),
        ("0 0.5 0.5 0.2", Reason.MALFORMED, "must be a class and 4 numbers"),
        ("0 0.5 0.5 0.2 0.4 0.9", Reason.MALFORMED, "a sixth number as in predictions"),
        ("0 0.1 0.2 0.3 0.1 0.2 0.5 0.5", Reason.MALFORMED, "x and y of at least 3 points"),
        ("0", Reason.MALFORMED, "must be a class and 4 numbers"),
        ("0,0.5,0.5,0.2,0.4", Reason.MALFORMED, "numbers alone"),
        ("a 0.5 0.5 0.2 0.4", Reason.MALFORMED, "numbers alone"),
        ("2 0.5 0.5 0.2 0.4", Reason.UNKNOWN_CLASS, "from 0 to 1"),
        ("-1 0.5 0.5 0.2 0.4", Reason.UNKNOWN_CLASS, "from 0 to 1"),
        ("0.5 0.5 0.5 0.2 0.4", Reason.UNKNOWN_CLASS, "from 0 to 1"),
        ("1e300 0.5 0.5 0.2 0.4", Reason.UNKNOWN_CLASS, "from 0 to 1"),
        ("0 0.5 0.5 0 0.4", Reason.ZERO_AREA, "above 0"),
        ("0 0.5 0.5 -0.2 0.4", Reason.ZERO_AREA, "above 0"),
        ("0 0.5 0.5 1e-320 0.4", Reason.ZERO_AREA, "above 0"),
        ("0 0.1 0.1 0.5 0.1 0.9 0.1", Reason.ZERO_AREA, "above 0"),
        ("0 1.7e308 0.5 1.7e308 0.4", Reason.MALFORMED, "finite"),
    ],
    ids=["nan", "infinity", "too large", "class nan", "four fields", "confidence", "odd", "class",
         "commas", "name", "class too high", "class below 0", "half a class", "huge class",
         "no width", "negative width", "too thin", "flat outline", "overflow"],
)  # fmt: skip
def test_a_broken_line_says_why(line: str, reason: Reason, words: str) -> None:
    with pytest.raises(UnusableBox) as caught:
        read_line(f"{line}\r", NAMES, where="line 7")
    assert caught.value.reason is reason
    assert caught.value.detail.startswith("line 7: ")
    assert words in caught.value.detail
    assert caught.value.detail.isprintable()


@pytest.mark.parametrize(
    ("field", "name"), [("0", "b"), ("1.0", "a"), ("2", ""), ("-0", "b"), ("x", ""), ("inf", "")]
)
def test_class_names(field: str, name: str) -> None:
    assert label_of(field, NAMES) == name

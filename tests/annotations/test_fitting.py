import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucency.annotations.findings import Finding, ImageAnnotation, Status
from lucency.annotations.fitting import Edge, Fitted, FittingRules, Geometry, fit
from lucency.annotations.formats import NORMALISED
from lucency.annotations.geometry import Box, Point, box_around
from lucency.annotations.ledger import Ledger, Outcome, Reason
from lucency.annotations.sizes import PixelMap

SIZE = (100, 80)
TRIANGLE = ((10.0, 10.0), (30.0, 10.0), (20.0, 40.0))
DIAMOND = ((50.0, 20.0), (60.0, 30.0), (50.0, 40.0), (40.0, 30.0))


def finding(*corners: float, label: str = "x", index: str = "0") -> Finding:
    return Finding(label, Box(*corners), index=index)


def outlined(points: tuple[Point, ...]) -> Finding:
    return Finding("x", box_around(points), points, index="0")


def fitted(
    *findings: Finding,
    rules: FittingRules | None = None,
    to_image: PixelMap | None = None,
    size: tuple[int, int] = SIZE,
) -> tuple[list[Finding], Ledger]:
    """What is left of the findings, with books that balance."""
    ledger, found = Ledger(), Fitted()
    ledger.expect("a.json", len(findings))
    annotation = ImageAnnotation("1.png", "a.json", size, findings, Status.ANNOTATED)
    fit(annotation, to_image, size, rules or FittingRules(), found, ledger)
    ledger.check()
    return list(found.values()), ledger


def corners(finding: Finding) -> tuple[float, float, float, float]:
    box = finding.box
    return box.x1, box.y1, box.x2, box.y2


@pytest.mark.parametrize("scale", [None, PixelMap()], ids=["plain", "mapped"])
@pytest.mark.parametrize(
    ("given", "expected", "reason"),
    [
        ((10, 20, 30, 40), (10, 20, 30, 40), None),
        ((0, 0, 100, 80), (0, 0, 100, 80), None),
        ((-5, 20, 30, 40), (0, 20, 30, 40), Reason.BEYOND_EDGE),
        ((90, 70, 200, 90), (90, 70, 100, 80), Reason.BEYOND_EDGE),
        ((-9, -9, 900, 900), (0, 0, 100, 80), Reason.BEYOND_EDGE),
        ((60, 60, 100.009, 80), (60, 60, 100, 80), None),
        ((60, 60, 100.02, 80), (60, 60, 100, 80), Reason.BEYOND_EDGE),
        ((200, 10, 220, 30), None, Reason.OUTSIDE_IMAGE),
        ((-30, 10, 0, 30), None, Reason.OUTSIDE_IMAGE),
        ((99.995, 10, 120, 30), None, Reason.OUTSIDE_IMAGE),
        ((10, 20, 10.001, 40), None, Reason.ZERO_AREA),
        ((10, 20, 10.011, 40), (10, 20, 10.011, 40), None),
        ((10, 20, 10, 20), None, Reason.ZERO_AREA),
    ],
    ids=["inside", "whole image", "left", "bottom right", "all around", "by rounding", "by 0.02 px",
         "right of it", "left of it", "but for rounding", "too thin", "thin", "a point"],
)  # fmt: skip
def test_edges_are_clipped(
    given: tuple[float, ...], expected: tuple[float, ...] | None, reason: Reason | None,
    scale: PixelMap | None,
) -> None:  # fmt: skip
    found, ledger = fitted(finding(*given), to_image=scale)
    assert [corners(one) for one in found] == ([expected] if expected else [])
    assert [entry.reason for entry in ledger.box_entries] == ([reason] if reason else [])
    assert ledger.lost_boxes("a.json", "1.png") is (expected is None)


@pytest.mark.parametrize(
    ("edge", "expected", "outcome"),
    [
        (Edge.CLIP, (0, 20, 30, 40), Outcome.CLIPPED),
        (Edge.KEEP, (-5.5, 20, 30, 40), None),
        (Edge.ERROR, None, Outcome.DROPPED),
    ],
)
def test_what_becomes_of_a_box_beyond_the_edge(
    edge: Edge, expected: tuple[float, ...] | None, outcome: Outcome | None
) -> None:
    found, ledger = fitted(finding(-5.5, 20, 30, 40), rules=FittingRules(edge=edge))
    assert [corners(one) for one in found] == ([expected] if expected else [])
    entries = ledger.box_entries
    assert [(e.outcome, e.reason) for e in entries] == (
        [(outcome, Reason.BEYOND_EDGE)] if outcome else []
    )
    assert all("5.50" in entry.detail for entry in entries)


@pytest.mark.parametrize("edge", Edge)
def test_boxes_inside_are_the_same_for_every_policy(edge: Edge) -> None:
    given = finding(60, 60, 100.005, 80)
    found, ledger = fitted(given, rules=FittingRules(edge=edge))
    kept = (60, 60, 100.005, 80) if edge is Edge.KEEP else (60, 60, 100, 80)
    assert [corners(one) for one in found] == [kept]
    assert not ledger.box_entries


def test_outside_is_kept_on_request_and_zero_area_never() -> None:
    rules = FittingRules(edge=Edge.KEEP)
    found, ledger = fitted(finding(200, 10, 220, 30), finding(5, 5, 5, 9, index="1"), rules=rules)
    assert [corners(one) for one in found] == [(200, 10, 220, 30)]
    assert ledger.dropped_by_reason() == {Reason.ZERO_AREA: 1}


def test_duplicates_are_merged_by_label_and_corners() -> None:
    found, ledger = fitted(
        finding(1, 2, 9, 9, index="a"),
        finding(1, 2, 9, 9, index="b"),
        finding(1, 2, 9, 9, label="y", index="c"),
        finding(1, 2, 9, 9.5, index="d"),
    )
    assert [one.index for one in found] == ["a", "c", "d"]
    (entry,) = ledger.box_entries
    assert (entry.index, entry.outcome, entry.reason) == ("b", Outcome.MERGED, Reason.DUPLICATE)
    assert entry.detail == "equal to a"


def test_two_labels_that_become_one_may_be_duplicates() -> None:
    rules = FittingRules(rename={"y": "x"})
    found, ledger = fitted(finding(1, 2, 9, 9), finding(1, 2, 9, 9, label="y"), rules=rules)
    assert len(found) == 1
    assert ledger.totals()["merged"] == 1


@pytest.mark.parametrize(
    ("rules", "labels", "reasons"),
    [
        (FittingRules(rename={"y": "z"}), ["x", "z"], []),
        (FittingRules(drop={"y"}), ["x"], [Reason.DROPPED_LABEL]),
        (FittingRules(accepted={"x"}), ["x"], [Reason.UNKNOWN_CLASS]),
        (FittingRules(accepted={"x", "z"}, rename={"y": "z"}), ["x", "z"], []),
        (FittingRules(accepted={"x"}, drop={"y"}), ["x"], [Reason.DROPPED_LABEL]),
        (FittingRules(rename={"y": "x", "x": "y"}), ["y", "x"], []),
    ],
    ids=["rename", "drop", "no class", "renamed to a class", "drop goes first", "exchange"],
)
def test_labels(rules: FittingRules, labels: list[str], reasons: list[Reason]) -> None:
    found, ledger = fitted(finding(1, 2, 9, 9), finding(20, 2, 29, 9, label="y"), rules=rules)
    assert [one.label for one in found] == labels
    assert [entry.reason for entry in ledger.box_entries] == reasons
    assert {label for label, _ in ledger.outcomes} == {"x", "y"}


def test_boxes_are_mapped_into_the_image() -> None:
    half = PixelMap(0.5, 0.25)
    found, _ = fitted(finding(10, 20, 30, 40), outlined(TRIANGLE), to_image=half)
    assert [corners(one) for one in found] == [(5, 5, 15, 10), (5, 2.5, 15, 10)]


def test_a_box_that_overflows_on_the_way_is_dropped() -> None:
    huge = PixelMap(1e300, 1e300)
    found, ledger = fitted(finding(1, 1, 1e300, 1e300), to_image=huge)
    assert not found
    assert ledger.dropped_by_reason() == {Reason.NOT_FINITE: 1}


@pytest.mark.parametrize("edge", Edge)
def test_what_is_said_of_a_huge_box_fits_into_a_line(edge: Edge) -> None:
    """A box of 1e308 px is finite, but its centre or percentage is none: no format can hold it."""
    found, ledger = fitted(finding(1, -1e308, 9, 60), rules=FittingRules(edge=edge))
    assert len(found) == (edge is Edge.CLIP)
    (entry,) = ledger.box_entries
    assert len(entry.detail) < 200


def test_an_outline_without_area_has_no_rectangle() -> None:
    line = outlined(((10.0, 10.0), (20.0, 20.0), (30.0, 30.0)))
    found, ledger = fitted(line, rules=FittingRules(geometry=Geometry.ROTATED))
    assert not found
    assert ledger.dropped_by_reason() == {Reason.ZERO_AREA: 1}


def test_fractions_have_no_tolerance_of_pixels() -> None:
    thin = finding(0.5, 0.5, 0.5 + 1e-4, 0.6)
    found, ledger = fitted(thin, finding(0.9, 0.9, 1.001, 1), size=NORMALISED)
    assert [corners(one)[2] for one in found] == [0.5 + 1e-4, 1]
    assert [entry.reason for entry in ledger.box_entries] == [Reason.BEYOND_EDGE]


@pytest.mark.parametrize(
    ("geometry", "given", "count"),
    [
        (Geometry.BOX, outlined(TRIANGLE), None),
        (Geometry.BOX, finding(1, 1, 9, 9), None),
        (Geometry.OUTLINE, outlined(TRIANGLE), 3),
        (Geometry.OUTLINE, finding(1, 1, 9, 9), None),
        (Geometry.ROTATED, outlined(TRIANGLE), 4),
        (Geometry.ROTATED, outlined(DIAMOND), 4),
        (Geometry.ROTATED, finding(1, 1, 9, 9), 4),
    ],
    ids=["box of outline", "box", "outline", "outline of box", "rotated triangle", "rotated",
         "rotated box"],
)  # fmt: skip
def test_what_is_kept_of_a_shape(geometry: Geometry, given: Finding, count: int | None) -> None:
    (found,), ledger = fitted(given, rules=FittingRules(geometry=geometry))
    assert (len(found.polygon) if found.polygon else None) == count
    assert found.box == given.box
    assert not ledger.box_entries


def area(points: tuple[Point, ...]) -> float:
    turns = zip(points, points[1:] + points[:1], strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in turns)) / 2


def test_a_rotated_box_is_the_smallest_rectangle() -> None:
    (found,), _ = fitted(outlined(DIAMOND), rules=FittingRules(geometry=Geometry.ROTATED))
    assert found.polygon is not None
    for one, other in zip(sorted(found.polygon), sorted(DIAMOND), strict=True):
        assert one == pytest.approx(other)
    assert area(found.polygon) == pytest.approx(200)  # the upright box has 400


def test_outlines_are_clipped_with_their_boxes() -> None:
    beyond = outlined(((80.0, 40.0), (120.0, 40.0), (80.0, 60.0)))
    (found,), ledger = fitted(beyond, rules=FittingRules(geometry=Geometry.OUTLINE))
    assert found.polygon is not None
    assert box_around(found.polygon) == found.box == Box(80, 40, 100, 60)
    assert [entry.reason for entry in ledger.box_entries] == [Reason.BEYOND_EDGE]


@pytest.mark.parametrize("geometry", [Geometry.ROTATED, Geometry.OUTLINE])
def test_shapes_beyond_the_edge_are_kept_on_request(geometry: Geometry) -> None:
    beyond = outlined(((80.0, 40.0), (120.0, 40.0), (120.0, 60.0), (80.0, 60.0)))
    rules = FittingRules(geometry=geometry, edge=Edge.KEEP)
    (found,), _ = fitted(beyond, rules=rules)
    assert found.polygon is not None
    assert box_around(found.polygon) == beyond.box


def test_outlines_tell_equal_boxes_apart() -> None:
    other = ((10.0, 10.0), (30.0, 10.0), (30.0, 40.0))
    rules = FittingRules(geometry=Geometry.OUTLINE)
    found, _ = fitted(outlined(TRIANGLE), outlined(other), outlined(TRIANGLE), rules=rules)
    assert [one.polygon for one in found] == [TRIANGLE, other]
    found, ledger = fitted(outlined(TRIANGLE), outlined(other))
    assert len(found) == 1
    assert ledger.totals()["merged"] == 1


coordinate = st.floats(-300, 300) | st.sampled_from([0.0, 80.0, 100.0, 1e12, -1e12])


@given(
    boxes=st.lists(st.tuples(*[coordinate] * 4), min_size=1, max_size=6),
    geometry=st.sampled_from(Geometry),
    edge=st.sampled_from([Edge.CLIP, Edge.ERROR]),
    turned=st.booleans(),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_what_is_kept_lies_inside_and_every_box_is_told_of(
    boxes: list[tuple[float, float, float, float]], geometry: Geometry, edge: Edge, turned: bool
) -> None:
    findings = []
    for number, (x1, y1, x2, y2) in enumerate(boxes):
        box = Box(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
        centre = ((box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2)
        points = (
            (box.x1, centre[1]),
            (centre[0], box.y1),
            (box.x2, centre[1]),
            (centre[0], box.y2),
        )
        findings.append(Finding("x", box, points if turned else None, index=str(number)))
    rules = FittingRules(geometry=geometry, edge=edge)
    found, ledger = fitted(*findings, rules=rules)
    assert ledger.totals()["written"] == len(found)
    for one in found:
        x1, y1, x2, y2 = corners(one)
        assert 0 <= x1 < x2 <= 100
        assert 0 <= y1 < y2 <= 80
        for x, y in one.polygon or ():
            assert math.isfinite(x)
            assert 0 <= x <= 100
            assert 0 <= y <= 80


def test_an_outline_beyond_all_numbers_is_no_outline() -> None:
    far = ((-1e308, 10.0), (1e308, -1e308), (20.0, 1e308))
    for geometry in (Geometry.OUTLINE, Geometry.ROTATED):
        found, ledger = fitted(outlined(far), rules=FittingRules(geometry=geometry))
        assert not found
        assert ledger.dropped_by_reason() == {Reason.NOT_FINITE: 1}


def test_a_rotated_rectangle_in_fractions_keeps_its_corners() -> None:
    """Its right angles are in the pixels of an image whose size nobody gave."""
    tilted = ((0.4, 0.1), (0.6, 0.5), (0.5, 0.7), (0.3, 0.3))
    rules = FittingRules(geometry=Geometry.ROTATED)
    (found,), _ = fitted(outlined(tilted), rules=rules, size=NORMALISED)
    assert found.polygon == tilted
    (found,), _ = fitted(finding(0.1, 0.2, 0.3, 0.4), rules=rules, size=NORMALISED)
    assert corners(found) == (0.1, 0.2, 0.3, 0.4)

import sys

from lucency.annotations.findings import Finding
from lucency.annotations.geometry import Box
from lucency.annotations.packing import NO_FINDINGS, packed

TRIANGLE = ((1.0, 2.0), (3.0, 2.0), (3.0, 5.5))
PLAIN = Finding("a", Box(0.1, 1 / 3, 7.7, 1e6), None, {"x": "y"}, "shapes[0]")
OUTLINED = Finding("b", Box(1, 2, 3, 5.5), TRIANGLE)


def test_findings_come_out_as_they_went_in() -> None:
    first, second = packed([PLAIN, OUTLINED])
    assert (first.label, first.box, first.polygon) == ("a", PLAIN.box, None)
    assert (second.label, second.box, second.polygon) == ("b", OUTLINED.box, TRIANGLE)
    assert (first.attributes, first.index) == ({}, "")


def test_they_may_be_gone_through_again_and_again() -> None:
    findings = packed([PLAIN, OUTLINED])
    assert len(findings) == 2
    assert list(findings) == list(findings)
    assert findings.labels == ("a", "b")


def test_boxes_alone_cost_no_outlines() -> None:
    assert packed([PLAIN, PLAIN]).polygons == ()
    assert packed([]) is NO_FINDINGS
    assert list(NO_FINDINGS) == []


def test_they_are_small() -> None:
    """100,000 boxes must fit into a few megabytes."""
    findings = packed([PLAIN] * 1_000)
    assert sys.getsizeof(findings.corners) + sys.getsizeof(findings.labels) < 1_000 * 48

import numpy as np
import pytest

from lucency.annotations.findings import Finding
from lucency.annotations.geometry import Box
from lucency.datasets.display import Displayed
from lucency.datasets.shown_findings import shown_findings

# The part from (20, 10) to (100, 60) of an image of 120 by 80 pixels, at twice the size.
DISPLAYED = Displayed(np.zeros((100, 160), np.uint8), (20, 10, 100, 60))


def seen(finding: Finding) -> tuple[tuple[Finding, ...], list[float]]:
    shown = shown_findings([finding], DISPLAYED, size_wh=(120, 80))
    return shown.findings, [cut.seen for cut in shown.cuts]


@pytest.mark.parametrize(
    ("box", "expected", "cuts"),
    [
        (Box(30, 20, 50, 40), Box(20, 20, 60, 60), []),
        (Box(20, 10, 100, 60), Box(0, 0, 160, 100), []),
        (Box(19.6, 20, 40, 40), Box(0, 20, 40, 60), []),
        (Box(10, 20, 50, 40), Box(0, 20, 60, 60), [0.75]),
        (Box(10, 20, 30, 40), Box(0, 20, 20, 60), [0.5]),
        (Box(9, 20, 30, 40), None, [0.4762]),
        (Box(0, 0, 15, 15), None, [0.0]),
        # What lies beyond the stored image was never to be seen.
        (Box(90, 20, 140, 40), None, [0.3333]),
    ],
    ids=["inside", "all-of-it", "rounding", "cut", "half", "less", "nothing", "beyond"],
)
def test_boxes(box: Box, expected: Box | None, cuts: list[float]) -> None:
    findings, found = seen(Finding("fracture", box))
    assert [finding.box for finding in findings] == ([] if expected is None else [expected])
    assert found == cuts


def test_an_outline_is_clipped() -> None:
    outline = ((10.0, 20.0), (60.0, 20.0), (60.0, 40.0), (35.0, 50.0), (10.0, 40.0))
    findings, cuts = seen(Finding("fracture", Box(10, 20, 60, 50), outline))
    assert cuts == [0.8]
    assert findings[0].box == Box(0, 20, 80, 80)
    assert findings[0].polygon is not None
    assert set(findings[0].polygon) >= {(80.0, 20.0), (80.0, 60.0), (30.0, 80.0), (0.0, 20.0)}


def test_a_rotated_box_keeps_four_corners() -> None:
    diamond = ((40.0, 20.0), (56.0, 36.0), (40.0, 52.0), (24.0, 36.0))
    whole, _ = seen(Finding("fracture", Box(24, 20, 56, 52), diamond))
    assert whole[0].polygon == ((40.0, 20.0), (72.0, 52.0), (40.0, 84.0), (8.0, 52.0))
    moved = tuple((x - 14, y) for x, y in diamond)
    cut, shares = seen(Finding("fracture", Box(10, 20, 42, 52), moved))
    assert shares == [0.6875]
    assert cut[0].polygon is not None and len(cut[0].polygon) == 4
    assert cut[0].box.x1 == 0.0


def test_nothing_gives_nothing() -> None:
    shown = shown_findings([], DISPLAYED, size_wh=(120, 80))
    assert (shown.findings, shown.cuts) == ((), ())

"""The findings of a stored image in the displayed one, and what a crop takes of them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lucency.annotations.findings import Finding
from lucency.annotations.geometry import Box, Point, box_around
from lucency.annotations.shapes import clipped_polygon, minimum_rectangle
from lucency.datasets.display import Displayed

# Of a finding that is still one, at least so much of its box is seen.
LEAST_SEEN = 0.5
# The part that is shown ends on whole pixels, and nobody marks more finely than this.
_ROUNDING_PX = 0.5


@dataclass(frozen=True)
class Cut:
    """A finding that a crop took from: the share of its box that is still seen, 0 to 1."""

    label: str
    box: Box
    seen: float

    @property
    def is_lost(self) -> bool:
        """Whether too little is seen to train on."""
        return self.seen < LEAST_SEEN


@dataclass(frozen=True)
class ShownFindings:
    """The findings in pixels of the displayed image, and those that the crop cut or lost."""

    findings: tuple[Finding, ...]
    cuts: tuple[Cut, ...]


def shown_findings(
    findings: Iterable[Finding], displayed: Displayed, *, size_wh: tuple[int, int]
) -> ShownFindings:
    """Map findings from the stored image of ``size_wh`` into the displayed one and clip them.

    A finding of whose box less than half is seen is left out, and told of.
    """
    shown, cuts = [], []
    for finding in findings:
        stored = finding.box.clipped(*size_wh)
        visible = _within(stored, displayed.shown)
        seen = visible.area / stored.area if stored.area else 0.0
        moved = max(abs(new - old) for new, old in zip(visible, stored, strict=True))
        if moved > _ROUNDING_PX or seen < LEAST_SEEN:
            cuts.append(Cut(finding.label, finding.box, round(seen, 4)))
        if seen >= LEAST_SEEN:
            shown.append(_mapped(finding, displayed))
    return ShownFindings(tuple(shown), tuple(cuts))


def _within(box: Box, part: tuple[int, int, int, int]) -> Box:
    x1, y1, x2, y2 = part
    inside = Box(box.x1 - x1, box.y1 - y1, box.x2 - x1, box.y2 - y1).clipped(x2 - x1, y2 - y1)
    return Box(inside.x1 + x1, inside.y1 + y1, inside.x2 + x1, inside.y2 + y1)


def _mapped(finding: Finding, displayed: Displayed) -> Finding:
    height, width = displayed.image.shape
    if finding.polygon:
        points = displayed.to_displayed(np.array(finding.polygon, dtype=np.float64))
        polygon = _clipped([(float(x), float(y)) for x, y in points], width, height)
        if len(polygon) >= 3:
            return Finding(finding.label, box_around(polygon), polygon, index=finding.index)
    corners = displayed.to_displayed(np.array(finding.box, dtype=np.float64))
    box = Box(*(float(value) for value in corners)).clipped(width, height)
    return Finding(finding.label, box, index=finding.index)


def _clipped(points: list[Point], width: int, height: int) -> tuple[Point, ...]:
    """The part inside the image; of a rectangle, again four corners."""
    kept = clipped_polygon(points, width, height)
    if len(points) != 4 or len(kept) <= 2 or tuple(points) == kept:
        return kept
    try:
        turned = minimum_rectangle(kept)
    except ValueError:  # no area is left
        return ()
    return tuple(
        (min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))) for x, y in turned
    )

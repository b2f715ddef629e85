"""Findings in little memory: a set's 100,000 boxes are kept until its class order is known."""

from array import array
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from sys import intern

from lucency.annotations.findings import Finding
from lucency.annotations.geometry import Box, Point


@dataclass(frozen=True, slots=True)
class PackedFindings:
    """The findings of one image in pixels of it.

    ``corners`` holds x1, y1, x2, y2 of one finding after the other; ``polygons`` one outline or
    None a finding, or nothing at all where no finding has one.
    """

    labels: tuple[str, ...]
    corners: "array[float]"
    polygons: tuple[tuple[Point, ...] | None, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Finding]:
        for number, label in enumerate(self.labels):
            box = Box(*self.corners[4 * number : 4 * number + 4])
            yield Finding(label, box, self.polygons[number] if self.polygons else None)


NO_FINDINGS = PackedFindings((), array("d"))


def packed(findings: Collection[Finding]) -> PackedFindings:
    """The findings without their attributes and positions in the source."""
    if not findings:
        return NO_FINDINGS
    corners = array("d")
    for finding in findings:
        corners.extend(finding.box)
    polygons = tuple([finding.polygon for finding in findings])
    # Every document gives its own copy of the same few names.
    labels = tuple([intern(finding.label) for finding in findings])
    return PackedFindings(labels, corners, polygons if any(polygons) else ())

"""Fitting the findings of an annotation to its image: map, rename, clip, merge."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from lucency.annotations.choices import Edge, Geometry
from lucency.annotations.findings import Finding, ImageAnnotation
from lucency.annotations.formats import NORMALISED
from lucency.annotations.geometry import Box, Point
from lucency.annotations.ledger import Ledger, Outcome, Reason
from lucency.annotations.shapes import clipped_polygon, corners, minimum_rectangle
from lucency.annotations.sizes import PixelMap

# Boxes reach beyond an edge, or are thin, by rounding alone up to this; nobody marks so finely.
ROUNDING_PX = 0.01
# Six digits are what most programs write of fractions.
_ROUNDING_FRACTION = 1e-6
# Farther out there is no image, and centres and percentages overflow.
_FARTHEST_PX = 1e9


@dataclass(frozen=True, slots=True)
class FittingRules:
    """Which labels to rename, to leave out and to accept (None: all), and which shapes to keep."""

    rename: Mapping[str, str] = field(default_factory=dict)
    drop: Collection[str] = ()
    accepted: Collection[str] | None = None
    geometry: Geometry = Geometry.BOX
    edge: Edge = Edge.CLIP

    @property
    def keeps_labels(self) -> bool:
        """Whether every label stays as it is."""
        return not self.rename and not self.drop and self.accepted is None


# The findings of an image by what makes two of them duplicates: label, corners, outline.
Fitted: TypeAlias = dict[tuple[object, ...], Finding]


def key_of(finding: Finding) -> tuple[object, ...]:
    """What makes two findings of an image duplicates."""
    return finding.label, finding.box, finding.polygon


def fit(
    annotation: ImageAnnotation,
    to_image: PixelMap | None,
    size_wh: tuple[int, int],
    rules: FittingRules,
    fitted: Fitted,
    ledger: Ledger,
) -> None:
    """Add the annotation's findings to ``fitted``, in pixels of an image of ``size_wh``.

    What is clipped, merged or dropped is told to the ledger.
    """
    width, height = size_wh
    plain = to_image is None and rules.keeps_labels and rules.geometry is Geometry.BOX
    smallest = _tolerance(size_wh)
    written: dict[str, int] = {}
    for finding in annotation.findings:
        box, label = finding.box, finding.label
        x1, y1, x2, y2 = box
        # Most boxes need nothing done, and a set has 100,000 of them.
        if (
            plain
            and finding.polygon is None
            and (x1 >= 0 and x1 + smallest < x2 <= width)
            and (y1 >= 0 and y1 + smallest < y2 <= height)
            and (key := (label, box, None)) not in fitted
        ):
            fitted[key] = finding
            written[label] = written.get(label, 0) + 1
            continue
        verdict = _fit_one(finding, to_image, size_wh, rules, fitted)
        if verdict is None:
            written[label] = written.get(label, 0) + 1
            continue
        outcome, reason, detail = verdict
        ledger.changed(
            annotation.source,
            outcome,
            image=annotation.image,
            index=finding.index,
            label=label,
            reason=reason,
            detail=detail,
        )
    if written:
        ledger.written(annotation.source, written)


_Verdict: TypeAlias = tuple[Outcome, Reason, str]


def _fit_one(
    finding: Finding,
    to_image: PixelMap | None,
    size_wh: tuple[int, int],
    rules: FittingRules,
    fitted: Fitted,
) -> _Verdict | None:
    """Add one finding to ``fitted`` and say what is to be told of it, or None if nothing is."""
    label = rules.rename.get(finding.label, finding.label)
    try:
        whole = to_image.box(finding.box) if to_image else finding.box
        points = _points(finding, to_image, rules.geometry)
    except (ValueError, OverflowError):
        detail = f"must be numbers within {_FARTHEST_PX:g} px"
        return Outcome.DROPPED, Reason.NOT_FINITE, detail
    inside = whole.clipped(*size_wh)
    refused = _refusal(finding.label, label, whole, inside, size_wh, rules)
    if refused:
        return refused
    box = whole if rules.edge is Edge.KEEP else inside
    polygon = points
    try:
        if points and rules.geometry is Geometry.ROTATED:
            if size_wh != NORMALISED:
                polygon = minimum_rectangle(points)
            elif len(points) != 4:  # right angles are in pixels
                detail = "its smallest rectangle depends on the size of the image, which is unknown"
                return Outcome.DROPPED, Reason.UNSUPPORTED_SHAPE, detail
    except ValueError:
        return (
            Outcome.DROPPED,
            Reason.ZERO_AREA,
            f"its outline must span an area: {_corners(whole)}",
        )
    if polygon and rules.edge is not Edge.KEEP:
        polygon = _clipped(polygon, size_wh, rules.geometry)
    result = Finding(label, box, polygon or None, finding.attributes, finding.index)
    key = key_of(result)
    if key in fitted:
        return Outcome.MERGED, Reason.DUPLICATE, f"equal to {fitted[key].index}"
    fitted[key] = result
    beyond = _beyond(whole, inside)
    if beyond <= _tolerance(size_wh) or rules.edge is Edge.KEEP:
        return None
    detail = f"reached {_number(beyond)} px beyond an edge: {_corners(whole)}"
    return Outcome.CLIPPED, Reason.BEYOND_EDGE, detail


def _points(
    finding: Finding, to_image: PixelMap | None, geometry: Geometry
) -> tuple[Point, ...] | None:
    """The outline to be kept, in pixels of the image."""
    if geometry is Geometry.BOX or (geometry is Geometry.OUTLINE and not finding.polygon):
        return None
    points = finding.polygon or corners(finding.box)
    if to_image:
        points = to_image.points(points)
    if not all(abs(value) <= _FARTHEST_PX for point in points for value in point):
        raise ValueError("points must be finite")
    return points


def _clipped(
    polygon: tuple[Point, ...], size_wh: tuple[int, int], geometry: Geometry
) -> tuple[Point, ...] | None:
    width, height = size_wh
    if all(0 <= x <= width and 0 <= y <= height for x, y in polygon):
        return polygon
    if geometry is Geometry.ROTATED:  # four corners it must keep
        return tuple((min(max(x, 0.0), width), min(max(y, 0.0), height)) for x, y in polygon)
    kept = clipped_polygon(polygon, width, height)
    return kept if len(kept) >= 3 else None


def _refusal(
    old: str,
    label: str,
    whole: Box,
    inside: Box,
    size_wh: tuple[int, int],
    rules: FittingRules,
) -> _Verdict | None:
    smallest = _tolerance(size_wh)
    if old in rules.drop:
        return Outcome.DROPPED, Reason.DROPPED_LABEL, "as asked for"
    if rules.accepted is not None and label not in rules.accepted:
        detail = f"{label} is not among the class names"
        return Outcome.DROPPED, Reason.UNKNOWN_CLASS, detail
    if min(whole.width, whole.height) <= smallest:
        return Outcome.DROPPED, Reason.ZERO_AREA, f"must span an area, got {_corners(whole)}"
    if rules.edge is Edge.KEEP:
        far = max(map(abs, (whole.x1, whole.y1, whole.x2, whole.y2))) > _FARTHEST_PX
        detail = f"must be within {_FARTHEST_PX:g} px, got {_corners(whole)}"
        return (Outcome.DROPPED, Reason.NOT_FINITE, detail) if far else None
    beyond = _beyond(whole, inside)
    place = f"{size_wh[0]} x {size_wh[1]}{' px' if size_wh != NORMALISED else ''}"
    if min(inside.width, inside.height) <= smallest:
        detail = f"must be inside {place}, got {_corners(whole)}"
        return Outcome.DROPPED, Reason.OUTSIDE_IMAGE, detail
    if rules.edge is Edge.ERROR and beyond > smallest:
        detail = f"must be inside {place}, reaches {_number(beyond)} beyond: {_corners(whole)}"
        return Outcome.DROPPED, Reason.BEYOND_EDGE, detail
    return None


def _tolerance(size_wh: tuple[int, int]) -> float:
    """`ROUNDING_PX`, or the like where coordinates are fractions."""
    return ROUNDING_PX if size_wh != NORMALISED else _ROUNDING_FRACTION


def _beyond(whole: Box, inside: Box) -> float:
    """How far a box reaches beyond an edge of its image, in pixels."""
    return max(
        inside.x1 - whole.x1, inside.y1 - whole.y1, whole.x2 - inside.x2, whole.y2 - inside.y2
    )


def _corners(box: Box) -> str:
    return f"[{', '.join(map(_number, (box.x1, box.y1, box.x2, box.y2)))}]"


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < _FARTHEST_PX else f"{value:g}"

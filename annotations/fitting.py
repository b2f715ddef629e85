"""Fitting the boxes of an annotation to its image: scale, rename, clip, merge."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from lucency.annotations.findings import Finding, ImageAnnotation
from lucency.annotations.formats import NORMALISED
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Outcome, Reason

# Boxes reach beyond an edge, or are thin, by rounding alone up to this; nobody marks so finely.
ROUNDING_PX = 0.01
# Annotation and image may differ in size if their aspect ratios agree this well.
ASPECT_TOLERANCE = 0.01
_DUPLICATE_DIGITS = 8


@dataclass(frozen=True, slots=True)
class LabelRules:
    """Which labels to rename, to leave out, and to accept (None: all)."""

    rename: Mapping[str, str] = field(default_factory=dict)
    drop: Collection[str] = ()
    accepted: Collection[str] | None = None


class SizeMismatchError(Exception):
    """Annotation and image are of different shapes: the boxes belong to another image."""


def scale_to(
    size_wh: tuple[int, int], annotation: ImageAnnotation, ledger: Ledger
) -> tuple[float, float] | None:
    """The factors from the annotation's pixels to those of an image of ``size_wh``.

    None where they are the same. Raises `SizeMismatchError` if the two differ in shape.
    """
    width, height = size_wh
    if annotation.size_wh in (None, size_wh):
        return None
    if annotation.size_wh == NORMALISED:
        return float(width), float(height)
    wide, high = annotation.size_wh or size_wh
    told = f"the annotation is for {wide} x {high} px, the image has {width} x {height} px"
    if abs((wide / high) / (width / height) - 1) > ASPECT_TOLERANCE:
        turned = (high, wide) == (width, height)
        raise SizeMismatchError(told + (": one of the two is turned" if turned else ""))
    ledger.note(annotation.source, image=str(annotation.image), reason=Reason.SCALED, detail=told)
    return width / wide, height / high


def fit(
    annotation: ImageAnnotation,
    scale: tuple[float, float] | None,
    size_wh: tuple[int, int],
    rules: LabelRules,
    findings: dict[tuple[object, ...], Finding],
    ledger: Ledger,
) -> None:
    """Scale, rename, clip and merge; what is left is added to ``findings``.

    Polygons are left behind, since the set to be written has boxes alone.
    """
    written: Counter[str] = Counter()
    for finding in annotation.findings:
        label = rules.rename.get(finding.label, finding.label)
        whole = finding.box.scaled(*scale) if scale else finding.box
        fitted = replace(finding, label=label, box=whole.clipped(*size_wh), polygon=None)
        key = _key(fitted, size_wh)
        verdict = _refusal(finding, fitted, whole, size_wh, rules)
        if verdict is None and key in findings:
            detail = f"equal to {findings[key].index}"
            verdict = Outcome.MERGED, Reason.DUPLICATE, detail
        if verdict is None:
            findings[key] = fitted
            verdict = _clipping(fitted.box, whole)
        if verdict is None:
            written[finding.label] += 1
            continue
        outcome, reason, detail = verdict
        ledger.changed(
            annotation.source,
            outcome,
            image=str(annotation.image),
            index=finding.index,
            label=finding.label,
            reason=reason,
            detail=detail,
        )
    for name, count in written.items():
        ledger.written(annotation.source, name, count)


_Verdict: TypeAlias = tuple[Outcome, Reason, str]


def _refusal(
    finding: Finding, fitted: Finding, whole: Box, size_wh: tuple[int, int], rules: LabelRules
) -> _Verdict | None:
    if finding.label in rules.drop:
        return Outcome.DROPPED, Reason.DROPPED_LABEL, "as asked for"
    if rules.accepted is not None and fitted.label not in rules.accepted:
        detail = f"{fitted.label} is not among the class names"
        return Outcome.DROPPED, Reason.UNKNOWN_CLASS, detail
    if min(whole.width, whole.height) < ROUNDING_PX:
        return Outcome.DROPPED, Reason.ZERO_AREA, f"must span an area, got {_corners(whole)}"
    if min(fitted.box.width, fitted.box.height) < ROUNDING_PX:
        detail = f"must be inside {size_wh[0]} x {size_wh[1]} px, got {_corners(whole)}"
        return Outcome.DROPPED, Reason.OUTSIDE_IMAGE, detail
    return None


def _clipping(box: Box, whole: Box) -> _Verdict | None:
    beyond = max(box.x1 - whole.x1, box.y1 - whole.y1, whole.x2 - box.x2, whole.y2 - box.y2)
    if beyond <= ROUNDING_PX:
        return None
    detail = f"reached {beyond:.2f} px beyond an edge: {_corners(whole)}"
    return Outcome.CLIPPED, Reason.BEYOND_EDGE, detail


def _key(finding: Finding, size_wh: tuple[int, int]) -> tuple[object, ...]:
    """Equal for findings whose lines in a label file would be equal."""
    box, (width, height) = finding.box, size_wh
    xs = (round(value / width, _DUPLICATE_DIGITS) for value in (box.x1, box.x2))
    ys = (round(value / height, _DUPLICATE_DIGITS) for value in (box.y1, box.y2))
    return (finding.label, *xs, *ys)


def _corners(box: Box) -> str:
    return f"[{box.x1:.2f}, {box.y1:.2f}, {box.x2:.2f}, {box.y2:.2f}]"

"""Agreement between readers: of boxes, and of whole images.

Boxes are matched one to one where they carry one label and overlap enough. The share of agreeing
boxes, 2 · matched / (boxes of one + boxes of the other), is the positive specific agreement, the
same number as F1 (Hripcsak and Rothschild, J Am Med Inform Assoc 12(3), 2005); kappa cannot be
had for boxes, since nobody can count the places where neither saw anything. For whole images it
can: J. Cohen, Educational and Psychological Measurement 20(1), 1960.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from lucency.annotations.findings import Finding, ImageAnnotation
from lucency.annotations.formats import NORMALISED
from lucency.annotations.geometry import Box
from lucency.annotations.matching import Matching, match
from lucency.configs.errors import AnnotationError

# An annotator's images by name; see `lucency.annotations.annotators`.
Marked = Mapping[str, ImageAnnotation]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well two readers agree on one label, or on all (``label`` empty).

    ``boxes`` are those of the first and of the second, ``matched`` how many of them are pairs,
    ``mean_iou`` the mean overlap of these. Of the images, ``both``, ``only_first``,
    ``only_second`` and ``neither`` count who marked something there.
    """

    label: str
    boxes: tuple[int, int]
    matched: int
    mean_iou: float | None
    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def f1(self) -> float | None:
        """The share of agreeing boxes; None where neither marked any."""
        total = sum(self.boxes)
        return 2 * self.matched / total if total else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa of the images; see `cohen_kappa`."""
        return cohen_kappa(self.both, self.only_first, self.only_second, self.neither)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One image that two readers do not see alike.

    ``only_first`` and ``only_second`` have no partner; ``relabelled`` are boxes of one place with
    two labels. ``one_sided`` is set where one reader marked something and the other nothing.
    """

    image: str
    only_first: tuple[Finding, ...]
    only_second: tuple[Finding, ...]
    relabelled: tuple[tuple[Finding, Finding], ...]
    one_sided: bool

    @property
    def count(self) -> int:
        """How many places are in dispute."""
        return len(self.only_first) + len(self.only_second) + len(self.relabelled)


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two readers compared over the images that both looked at; the worst images first."""

    first: str
    second: str
    images: int
    overall: Agreement
    by_label: tuple[Agreement, ...]
    disagreements: tuple[Disagreement, ...]


def compare(annotators: Mapping[str, Marked], *, iou: float) -> tuple[PairAgreement, ...]:
    """Compare every two annotators that have images in common.

    Raises
    ------
    AnnotationError
        One has looked at no image, no two have looked at the same, or one gives fractions of an
        image whose size the other does not tell.

    """
    for name, marked in annotators.items():
        if not marked:
            raise AnnotationError(
                f"{name}: no image in it was looked at, so nothing can be compared"
            )
    pairs = tuple(
        _pair(first, second, annotators, iou=iou)
        for first, second in combinations(annotators, 2)
        if annotators[first].keys() & annotators[second].keys()
    )
    if not pairs:
        examples = (next(iter(marked)) for marked in annotators.values())
        raise AnnotationError(
            f"{', '.join(annotators)}: no two have looked at one image; images are matched by "
            f"name without suffix, and theirs are such as {', '.join(examples)}"
        )
    return pairs


def cohen_kappa(both: int, only_first: int, only_second: int, neither: int) -> float | None:
    """Agreement beyond chance on a yes or no: 1 full, 0 chance; None where it is not defined.

    It is not where there are no cases, or both always gave the same one answer.
    """
    # (observed - by chance) / (1 - by chance), multiplied out so that it stays exact.
    agreeing = 2 * (both * neither - only_first * only_second)
    chance = (both + only_first) * (only_first + neither)
    chance += (both + only_second) * (only_second + neither)
    return agreeing / chance if chance else None


def _pair(
    first: str, second: str, annotators: Mapping[str, Marked], *, iou: float
) -> PairAgreement:
    names = sorted(annotators[first].keys() & annotators[second].keys())
    images = [(name, annotators[first][name], annotators[second][name]) for name in names]
    labels = sorted({f.label for _, a, b in images for f in (*a.findings, *b.findings)})
    matchings = [_matching(a, b, iou=iou) for _, a, b in images]
    disagreements = [
        told
        for (name, a, b), matching in zip(images, matchings, strict=True)
        if (told := _disagreement(name, a, b, matching)).count
    ]
    disagreements.sort(key=lambda told: (not told.one_sided, -told.count))  # ties by name
    return PairAgreement(
        first=first,
        second=second,
        images=len(names),
        overall=_agreement("", images, matchings),
        by_label=tuple(_agreement(label, images, matchings) for label in labels),
        disagreements=tuple(disagreements),
    )


def _agreement(
    label: str,
    images: Sequence[tuple[str, ImageAnnotation, ImageAnnotation]],
    matchings: Sequence[Matching],
) -> Agreement:
    boxes, marked = [0, 0], dict.fromkeys(_ANSWERS, 0)
    overlaps: list[float] = []
    for (_, first, second), matching in zip(images, matchings, strict=True):
        counts = [
            sum(not label or finding.label == label for finding in annotation.findings)
            for annotation in (first, second)
        ]
        boxes = [total + count for total, count in zip(boxes, counts, strict=True)]
        marked[counts[0] > 0, counts[1] > 0] += 1
        overlaps += [
            share
            for row, _, share in matching.same
            if not label or first.findings[row].label == label
        ]
    both, only_first, only_second, neither = (marked[pair] for pair in _ANSWERS)
    return Agreement(
        label=label,
        boxes=(boxes[0], boxes[1]),
        matched=len(overlaps),
        mean_iou=sum(overlaps) / len(overlaps) if overlaps else None,
        both=both,
        only_first=only_first,
        only_second=only_second,
        neither=neither,
    )


_ANSWERS = ((True, True), (True, False), (False, True), (False, False))


def _matching(first: ImageAnnotation, second: ImageAnnotation, *, iou: float) -> Matching:
    """Match the findings of one image, whatever the size that each annotation refers to."""
    if first.size_wh == second.size_wh:
        return match(first.findings, second.findings, iou=iou)
    if first.size_wh is None or second.size_wh is None:
        if NORMALISED in (first.size_wh, second.size_wh):
            raise AnnotationError(
                f"{first.image}: one annotation gives fractions of the image, the other pixels "
                "and no size; convert the second with `lucency convert` and --images"
            )
        return match(first.findings, second.findings, iou=iou)
    return match(_fractions(first), _fractions(second), iou=iou)


def _fractions(annotation: ImageAnnotation) -> list[Finding]:
    width, height = annotation.size_wh or NORMALISED
    return [
        Finding(finding.label, _scaled(finding.box, width, height))
        for finding in annotation.findings
    ]


def _scaled(box: Box, width: int, height: int) -> Box:
    return Box(box.x1 / width, box.y1 / height, box.x2 / width, box.y2 / height)


def _disagreement(
    name: str, first: ImageAnnotation, second: ImageAnnotation, matching: Matching
) -> Disagreement:
    return Disagreement(
        image=name,
        only_first=tuple(first.findings[row] for row in matching.only_first),
        only_second=tuple(second.findings[row] for row in matching.only_second),
        relabelled=tuple(
            (first.findings[row], second.findings[other]) for row, other, _ in matching.relabelled
        ),
        one_sided=bool(first.findings) != bool(second.findings),
    )

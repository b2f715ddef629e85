"""Where in its file a suspect box stands, and who drew it.

An assembled set keeps neither, to need little memory; so the annotations are read again, and
what is about the suspects' images alone is kept.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from lucency.annotations.checked_images import CheckedImage, stem_of
from lucency.annotations.findings import Finding, ImageAnnotation
from lucency.annotations.formats import Format
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger
from lucency.annotations.problems import Problem
from lucency.annotations.sources import Source

_Readers: TypeAlias = dict[str, Counter[str]]
# Boxes that two annotators may draw without a mistake of either; whether they have one label.
_OF_ONE_READER = {"near-duplicate": True, "two-labels": False}


@dataclass(frozen=True)
class SecondReading:
    """``readers``: boxes of each label by annotator, where they are named; and what was kept."""

    readers: _Readers = field(default_factory=lambda: defaultdict(Counter))
    _by_stem: defaultdict[str, list[ImageAnnotation]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def locate(
        self, problems: Iterable[Problem], images: Mapping[str, CheckedImage]
    ) -> Iterator[Problem]:
        """The problems with the positions of their boxes, or the boxes of their positions.

        Boxes in one place are no problem if two annotators drew them.
        """
        marks = _Marks(self._by_stem)
        for problem in problems:
            image = images.get(problem.image)
            if image is None or not (problem.box or problem.index):
                yield problem
            elif problem.box is None:
                yield replace(problem, box=marks.box_at(problem, image))
            else:
                source, index, reader = marks.place_of(problem.label, problem.box, image)
                if reader and marks.others_drew(problem, image, reader):
                    continue
                yield replace(problem, source=source or problem.source, index=index)


def read_again(source: Source, known: Format, suspects: Collection[str]) -> SecondReading:
    """Read the annotations once more, and keep those about the images named ``suspects``."""
    stems = {stem_of(name) for name in suspects}
    reading = SecondReading()
    for annotation in known.reader().read(source, Ledger()):
        if annotation.reader:
            for finding in annotation.findings:
                reading.readers[finding.label][annotation.reader] += 1
        if annotation.findings and stem_of(annotation.image) in stems:
            reading._by_stem[stem_of(annotation.image)].append(annotation)
    return reading


_Key: TypeAlias = tuple[str, float, float, float, float]


class _Marks:
    """The findings of each suspect image by their place in the image and in the source."""

    def __init__(self, by_stem: Mapping[str, list[ImageAnnotation]]) -> None:
        self._by_stem = by_stem
        self._places: dict[str, dict[_Key, list[tuple[ImageAnnotation, Finding]]]] = {}
        self._boxes: dict[tuple[str, str, str], tuple[ImageAnnotation, Finding]] = {}
        for annotations in by_stem.values():
            for annotation in annotations:
                for finding in annotation.findings:
                    key = annotation.source, stem_of(annotation.image), finding.index
                    self._boxes.setdefault(key, (annotation, finding))

    def box_at(self, problem: Problem, image: CheckedImage) -> Box | None:
        """The box at a problem's position, in pixels of the image, where it is known."""
        key = problem.source, _stem(image), problem.index
        found = self._boxes.get(key)
        if found is None:
            return None
        return _in_image(found[1].box, found[0], image)

    def place_of(self, label: str, box: Box, image: CheckedImage) -> tuple[str, str, str]:
        """Source, position and reader of a box of the image; empty where it is not found."""
        found = self._placed(image).get((label, box.x1, box.y1, box.x2, box.y2), [])
        for annotation, finding in found:
            if annotation.source == image.entry.source or len(found) == 1:
                return annotation.source, finding.index, annotation.reader
        return "", "", ""

    def others_drew(self, problem: Problem, image: CheckedImage, reader: str) -> bool:
        """Whether the box that a reader's is compared with was drawn by others alone."""
        box = problem.other
        if problem.rule not in _OF_ONE_READER or box is None:
            return False
        corners = box.x1, box.y1, box.x2, box.y2
        readers = {
            annotation.reader
            for key, found in self._placed(image).items()
            if key[1:] == corners and (key[0] == problem.label) is _OF_ONE_READER[problem.rule]
            for annotation, _ in found
        }
        return bool(readers) and reader not in readers

    def _placed(self, image: CheckedImage) -> dict[_Key, list[tuple[ImageAnnotation, Finding]]]:
        """The findings by label and corners, brought into the image as a conversion does it."""
        if image.name not in self._places:
            places: defaultdict[_Key, list[tuple[ImageAnnotation, Finding]]] = defaultdict(list)
            for annotation in self._by_stem.get(_stem(image), []):
                for finding in annotation.findings:
                    box = _in_image(finding.box, annotation, image)
                    if box is not None:
                        box = box.clipped(*image.entry.size_wh)
                        key = finding.label, box.x1, box.y1, box.x2, box.y2
                        places[key].append((annotation, finding))
            self._places[image.name] = dict(places)
        return self._places[image.name]


def _stem(image: CheckedImage) -> str:
    return stem_of(image.entry.name)


def _in_image(box: Box, annotation: ImageAnnotation, image: CheckedImage) -> Box | None:
    """The box in pixels of the image; None where numbers grow beyond all bounds."""
    size, given = image.entry.size_wh, annotation.size_wh
    if given is None or given == size:
        return box
    try:
        return box.scaled(size[0] / given[0], size[1] / given[1])
    except ValueError:
        return None

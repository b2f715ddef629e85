"""Checking a data set in any format: everything suspicious, and where it stands.

The rules are in `problems`; what finds them in `ledger_checks`, `box_checks`, `image_checks`,
`set_checks` and `yolo_checks`. Nothing is written.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lucency.annotations.assembly import AssembledImage, Progress
from lucency.annotations.box_checks import check_boxes
from lucency.annotations.census import Census, take_census
from lucency.annotations.checked_images import (
    CheckedImage,
    ImageNames,
    checked_images,
    printable,
)
from lucency.annotations.convert import ConversionResult, Options, gather
from lucency.annotations.findings import Status
from lucency.annotations.formats import Format
from lucency.annotations.geometry import Box
from lucency.annotations.image_checks import check_images
from lucency.annotations.ledger import Reason
from lucency.annotations.ledger_checks import check_ledger
from lucency.annotations.problems import RULES, Problem, Severity
from lucency.annotations.second_reading import read_again
from lucency.annotations.set_checks import check_classes, check_negatives, check_splits
from lucency.annotations.sources import Source
from lucency.annotations.yolo_checks import check_data_yaml, check_table
from lucency.configs.errors import AnnotationError


@dataclass(frozen=True)
class Checkup:
    """What was looked at and found: images, counts, and problems in the order of the rules.

    ``left_out`` counts images that are named, but cannot be part of a set; ``ignored`` what each
    rule found that was to be ignored.
    """

    source: str
    format: Format
    images: tuple[CheckedImage, ...]
    left_out: int
    census: Census
    problems: tuple[Problem, ...]
    ignored: Mapping[str, int]

    def by_rule(self) -> dict[str, list[Problem]]:
        """The problems of each rule that found some, errors first."""
        found: dict[str, list[Problem]] = {}
        for problem in self.problems:
            found.setdefault(problem.rule, []).append(problem)
        return found

    def count(self, severity: Severity) -> int:
        """How many problems are that bad."""
        return sum(problem.severity is severity for problem in self.problems)

    def to_json(self) -> dict[str, Any]:
        """Everything, ready for JSON, the same each time."""
        return {
            "source": self.source,
            "format": self.format.name,
            "left_out": self.left_out,
            **self.census.to_json(),
            "counts": {severity.value: self.count(severity) for severity in Severity},
            "rules": {
                rule: {"severity": RULES[rule].severity.value, "count": len(found)}
                for rule, found in self.by_rule().items()
            },
            "ignored": dict(self.ignored),
            "problems": [_as_dict(problem) for problem in self.problems],
        }


def check(
    source: Path,
    options: Options | None = None,
    *,
    ignore: Collection[str] = (),
    patient_of: Callable[[Path], str] | None = None,
    progress: Progress | None = None,
) -> Checkup:
    """Look for everything that is wrong or suspicious in annotations and their images.

    Rules in ``ignore`` find nothing. ``patient_of`` gives the patient of a DICOM file; it is
    asked only where a set has splits and names no patient.

    Raises
    ------
    AnnotationError
        The source is unreadable, or there are no images in it.
    ConfigError
        A folder is missing.

    """
    chosen = options or Options()
    result, missing = _gathered(source, chosen, progress)
    left_out = {(e.source, e.image) for e in result.ledger.image_entries if e.left_out and e.image}
    if not result.images and not result.ledger.image_entries and not result.ledger.box_entries:
        raise AnnotationError(f"{source}: there are no images in it")
    named = Source(source, chosen.classes, chosen.voc_origin)
    entries = _with_patients(result.images, patient_of)
    roots = [*([chosen.images] if chosen.images else []), named.root]
    images = checked_images(entries, roots)
    census = take_census(images, result.label_map)
    found = [*missing, *_problems(result, images, census, named)]
    located = list(_located(found, result, images, census, named))
    order = {rule: number for number, rule in enumerate(RULES)}
    told = [_printable(problem) for problem in located if problem.rule not in ignore]
    return Checkup(
        source=printable(str(source)),
        format=result.format,
        images=images,
        left_out=len(left_out),
        census=census,
        problems=tuple(sorted(told, key=lambda problem: order[problem.rule])),
        ignored=Counter(sorted(problem.rule for problem in located if problem.rule in ignore)),
    )


def _gathered(
    source: Path, options: Options, progress: Progress | None
) -> tuple[ConversionResult, list[Problem]]:
    """The set; without its images, if not one of them is there, and that as a problem."""
    result = gather(source, options, progress=progress)
    reasons = Counter(e.reason for e in result.ledger.image_entries if e.left_out)
    count = reasons[Reason.MISSING_IMAGE]
    if result.images or not count or options.labels_only:
        return result, []
    alone = gather(source, replace(options, labels_only=True), progress=progress)
    if not alone.images:
        return result, []
    text = (
        f"none of {count} images was found, so annotations alone were checked; "
        "name the folder of the images with --images"
    )
    return alone, [Problem("missing-image", text)]


def _problems(
    result: ConversionResult, images: tuple[CheckedImage, ...], census: Census, source: Source
) -> Iterator[Problem]:
    """All problems but those of annotators; boxes without their positions."""
    yolo = result.format.name == "yolo"
    yield from check_ledger(result.ledger, ImageNames(images))
    yield from check_boxes(images, census)
    yield from check_images(images, yolo=yolo)
    yield from check_splits(images, census)
    yield from check_negatives(census)
    if yolo:
        yield from check_data_yaml(source.path)
        yield from check_table(source.root, images)


def _located(
    found: list[Problem],
    result: ConversionResult,
    images: tuple[CheckedImage, ...],
    census: Census,
    source: Source,
) -> Iterator[Problem]:
    """The problems with all that a second reading adds, and those of classes."""
    by_name = {image.name: image for image in images}
    suspects = {
        by_name[p.image].entry.name for p in found if (p.box or p.index) and p.image in by_name
    }
    reading = read_again(source, result.format, suspects)
    yield from reading.locate(found, by_name)
    labels = {label for label, _ in result.ledger.outcomes if label} | set(result.label_map)
    yield from check_classes(labels, census, reading.readers)


def _with_patients(
    images: tuple[AssembledImage, ...], patient_of: Callable[[Path], str] | None
) -> tuple[AssembledImage, ...]:
    """Patients of DICOM files filled in, where a split could have torn one apart."""
    known = [entry for entry in images if entry.status is not Status.UNKNOWN]
    if patient_of is None or len({entry.split for entry in known}) < 2:
        return images
    return tuple(
        entry._replace(patient_id=patient_of(Path(entry.image.path)))
        if entry.image is not None
        and entry.image.header.kind == "dicom"
        and entry.image.data is None
        and not entry.patient_id
        else entry
        for entry in images
    )


def _printable(problem: Problem) -> Problem:
    return replace(
        problem,
        detail=printable(problem.detail),
        image=printable(problem.image),
        source=printable(problem.source),
        index=printable(problem.index),
        label=printable(problem.label),
    )


def _as_dict(problem: Problem) -> dict[str, Any]:
    values: dict[str, Any] = {
        "rule": problem.rule,
        "severity": problem.severity.value,
        "image": problem.image,
        "source": problem.source,
        "index": problem.index,
        "label": problem.label,
        "detail": problem.detail,
    }
    for name, box in (("box", problem.box), ("other", problem.other)):
        if box is not None:
            values[name] = _corners(box)
    return values


def _corners(box: Box) -> list[float]:
    return [round(value, 3) for value in (box.x1, box.y1, box.x2, box.y2)]

"""Detections as COCO results JSON, for pycocotools and all that reads what it reads.

Results (https://cocodataset.org/#format-results) hold numbers for images and classes. These are
those of a COCO annotation file that is named, else our own, and then a second file says what they
stand for.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lucency.annotations import documents
from lucency.annotations.coco_tables import CocoImage, category_names, images_by_id
from lucency.annotations.documents import listing, mapping
from lucency.annotations.sources import SourceFile
from lucency.api.prediction_names import ImageFile
from lucency.api.prediction_outcomes import Outcome, Write
from lucency.configs import atomic
from lucency.configs.errors import ConfigError
from lucency.evaluation.coco_results import result_entry, results_text

Id = Any  # what COCO files use: a number, or a text


@dataclass(frozen=True)
class CocoIds:
    """The ids of an annotation file: of the images by our names for them, of categories by label.

    ``absent`` are the images that the file does not have.
    """

    images: Mapping[str, tuple[Id, CocoImage]]
    categories: Mapping[str, Id]
    absent: tuple[str, ...]
    where: str


def read_coco_ids(
    path: Path, *, images: Sequence[ImageFile], class_names: Sequence[str]
) -> CocoIds:
    """Read the ids of a COCO annotation file; categories are matched by name.

    The file may name images from another folder than the one that is analysed, above it or below:
    the longest common end of the two paths decides.

    Raises
    ------
    AnnotationError
        The file cannot be read or is no COCO document.
    ConfigError
        None of its categories is one of ``class_names``, those of the detectors, it has none of
        the ``images``, or two of them fit one of its own.

    """
    document = mapping(documents.read_json(SourceFile(str(path), path.name)), where=str(path))
    listing(document.get("images"), where=f"{path}: images")
    known, _ = images_by_id(document, where=str(path))
    names = category_names(document, where=str(path))
    categories = {name: key for key, name in names.items() if name in class_names}
    if not categories:
        raise ConfigError(
            f"--coco-images {path}: its categories {sorted(set(names.values()))} are none of the "
            f"classes that the loaded detectors find, {list(class_names)}; rename them "
            "(`lucency convert --map`) or load another bundle"
        )
    found = _matched([image.name for image in images], known, where=str(path))
    absent = tuple(image.name for image in images if image.name not in found)
    return CocoIds(found, categories, absent, str(path))


def _matched(
    names: Sequence[str], known: Mapping[object, CocoImage], *, where: str
) -> Mapping[str, tuple[Id, CocoImage]]:
    """The image of the file that each of ours is."""
    by_name = {image.name: key for key, image in known.items()}
    by_last: dict[str, list[str]] = {}
    for name in by_name:
        by_last.setdefault(name.rpartition("/")[2], []).append(name)
    found: dict[str, tuple[Id, CocoImage]] = {}
    ours: dict[str, str] = {}
    for name in names:
        theirs = _same_end(name, by_name, by_last)
        if theirs is None:
            continue
        first = ours.setdefault(theirs, name)
        if first != name:
            raise ConfigError(
                f"--coco-images {where}: its image {theirs} fits both {first} and {name}; analyse "
                "the folder in which its file names begin"
            )
        found[name] = by_name[theirs], known[by_name[theirs]]
    if not found:
        raise ConfigError(
            f"--coco-images {where}: has none of the images; the first is called {names[0]} here, "
            f"and {next(iter(by_name), 'nothing')} there"
        )
    return found


def _same_end(
    name: str, by_name: Mapping[str, Id], by_last: Mapping[str, Sequence[str]]
) -> str | None:
    parts = name.split("/")
    for start in range(len(parts)):
        if "/".join(parts[start:]) in by_name:
            return "/".join(parts[start:])
    longer = [each for each in by_last.get(parts[-1], ()) if each.endswith(f"/{name}")]
    return longer[0] if len(longer) == 1 else None


@contextmanager
def coco_file(
    path: Path, *, class_names: Sequence[str], ids: CocoIds | None, notes: list[str]
) -> Iterator[Write]:
    """Write the detections of all files to ``path`` once the block ends without an error.

    Without ``ids`` images are numbered from 1 in their order, and classes from 1 in that of
    ``class_names``; `companion` says so. With them, images and classes that the annotation file
    does not have are left out, and ``notes`` tells of it.
    """
    results = _Results(class_names) if ids is None else _ResultsById(ids)
    yield results.add
    if isinstance(results, _Results):
        atomic.write_text(companion(path), results.tables())
    else:
        notes += results.notes()
    atomic.write_text(path, results_text(results.entries))


def companion(path: Path) -> Path:
    """Where the images and categories stand that the results of ``path`` refer to."""
    return path.with_name(f"{path.stem}-images{path.suffix}")


class _Results:
    """Results with numbers of our own."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self.entries: list[dict[str, Any]] = []
        self._images: list[dict[str, Any]] = []
        self._categories = {name: number for number, name in enumerate(class_names, start=1)}

    def add(self, outcome: Outcome) -> None:
        if outcome.report is None:
            return
        facts, number = outcome.report.image, len(self._images) + 1
        entry = {"id": number, "file_name": outcome.image.name}
        self._images.append(entry | {"width": facts.width, "height": facts.height})
        self.entries += _entries(outcome, number, self._categories)

    def tables(self) -> str:
        """A COCO document without ``annotations``, since nobody has said what the truth is.

        ``info`` is there for pycocotools, which copies it.
        """
        categories = [{"id": number, "name": name} for name, number in self._categories.items()]
        document = {"info": {}, "images": self._images, "categories": categories}
        return json.dumps(document, ensure_ascii=False) + "\n"


class _ResultsById:
    """Results with the ids of an annotation file."""

    def __init__(self, ids: CocoIds) -> None:
        self.entries: list[dict[str, Any]] = []
        self._ids = ids
        self._resized: list[str] = []
        self._unknown: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        name = outcome.image.name
        if outcome.report is None or name not in self._ids.images:
            return
        (image_id, known), facts = self._ids.images[name], outcome.report.image
        if known.size_wh not in (None, (facts.width, facts.height)):
            self._resized.append(name)
        labels = (box.label for box in outcome.report.findings)
        self._unknown.update(label for label in labels if label not in self._ids.categories)
        self.entries += _entries(outcome, image_id, self._ids.categories)

    def notes(self) -> Iterator[str]:
        """What is not in the file, or not as there, in sentences."""
        where, absent = self._ids.where, self._ids.absent
        if absent:
            yield (
                f"--coco leaves out {len(absent)} images that {where} does not have "
                f"({absent[0]} first)"
            )
        for label, times in self._unknown.items():
            yield f"--coco leaves out {times} boxes of '{label}', which is no category of {where}"
        if self._resized:
            yield (
                f"{len(self._resized)} images have another size than {where} says "
                f"({self._resized[0]} first); boxes are in pixels of the files"
            )


def _entries(
    outcome: Outcome, image_id: Id, categories: Mapping[str, Id]
) -> Iterator[dict[str, Any]]:
    if outcome.report is None:
        return
    for found in outcome.report.findings:
        if found.label in categories:
            box = found.box
            yield result_entry(
                (box.x1, box.y1, box.x2, box.y2),
                image_id=image_id,
                file_name=outcome.image.name,
                category_id=categories[found.label],
                score=found.score,
            )

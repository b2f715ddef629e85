"""labelme documents for a reader to correct: how they are written, and what a reader made of them.

labelme keeps keys that it does not know, in the document and in its shapes. So the document
carries under ``lucency`` what a model proposed, and each shape its score. The flag ``reviewed``
is a checkbox in labelme: a reader ticks it where an image is done, whether anything was changed
or not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lucency.annotations import documents
from lucency.annotations.documents import finite, listing, mapping, shown
from lucency.annotations.findings import Finding, ImageAnnotation
from lucency.annotations.formats import format_by_name
from lucency.annotations.geometry import Box
from lucency.annotations.labelme import REVIEWED
from lucency.annotations.ledger import Ledger
from lucency.annotations.matching import match
from lucency.annotations.sources import Source, SourceFile
from lucency.configs.errors import AnnotationError

OURS = "lucency"

_VERSION = "5.5.0"
_DIGITS = 2
# Boxes whose corners are this near are the same box: labelme keeps the numbers it read.
SAME_PX = 0.01


@dataclass(frozen=True, slots=True)
class Prelabel:
    """A box that a model proposes, in pixels of the image, with the score of its class.

    ``source`` is the model that found it, where several did; without it, that of the document.
    """

    label: str
    box: Box
    score: float
    source: str = ""


@dataclass(frozen=True, slots=True)
class Prelabels:
    """What a model proposes for one image.

    ``model`` names it and its weights. ``uncertainty``, 0 to 1, tells how much there is to learn
    from a reader's answer; ``best_score`` is that of the best box, proposed or not.
    """

    model: str
    boxes: tuple[Prelabel, ...]
    uncertainty: float = 0.0
    best_score: float = 0.0


@dataclass(frozen=True, slots=True)
class Review:
    """One document as it came back.

    ``file`` is the document, ``document`` its content and ``annotation`` what the labelme reader
    makes of it. ``proposed`` is what the model had marked, None where no model was asked.
    ``ticked`` is the reader's flag, None where the document has none.
    """

    file: SourceFile
    document: Mapping[str, Any]
    annotation: ImageAnnotation
    proposed: tuple[Finding, ...] | None
    ticked: bool | None
    model: str = ""

    @property
    def changed(self) -> bool:
        """Whether shapes were moved, relabelled, added or deleted since the document was made."""
        before, now = self.proposed or (), self.annotation.findings
        if not len(before) == len(now) == len(self.document["shapes"]):
            return True
        pairs = match(before, now, iou=0.5).same
        return len(pairs) < len(now) or not all(
            same_box(before[row].box, now[other].box) for row, other, _ in pairs
        )

    @property
    def done(self) -> bool:
        """Whether a reader has looked: ticked, changed, or a document that we did not make."""
        foreign = self.proposed is None and self.ticked is None
        return bool(self.ticked) or foreign or self.changed


def new_document(
    image: str, size_wh: tuple[int, int], prelabels: Prelabels | None = None
) -> dict[str, Any]:
    """The labelme document of an image that nobody has looked at yet."""
    boxes = prelabels.boxes if prelabels else ()
    document: dict[str, Any] = {
        "version": _VERSION,
        "flags": {REVIEWED: False},
        "shapes": [_shape(box, prelabels.model if prelabels else "") for box in boxes],
        "imagePath": image,
        "imageData": None,
        "imageHeight": size_wh[1],
        "imageWidth": size_wh[0],
    }
    if prelabels is not None:
        proposed = [
            {"label": box.label, "box": _corners(box.box), "score": _score(box)} for box in boxes
        ]
        document[OURS] = {"prelabelled_by": prelabels.model, "proposed": proposed}
    return document


def reviewed_document(review: Review, *, image: str, patient_id: str) -> dict[str, Any]:
    """The same document as an ordinary one: without what is ours, its image and patient named.

    The image itself, which labelme may embed, is left behind.
    """
    document = {key: value for key, value in review.document.items() if key != OURS}
    flags = document.get("flags") or {}
    document["flags"] = {name: flag for name, flag in flags.items() if name != REVIEWED}
    document |= {"imagePath": image, "imageData": None}
    if patient_id:
        document["patient_id"] = patient_id
    return document


def read_reviews(source: Source) -> tuple[list[Review], list[tuple[SourceFile, str]]]:
    """Read every labelme document of a folder, and say which could not be read, and why.

    Raises
    ------
    AnnotationError
        What stands under ``lucency`` in a document is not what was written there.

    """
    reviews: list[Review] = []
    unreadable: list[tuple[SourceFile, str]] = []
    reader = format_by_name("labelme").reader()
    for file in source.files(".json"):
        try:
            document = mapping(documents.read_json(file), where=file.name)
            # One document at a time, so that each annotation is known to be this file's.
            found = list(reader.read(Source(_path(source, file)), Ledger()))
        except AnnotationError as error:
            unreadable.append((file, str(error)))
            continue
        reviews += [_review(file, document, annotation) for annotation in found]
    return reviews, unreadable


def same_box(a: Box, b: Box) -> bool:
    """Whether two boxes are one, but for rounding."""
    pairs = ((a.x1, b.x1), (a.y1, b.y1), (a.x2, b.x2), (a.y2, b.y2))
    return all(abs(first - second) <= SAME_PX for first, second in pairs)


def _path(source: Source, file: SourceFile) -> Path:
    return source.root / file.name if source.path.is_dir() else source.path


def _review(file: SourceFile, document: Mapping[str, Any], annotation: ImageAnnotation) -> Review:
    ticked = (document.get("flags") or {}).get(REVIEWED)
    ours = document.get(OURS)
    if ours is None:
        return Review(file, document, annotation, None, ticked)
    where = f"{file.name}: {OURS}"
    values = mapping(ours, where=where)
    proposed = tuple(_proposed(values.get("proposed"), where=f"{where}.proposed"))
    model = documents.text(values.get("prelabelled_by")) or ""
    return Review(file, document, annotation, proposed, ticked, model)


def _proposed(value: object, *, where: str) -> Iterator[Finding]:
    for number, entry in enumerate(listing(value, where=where)):
        here = f"{where}[{number}]"
        item = mapping(entry, where=here)
        label, corners = documents.text(item.get("label")), item.get("box")
        numbers = [finite(corner) for corner in corners] if isinstance(corners, list) else []
        try:
            x1, y1, x2, y2 = (number for number in numbers if number is not None)
            yield Finding(label or "", Box(x1, y1, x2, y2), index=here)
        except ValueError:
            raise AnnotationError(
                f"{here}: must have a label and a box of four numbers, got {shown(entry)}"
            ) from None


def _shape(box: Prelabel, model: str) -> dict[str, Any]:
    x1, y1, x2, y2 = _corners(box.box)
    return {
        "label": box.label,
        "points": [[x1, y1], [x2, y2]],
        "group_id": None,
        "description": "",
        "shape_type": "rectangle",
        "flags": {},
        "mask": None,
        "score": _score(box),
        "source": box.source or model,
    }


def _corners(box: Box) -> Sequence[float]:
    return [round(value, _DIGITS) for value in (box.x1, box.y1, box.x2, box.y2)]


def _score(box: Prelabel) -> float:
    return round(box.score, 4)

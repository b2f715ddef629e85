"""Who marked what: the annotators of several folders or files, or the readers inside one.

Images go by their names without suffix, and without folders unless two images of an annotator
would then be one, since everybody keeps a set in a place of their own.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.formats import Format, format_by_name
from lucency.annotations.image_size import IMAGE_SUFFIXES
from lucency.annotations.ledger import Ledger
from lucency.annotations.prelabels import Review, read_reviews
from lucency.annotations.recognition import recognise
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError


@dataclass(frozen=True)
class Annotators:
    """Each annotator's images by name, only those that were looked at.

    ``unknown`` counts for each the images that were not, ``ledgers`` tell for each source what
    in it could not be read.
    """

    images: dict[str, dict[str, ImageAnnotation]]
    unknown: dict[str, int]
    ledgers: dict[str, Ledger]


def read_annotators(paths: Sequence[Path], *, from_format: str | None = None) -> Annotators:
    """Read one annotator from each path, or several where a source names its readers.

    Raises
    ------
    AnnotationError
        A source cannot be read, there are fewer than two annotators, or two annotations of one
        reader are about one image.

    """
    by_annotator: dict[str, list[ImageAnnotation]] = {}
    ledgers = {}
    for path, name in zip(paths, _names(paths), strict=True):
        ledgers[name] = Ledger()
        known = format_by_name(from_format) if from_format else recognise(Source(path))
        annotations = _read(Source(path), known, ledgers[name])
        readers = sorted({annotation.reader for annotation in annotations})
        for reader in readers or [""]:
            own = [annotation for annotation in annotations if annotation.reader == reader]
            by_annotator[_annotator(name, reader, readers, alone=len(paths) == 1)] = own
    if len(by_annotator) < 2:
        raise AnnotationError(
            f"{paths[0]}: has one annotator, and two are needed; "
            "name the folder or file of each, or one file that names its readers"
        )
    plain = not any(_ambiguous(own) for own in by_annotator.values())
    seen = {
        name: [annotation for annotation in own if annotation.status is not Status.UNKNOWN]
        for name, own in by_annotator.items()
    }
    return Annotators(
        images={name: _by_image(own, name=name, plain=plain) for name, own in seen.items()},
        unknown={name: len(own) - len(seen[name]) for name, own in by_annotator.items()},
        ledgers=ledgers,
    )


def _read(source: Source, known: Format, ledger: Ledger) -> list[ImageAnnotation]:
    annotations = list(known.reader().read(source, ledger))
    if known.name != "labelme":
        return annotations
    # What a model proposed and nobody looked at is no reader's opinion; but that a reader deleted
    # every box of it is one, ticked or not.
    reviews, _ = read_reviews(source)
    by_file = {review.file.name: review for review in reviews}
    return [_as_reviewed(a, by_file.get(a.source)) for a in annotations]


def _as_reviewed(annotation: ImageAnnotation, review: Review | None) -> ImageAnnotation:
    if review is None or review.ticked:
        return annotation
    if not review.done:
        return replace(annotation, findings=(), status=Status.UNKNOWN)
    emptied = not review.document["shapes"] and annotation.status is Status.UNKNOWN
    return replace(annotation, status=Status.NEGATIVE) if emptied else annotation


def _names(paths: Sequence[Path]) -> list[str]:
    """The last part of each path, or the whole where two are alike."""
    names = [path.stem if path.is_file() else path.resolve().name for path in paths]
    if len(set(names)) == len(names):
        return names
    whole = [str(path) for path in paths]
    if len(set(whole)) < len(whole):
        twice = next(name for name, count in Counter(whole).items() if count > 1)
        raise AnnotationError(f"{twice}: is named twice; name each annotator once")
    return whole


def _annotator(name: str, reader: str, readers: Sequence[str], *, alone: bool) -> str:
    if len(readers) < 2:
        return name
    return (reader or "(no reader)") if alone else f"{name}: {reader}"


def _ambiguous(annotations: Iterable[ImageAnnotation]) -> bool:
    counts = Counter(_without_suffix(annotation.image).name for annotation in annotations)
    return any(count > 1 for count in counts.values())


def _by_image(
    annotations: Iterable[ImageAnnotation], *, name: str, plain: bool
) -> dict[str, ImageAnnotation]:
    images: dict[str, ImageAnnotation] = {}
    for annotation in annotations:
        path = _without_suffix(annotation.image)
        key = path.name if plain else str(path)
        other = images.setdefault(key, annotation)
        if other is not annotation:
            raise AnnotationError(
                f"{name}: {other.source} and {annotation.source} are both about the image "
                f"'{annotation.image}'; an annotator has one annotation an image"
            )
    return images


def _without_suffix(image: str) -> PurePosixPath:
    # The last number of a DICOM UID is no suffix.
    path = PurePosixPath(image)
    return path.with_suffix("") if path.suffix.lower() in IMAGE_SUFFIXES else path

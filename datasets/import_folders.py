"""One's own images in a folder a class: ``DIR/<class>/…`` or ``DIR/<split>/<class>/…``."""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lucency.annotations import documents
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.ledger import Ledger
from lucency.configs.errors import AnnotationError
from lucency.datasets.public_sets import PublicSet
from lucency.datasets.set_files import column_name, folder_of, images_below

FOLDERS = PublicSet(
    name="folders",
    title="images in a folder a class",
    where="",
    licence="",
    citation="",
    contents="DIR/<class>/… or DIR/<split>/<class>/…, your own",
)

# Names of the class of two that says the other one is absent.
_ABSENT = re.compile(r"normal|negative|neg|healthy|0|(?:no|not|non|without)_.+")


def read(folder: Path, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images, the classes as image-level labels; nothing is known of boxes.

    Of two classes one of which says that the other is absent (``normal``, ``negative``,
    ``no_…``), the other is the one label; otherwise each class is a label. What lies deeper than
    a class's folder belongs to it.

    Raises
    ------
    AnnotationError
        There are not two folders with images at least, or two that stand for the same label.

    """
    images = images_below(folder)
    places = _places(images)
    classes = Counter(name for _, name in places if name)
    loose = next((image for image, (_, name) in zip(images, places, strict=True) if not name), "")
    if len(classes) < 2 or loose:
        found = f"{loose} outside of one" if loose else ", ".join(classes) or "no image"
        raise AnnotationError(
            f"{folder}: must have all its images in a folder a class, DIR/<class>/… or "
            f"DIR/<split>/<class>/…, and two classes at least; found {found}"
        )
    labels = _labels(folder, sorted(classes))
    for image, (split, name) in zip(images, places, strict=True):
        yield ImageAnnotation(
            image=image,
            source=folder_of(image),
            size_wh=None,
            findings=(),
            status=Status.UNKNOWN,
            labels=labels[name],
            extra={"official_split": split} if split else {},
        )


def _places(images: Sequence[str]) -> list[tuple[str, str]]:
    """Split and class of each image, either empty where its folders tell none.

    Folders that all images share, such as the one of a zip file, say nothing.
    """
    folders = [image.split("/")[:-1] for image in images]
    shared = _shared(folders)
    places = []
    for parts in folders:
        above, below = parts[:shared], parts[shared:]
        split = documents.split_named(below[:1])
        if split:
            below = below[1:]
        else:
            split = documents.split_named(above[-1:])
        places.append((split, below[0] if below else ""))
    return places


def _shared(folders: Sequence[Sequence[str]]) -> int:
    """How many folders, from the top, lead to all images."""
    levels = zip(*folders, strict=False)  # as deep as the image with the fewest folders
    return sum(1 for _ in itertools.takewhile(lambda level: len(set(level)) == 1, levels))


def _labels(folder: Path, classes: Sequence[str]) -> Mapping[str, Mapping[str, bool]]:
    """The image-level labels of the images of each class."""
    names = {name: column_name(name) for name in classes}
    if len(set(names.values())) < len(names):
        alike = ", ".join(name for name in classes if [*names.values()].count(names[name]) > 1)
        raise AnnotationError(f"{folder}: {alike}: stand for the same label; rename one of them")
    absent = [name for name in classes if _ABSENT.fullmatch(names[name])]
    if len(classes) == 2 and len(absent) == 1:
        present = next(name for name in classes if name not in absent)
        return {name: {names[present]: name == present} for name in classes}
    return {name: {names[other]: other == name for other in classes} for name in classes}

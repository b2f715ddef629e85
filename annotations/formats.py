"""The table of annotation formats. A further format is one module and one line here.

A format's module is loaded only when it is needed, and offers the functions of `Codec`.
"""

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from lucency.annotations.findings import ImageAnnotation, LabelMap
from lucency.annotations.ledger import Ledger
from lucency.configs.errors import AnnotationError

# The size of an image whose coordinates are fractions of its width and height.
NORMALISED = (1, 1)


class Codec(Protocol):
    """What the module of a format offers."""

    def detect(self, path: Path) -> bool:
        """Whether the file or folder looks like this format; never raises."""

    def class_names(self, path: Path) -> tuple[str, ...] | None:
        """The class names in the format's own order, or None if it has no order."""

    def read(
        self, path: Path, ledger: Ledger, *, classes: tuple[str, ...] | None = None
    ) -> Iterator[ImageAnnotation]:
        """Yield the images of a file or folder; boxes that are no findings go to the ledger."""

    def embedded_image(self, path: Path) -> bytes | None:
        """The image that an annotation file carries inside, or None."""

    def write(
        self, annotations: Iterable[ImageAnnotation], out: Path, *, label_map: LabelMap
    ) -> None:
        """Write annotations of images that lie elsewhere."""


@dataclass(frozen=True, slots=True)
class Format:
    """One annotation format.

    ``lists_images`` is set where the folder holds the images as well, so that an image without
    a label file belongs to the set; ``has_class_ids`` where files hold numbers for the classes.
    """

    name: str
    title: str
    module: str
    lists_images: bool = False
    has_class_ids: bool = False

    def codec(self) -> Codec:
        """The functions of this format."""
        return cast(Codec, importlib.import_module(self.module))


FORMATS = (
    Format("coco", "COCO JSON", "lucency.annotations.coco"),
    Format("labelme", "labelme JSON, versions 2 to 7", "lucency.annotations.labelme"),
    Format(
        "yolo",
        "YOLO text files",
        "lucency.annotations.yolo",
        lists_images=True,
        has_class_ids=True,
    ),
)


def format_by_name(name: str) -> Format:
    """Look a format up by name; raises `AnnotationError` if there is no such format."""
    for known in FORMATS:
        if known.name == name.lower():
            return known
    raise AnnotationError(f"{name}: no such format; there are {_names()}")


def detect_format(path: Path) -> Format:
    """Tell the format of a file or folder from its content.

    Raises
    ------
    AnnotationError
        There is no such path, or it looks like no format or like several.

    """
    if not path.exists():
        raise AnnotationError(f"{path}: no such file or folder")
    found = [known for known in FORMATS if known.codec().detect(path)]
    if not found:
        raise AnnotationError(
            f"{path}: looks like none of the formats {_names()}; name one with --from"
        )
    if len(found) > 1:
        names = " and ".join(known.name for known in found)
        raise AnnotationError(f"{path}: looks like {names}; say which with --from")
    return found[0]


def _names() -> str:
    return ", ".join(known.name for known in FORMATS)

"""The images that a check looks at, under short names that tell nothing of the machine."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lucency.annotations.assembly import AssembledImage
from lucency.annotations.image_size import IMAGE_SUFFIXES


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """An image of the set, and the name that problems call it by."""

    name: str
    entry: AssembledImage


def checked_images(
    images: Sequence[AssembledImage], roots: Iterable[Path]
) -> tuple[CheckedImage, ...]:
    """The images by their paths below the first of ``roots`` that holds them.

    A name that two images would share, and that of an image outside all roots, is the whole path.
    """
    starts = [f"{os.path.normpath(root)}/" for root in roots]
    paths = [os.path.normpath(entry.name) for entry in images]
    names = [_below(path, starts) for path in paths]
    counts = Counter(names)
    return tuple(
        CheckedImage(printable(name if counts[name] == 1 else path), entry)
        for name, path, entry in zip(names, paths, images, strict=True)
    )


class ImageNames:
    """Finds the image that an annotation's name for it stands for."""

    def __init__(self, images: Iterable[CheckedImage]) -> None:
        self._alike: defaultdict[str, list[CheckedImage]] = defaultdict(list)
        for image in images:
            last = image.entry.name.rpartition("/")[2]
            for key in {last, stem_of(last)}:
                self._alike[key].append(image)

    def find(self, name: str, *, source: str) -> CheckedImage | None:
        """The image that ``source`` calls ``name``; None if there is none, or it is not sure."""
        last = name.rpartition("/")[2]
        found = self._alike.get(last) or self._alike.get(stem_of(last)) or []
        if len(found) > 1:
            ending = f"/{name}"
            found = [i for i in found if f"/{i.entry.name}".endswith(ending)] or found
        if len(found) > 1:
            found = [i for i in found if i.entry.source == source]
        return found[0] if len(found) == 1 else None


def stem_of(name: str) -> str:
    """The file name in a path without the suffix of an image, which YOLO leaves out as well."""
    last = name.rpartition("/")[2]
    stem, suffix = os.path.splitext(last)  # noqa: PTH122 - a name, not a path
    return stem if suffix.lower() in IMAGE_SUFFIXES else last


def printable(text: str) -> str:
    """The text, with what a file name holds beyond Unicode written out, so that UTF-8 has it."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _below(path: str, starts: Iterable[str]) -> str:
    for start in starts:
        if path.startswith(start):
            return path.removeprefix(start)
    return path

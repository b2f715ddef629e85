"""Which images are to be analysed, and what each is called in all that is written of it."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path, PurePosixPath

from lucency.configs.errors import ImageError, ImageFault


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image file.

    ``path`` is as it was given. ``name`` is its path below the folder that was given, with forward
    slashes, or the name of a file that was given itself; no two are alike. ``stem`` is the name
    without its suffix, for the files that are made from it; no two are alike either, so a ``1.png``
    beside a ``1.jpg`` keeps its suffix.
    """

    path: Path
    name: str
    stem: str


def images_of(paths: Sequence[Path]) -> tuple[ImageFile, ...]:
    """The files, and in place of each folder the images in it and in its folders, by name.

    A file that is named twice is taken once. Where two would have one name, all are called by
    their path below the nearest folder that holds everything.

    Raises
    ------
    ImageError
        A folder holds no image.

    """
    found: dict[str, tuple[Path, str]] = {}
    for path in paths:
        for image, name in _images_in(path):
            place = os.path.abspath(image)  # noqa: PTH100 - links stay what they are
            found.setdefault(place, (image, name))
    names = [name for _, name in found.values()]
    if len(set(names)) < len(names):
        common = os.path.commonpath([os.path.dirname(place) for place in found])  # noqa: PTH120
        names = [os.path.relpath(place, common) for place in found]
    names = [_as_text(name) for name in names]
    stems = _stems(names)
    return tuple(
        ImageFile(path, name, stem)
        for (path, _), name, stem in zip(found.values(), names, stems, strict=True)
    )


def _images_in(path: Path) -> Iterator[tuple[Path, str]]:
    if not path.is_dir():
        yield path, path.name
        return
    from lucency.datasets.originals import list_files  # brings pydicom, which takes a while

    images, _ = list_files([path])
    if not images:
        raise ImageError(
            f"{path}: holds no PNG, JPEG, TIFF or DICOM image; name another folder or files",
            ImageFault.UNREADABLE,
        )
    for image in images:
        yield image, str(image.relative_to(path))


def _as_text(name: str) -> str:
    """A name that can be written: bytes that are no UTF-8 are spelt out."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return text if os.sep == "/" else text.replace(os.sep, "/")


def _stems(names: Sequence[str]) -> Iterator[str]:
    """A different stem for each name, whatever order they come in but for the oddest cases."""
    plain = [_without_suffix(name) for name in names]
    shared = {stem for stem, times in Counter(plain).items() if times > 1}
    taken: set[str] = set()
    for name, stem in zip(names, plain, strict=True):
        first = (name,) if stem in shared else (stem, name)
        candidates = chain(first, (f"{name}-{number}" for number in count(2)))
        chosen = next(each for each in candidates if each not in taken)
        taken.add(chosen)
        yield chosen


def _without_suffix(name: str) -> str:
    """DICOM files are often named by numbers with dots, the last of which is no suffix."""
    path = PurePosixPath(name)
    return name if path.suffix[1:].isdigit() else str(path.with_suffix(""))

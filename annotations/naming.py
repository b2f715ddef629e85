"""File names of a set's images: their own, unless two would collide."""

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from unicodedata import normalize

from lucency.annotations.assembly import AssembledImage
from lucency.annotations.image_size import IMAGE_SUFFIXES
from lucency.annotations.sources import writable

# Images of unknown status stand apart: Ultralytics takes an image without a label file in
# `images/train` for a negative.
UNKNOWN_FOLDER = "unknown"

_SUFFIX_OF_KIND = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif", "dicom": ".dcm"}
_KEPT_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm"})
_MOST_FOLDERS = 4
_LONGEST_STEM = 200  # bytes


def file_names(images: Sequence[AssembledImage]) -> list[str]:
    """File names whose stems differ over the whole set, so that no split can make two collide.

    They differ by more than capitals and the two forms of umlauts, which Windows or macOS take
    for one. Where stems are equal, the names of folders above are put in front, as many as are
    needed, then a number.
    """
    parts = [_stem_suffix(entry) for entry in images]
    keys = [_key(stem) for stem, _ in parts]
    counts = Counter(keys)
    if len(counts) == len(images):
        return [stem + suffix for stem, suffix in parts]
    taken = {key for key, count in counts.items() if count == 1}
    clashing: defaultdict[str, list[int]] = defaultdict(list)
    for number, key in enumerate(keys):
        if counts[key] > 1:
            clashing[key].append(number)
    for numbers in clashing.values():
        alike = [(images[number], parts[number][0]) for number in numbers]
        for number, unique in zip(numbers, _apart(alike), strict=True):
            parts[number] = _free(unique, taken), parts[number][1]
            taken.add(_key(parts[number][0]))
    return [stem + suffix for stem, suffix in parts]


def _apart(alike: Sequence[tuple[AssembledImage, str]]) -> list[str]:
    """Names of images of one stem, each with as many folders in front as tell it apart."""
    above = [(_folders(entry), stem) for entry, stem in alike]
    names = [_cut("_".join([*folders[-1:], stem])) for folders, stem in above]
    for depth in range(2, _MOST_FOLDERS + 1):
        counts = Counter(map(_key, names))
        deeper = [_cut("_".join([*folders[-depth:], stem])) for folders, stem in above]
        names = [
            longer if counts[_key(name)] > 1 else name
            for name, longer in zip(names, deeper, strict=True)
        ]
    return names


def _folders(entry: AssembledImage) -> list[str]:
    """The folders above an image, the same from wherever the conversion is run."""
    on_disk = entry.image is not None and entry.image.data is None
    path = _clean(os.path.abspath(entry.name) if on_disk else entry.name)  # noqa: PTH100
    return [part for part in path.split("/")[:-1] if part.strip(".")]


def _key(stem: str) -> str:
    """What is equal for stems that some file system takes for one."""
    return stem.lower() if stem.isascii() else normalize("NFC", stem.casefold())


def _stem_suffix(entry: AssembledImage) -> tuple[str, str]:
    """The name without suffix, and the suffix to give it."""
    name = _clean(entry.name.rpartition("/")[2])
    stem, dot, suffix = name.rpartition(".")
    stem, suffix = (stem, dot + suffix) if stem else (name, "")
    if entry.image is None:
        # Nothing but the annotation's word: ".." and the like must not become a file.
        suffix = suffix if suffix.lower() in _KEPT_SUFFIXES else ""
        stem = name.removesuffix(suffix).strip(". ") or "image"
        return _cut(stem), suffix or ".png"
    if suffix.lower() not in _KEPT_SUFFIXES:
        # Of a DICOM file named by its UID, the last number is no suffix.
        stem = stem if suffix.lower() in IMAGE_SUFFIXES else name
        suffix = _SUFFIX_OF_KIND[entry.image.header.kind]
    return stem, suffix


def _clean(name: str) -> str:
    """The name as a table and a file system can hold it."""
    return writable(name).replace("\0", "")


def _cut(stem: str) -> str:
    """What of a name fits into a file name, which file systems limit to 255 bytes."""
    if len(stem) < _LONGEST_STEM // 4:
        return stem
    return stem.encode()[:_LONGEST_STEM].decode(errors="ignore")


def _free(stem: str, taken: set[str]) -> str:
    number, found = 1, stem
    while _key(found) in taken:
        number += 1
        found = f"{stem}-{number}"
    return found

"""File names of a set's images: their own, unless two would collide."""

from collections import Counter
from collections.abc import Sequence

from lucency.annotations.assembly import AssembledImage
from lucency.annotations.image_size import IMAGE_SUFFIXES
from lucency.annotations.sources import writable

# Images of unknown status stand apart: Ultralytics takes an image without a label file in
# `images/train` for a negative.
UNKNOWN_FOLDER = "unknown"

_SUFFIX_OF_KIND = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif", "dicom": ".dcm"}
_KEPT_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm"})
_LONGEST_STEM = 200  # bytes


def file_names(images: Sequence[AssembledImage]) -> list[str]:
    """File names whose stems differ over the whole set, so that no split can make two collide.

    Where stems are equal, the names of the folders above are put in front, then a number.
    """
    parts = [_stem_suffix(entry) for entry in images]
    stems = Counter([stem for stem, _ in parts])
    if len(stems) == len(images):
        return [stem + suffix for stem, suffix in parts]
    taken = {stem for stem, count in stems.items() if count == 1}
    names = []
    for entry, (stem, suffix) in zip(images, parts, strict=True):
        if stems[stem] > 1:
            folder = _clean(entry.name.rpartition("/")[0].rpartition("/")[2])
            prefix = "" if folder in ("", ".", "..") else f"{folder}_"
            unique = _free(_cut(prefix + stem), taken)
            taken.add(unique)
            names.append(unique + suffix)
        else:
            names.append(stem + suffix)
    return names


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
    while found in taken:
        number += 1
        found = f"{stem}-{number}"
    return found

"""File names of a set's images: their own, unless two would collide."""

from collections import Counter, defaultdict
from collections.abc import Sequence

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

    Where stems are equal, the names of folders above are put in front, as many as are needed,
    then a number.
    """
    parts = [_stem_suffix(entry) for entry in images]
    stems = Counter([stem for stem, _ in parts])
    if len(stems) == len(images):
        return [stem + suffix for stem, suffix in parts]
    taken = {stem for stem, count in stems.items() if count == 1}
    clashing: defaultdict[str, list[int]] = defaultdict(list)
    for number, (stem, _) in enumerate(parts):
        if stems[stem] > 1:
            clashing[stem].append(number)
    for stem, numbers in clashing.items():
        for number, unique in zip(numbers, _apart([images[n] for n in numbers], stem), strict=True):
            parts[number] = _free(unique, taken), parts[number][1]
            taken.add(parts[number][0])
    return [stem + suffix for stem, suffix in parts]


def _apart(images: Sequence[AssembledImage], stem: str) -> list[str]:
    """Names of images of one stem, each with as many folders in front as tell it apart."""
    folders = [[part for part in _clean(e.name).split("/")[:-1] if part.strip(".")] for e in images]
    names = [_cut("_".join([*above[-1:], stem])) for above in folders]
    for depth in range(2, _MOST_FOLDERS + 1):
        counts = Counter(names)
        deeper = [_cut("_".join([*above[-depth:], stem])) for above in folders]
        names = [
            longer if counts[name] > 1 else name for name, longer in zip(names, deeper, strict=True)
        ]
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

"""Images that the tables of a public set list, and where they lie in the folder of a download.

Sets are handed out as several archives and copied with folders added or taken away, so tables and
images go by their names, wherever they lie.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from lucency.annotations.assembly import leave_out
from lucency.annotations.documents import shown
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.image_size import IMAGE_SUFFIXES
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import SourceFile
from lucency.configs.errors import AnnotationError
from lucency.datasets.public_sets import PublicSet
from lucency.datasets.set_files import (
    files_below,
    folder_of,
    last_part,
    not_the_set,
    once,
)

_TABLES = (".csv", ".txt", ".json", ".xml")
_AGE = re.compile(r"(\d+(?:\.\d*)?)([YMWD]?)", re.IGNORECASE)
_A_YEAR = {"": 1.0, "Y": 1.0, "M": 12.0, "W": 365.25 / 7, "D": 365.25}
_OLDEST = 120.0
_SEXES = {"m": "M", "male": "M", "f": "F", "female": "F"}


def image_stem(name: str) -> str:
    """The name of an image without folders and suffix, which a table may leave out.

    ``1.2.840.10008`` has none.
    """
    last = last_part(name)
    before, _, suffix = last.rpartition(".")
    return before if f".{suffix.lower()}" in IMAGE_SUFFIXES else last


class ListedImages:
    """The tables and images of a public set below the folder that it was unpacked into.

    ``named`` gives what tells an image from all others of the set, from its path on disk as well
    as from what a table calls it.

    Raises
    ------
    ConfigError
        There is no such folder.

    """

    def __init__(
        self,
        public_set: PublicSet,
        folder: Path,
        ledger: Ledger,
        *,
        named: Callable[[str], str] = image_stem,
    ) -> None:
        self._title = public_set.title
        self._folder = folder
        self._ledger = ledger
        self._named = named
        paths: list[str] = []
        self._tables: list[SourceFile] = []
        for file in files_below(folder, ""):  # once: of CheXpert's 250,000 folders it takes seconds
            suffix = f".{file.name.rpartition('.')[2].lower()}"
            if suffix in IMAGE_SUFFIXES:
                paths.append(file.name)
            elif suffix in _TABLES:
                self._tables.append(file)
        keys = [named(path) for path in paths]
        first = dict.fromkeys(once(paths, keys, ledger))
        self._images = {k: path for k, path in zip(keys, paths, strict=True) if path in first}

    def tables(self, pattern: str) -> list[SourceFile]:
        """The tables and documents whose names match, in any case, the least deep first."""
        wanted = pattern.lower()
        return [f for f in self._tables if fnmatchcase(last_part(f.name).lower(), wanted)]

    def table(self, *patterns: str) -> SourceFile | None:
        """The least deep table that matches the first of the patterns that any does.

        Raises
        ------
        AnnotationError
            Two of one pattern lie equally deep.

        """
        for pattern in patterns:
            found = self.tables(pattern)
            if len(found) > 1 and found[0].name.count("/") == found[1].name.count("/"):
                raise AnnotationError(
                    f"{self._folder}: has {found[0].name} and {found[1].name}, of which one must "
                    "hold: remove the other, or import the folder of one of them"
                )
            if found:
                return found[0]
        return None

    def needed_table(self, *patterns: str) -> SourceFile:
        """The same for a table without which the folder is not the set."""
        found = self.table(*patterns)
        if found is None:
            raise not_the_set(self._folder, self._title, f"a table {' or '.join(patterns)}")
        return found

    def placed(self, annotations: Iterable[ImageAnnotation]) -> Iterator[ImageAnnotation]:
        """The annotations with the paths of their images, then images that no annotation names.

        An image that is not there, since only a part of the set was downloaded, is left out with
        its boxes, and the ledger is told.
        """
        named: set[str] = set()
        missing: dict[str, str] = {}
        for annotation in annotations:
            key = self._named(annotation.image)
            path = self._images.get(key)
            named.add(key)
            if path is not None:
                yield replace(annotation, image=path)
                continue
            missing.setdefault(key, annotation.image)
            refusal = Reason.MISSING_IMAGE, "no image of this name is in the folder"
            leave_out([annotation], refusal, self._ledger)
        if missing:
            self._ledger.hints.append(
                f"{len(missing):,} of the {len(named):,} images that the set lists are not in the "
                f"folder, such as {next(iter(missing.values()))}"
            )
        for key, path in self._images.items():
            if key not in named:
                yield ImageAnnotation(path, folder_of(path), None, (), Status.UNKNOWN)


def sex(text: str) -> str:
    """``M`` or ``F``; empty for anything else, such as ``O`` or ``Unknown``."""
    return _SEXES.get(text.strip().lower(), "")


def age(text: str) -> str:
    """Years: ``058Y`` is 58, ``006M`` is 0.5; empty where none is given, or above 120.

    Raises
    ------
    ValueError
        It is no age.

    """
    if not text.strip():
        return ""
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"must have an age such as 58 or 058Y, got {shown(text)}")
    years = float(match[1]) / _A_YEAR[match[2].upper()]
    return f"{years:.4g}" if years <= _OLDEST else ""

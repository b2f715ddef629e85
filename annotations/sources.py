"""What a user names as the source of annotations: one document, or a folder of them."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeAlias

from lucency.annotations.documents import split_named
from lucency.annotations.findings import ImageAnnotation
from lucency.annotations.ledger import Ledger, Reason
from lucency.configs.errors import AnnotationError

# What a conversion says of itself stands in the folder it wrote, and is no annotation; nor are the
# copies that `lucency render` makes inside of a set.
LEDGER_JSON = "ledger.json"
LEDGER_START = '{\n "format": '
_SET_TABLE, _RENDERED = "dataset.csv", "display"


class SourceFile(NamedTuple):
    """One annotation file.

    ``path`` opens it; ``name`` is its path below the source's root with forward slashes, which
    the ledger and all messages use; ``split`` is what the folders' names say, or empty.
    """

    path: str
    name: str
    split: str = ""


@dataclass(frozen=True)
class Source:
    """A document or folder to be read, and what the user said about reading it.

    ``classes`` are class names by id, for formats that hold numbers; ``voc_origin`` is the
    coordinate, 0 or 1, of the first pixel in Pascal VOC documents. ``linked`` are the linked
    folders that were passed over so far.
    """

    path: Path
    classes: tuple[str, ...] | None = None
    voc_origin: int = 0
    linked: set[str] = field(default_factory=set, compare=False)

    @cached_property
    def root(self) -> Path:
        """The folder that source names are relative to."""
        return self.path if self.path.is_dir() else self.path.parent

    def files(self, *suffixes: str) -> Iterator[SourceFile]:
        """The document itself, or all files below the folder with these suffixes, sorted by name.

        Hidden files and folders, our own ``ledger.json`` and rendered copies are passed over, and
        linked folders are not entered.

        Raises
        ------
        AnnotationError
            A folder cannot be read, or folders are nested too deeply.

        """
        if not self.path.is_dir():
            yield SourceFile(str(self.path), self.path.name)
        else:
            try:
                yield from _walk(str(self.path), "", "", tuple(suffixes), self.linked)
            except OSError as error:
                raise AnnotationError(
                    f"{error.filename}: cannot be read: {error.strerror}"
                ) from None
            except RecursionError:
                raise AnnotationError(f"{self.path}: has folders nested too deeply") from None


ReadDocument: TypeAlias = Callable[[SourceFile, Ledger], Iterator[ImageAnnotation]]


def read_each(
    source: Source, ledger: Ledger, *suffixes: str, document: ReadDocument
) -> Iterator[ImageAnnotation]:
    """Yield the images of every document of ``source``.

    ``document`` raises `AnnotationError` before it has told the ledger or yielded anything.

    Raises
    ------
    AnnotationError
        The one document is unreadable; among several it is left out and told to the ledger.

    """
    for file in source.files(*suffixes):
        try:
            yield from document(file, ledger)
        except AnnotationError as error:
            if not source.path.is_dir():
                raise
            reason = Reason.UNREADABLE_ANNOTATION
            ledger.leave_out(file.name, image="", reason=reason, detail=str(error))


def writable(name: str) -> str:
    """A file's name as it can be written: what is no UTF-8 becomes a question mark."""
    return name if name.isascii() else name.encode("utf-8", "replace").decode("utf-8")


def passed_over(folder: str, file: str) -> bool:
    """Whether a file is hidden, or a ledger of ours, so that no annotation is in it."""
    return file.startswith(".") or (file == LEDGER_JSON and _is_ledger(f"{folder}/{file}"))


def _is_ledger(path: str) -> bool:
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - a path as text
            return stream.read(len(LEDGER_START)) == LEDGER_START.encode()
    except OSError:
        return False


def entered(folders: Iterable[str], files: Collection[str]) -> list[str]:
    """The folders among which annotations and images are looked for, sorted."""
    rendered = _RENDERED if _SET_TABLE in files else None
    return sorted(name for name in folders if not name.startswith(".") and name != rendered)


def _walk(
    folder: str, name: str, split: str, suffixes: tuple[str, ...], linked: set[str]
) -> Iterator[SourceFile]:
    folders, files = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            elif entry.is_symlink() and entry.is_dir():
                linked.add(name + writable(entry.name))
            else:
                files.append(entry.name)
    inner = dict.fromkeys(entered(folders, files))  # there may be 65,000 patients
    files = [f for f in files if f.lower().endswith(suffixes) and not passed_over(folder, f)]
    for last in sorted([*inner, *files]) if inner else sorted(files):
        if last in inner:
            below = split_named([last]) or split
            inside = f"{name}{writable(last)}/"
            yield from _walk(f"{folder}/{last}", inside, below, suffixes, linked)
        else:
            yield SourceFile(f"{folder}/{last}", name + writable(last), split)

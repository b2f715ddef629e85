"""Where the image of an annotation is: on disk, inside the annotation, or not looked for."""

import os
from pathlib import Path
from typing import NamedTuple, TypeAlias

from lucency.annotations.findings import ImageAnnotation
from lucency.annotations.formats import EmbeddedImages
from lucency.annotations.images import AmbiguousImageError, ImageFinder, MissingImageError
from lucency.annotations.ledger import Reason
from lucency.annotations.sources import writable
from lucency.configs.errors import AnnotationError

Refusal: TypeAlias = tuple[Reason, str]


class LeftOutError(Exception):
    """An image that cannot be part of the set; it ends in the ledger."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.refusal: Refusal = reason, detail


class Location(NamedTuple):
    """Where an image is.

    ``key`` is the same for all annotations of one image: its real path if it is ``on_disk``.
    ``name`` is its path, or its name in the annotation; ``data`` the image if it came out of one.
    """

    key: str
    name: str
    on_disk: bool = True
    data: bytes | None = None


class Locator:
    """Finds the images of annotations below ``root``; without ``finder`` none are looked for."""

    def __init__(
        self, root: Path, finder: ImageFinder | None, embedded: EmbeddedImages | None
    ) -> None:
        self._root = str(root)
        self._full_root = os.path.abspath(root)  # noqa: PTH100 - links stay what they are
        self._finder = finder
        self._embedded = embedded
        self._real_folders: dict[str, str] = {}
        self._places: dict[str, tuple[str, str]] = {}

    def locate(self, annotation: ImageAnnotation) -> Location:
        """The image of an annotation.

        Raises
        ------
        LeftOutError
            It is missing, ambiguous or unreadable; or its size would be needed and is not given.

        """
        if self._finder is None:
            if annotation.size_wh is None:
                detail = "its size is not given; convert without --labels-only, and with --images"
                raise LeftOutError(Reason.MISSING_IMAGE, detail)
            # Documents of two folders may each have an image 1.png, and these are not the same.
            name, folder = annotation.image, annotation.source.rpartition("/")[0]
            name = os.path.normpath(f"{folder}/{name}") if folder and name[:1] != "/" else name
            return Location(name, name, on_disk=False)
        source = f"{self._root}/{annotation.source}"
        folder = source.rpartition("/")[0]
        try:
            path = self._finder.find(annotation.image, beside=folder)
            if path == source:  # labelme 2 could name the annotation itself as its image
                raise MissingImageError("the annotation names itself as its image")
        except AmbiguousImageError as error:
            raise LeftOutError(Reason.AMBIGUOUS_IMAGE, str(error)) from None
        except MissingImageError as error:
            data = self._inside(source)
            if data is None:
                raise LeftOutError(Reason.MISSING_IMAGE, str(error)) from None
            return Location(os.path.realpath(source), annotation.image, data=data)
        return Location(self._real_path(path), path)

    def place_of(self, path: str) -> tuple[str, str]:
        """An image's folder below the root (or its folder's name), and its name with the folder.

        They are the same from wherever the conversion is run.
        """
        folder, _, name = path.rpartition("/")
        if folder not in self._places:
            full = os.path.abspath(folder)  # noqa: PTH100
            last = full.rpartition("/")[2]
            inside = os.path.commonpath([full, self._full_root]) == self._full_root
            below = os.path.relpath(full, self._full_root) if inside else last
            self._places[folder] = writable(below), writable(last)
        below, last = self._places[folder]
        return below, f"{last}/{writable(name)}"

    def _inside(self, source: str) -> bytes | None:
        try:
            return self._embedded.embedded_image(Path(source)) if self._embedded else None
        except AnnotationError as error:
            raise LeftOutError(Reason.UNREADABLE_IMAGE, str(error)) from None

    def _real_path(self, path: str) -> str:
        """The path without links; folders are remembered, since looking them up is slow."""
        if os.path.islink(path):  # noqa: PTH114 - thousands of them
            return os.path.realpath(path)
        folder, _, name = path.rpartition("/")
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(folder or "/")
        return f"{self._real_folders[folder]}/{name}"

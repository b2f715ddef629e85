"""Finding the image that an annotation names, and looking at it once: size, digest, wholeness."""

import hashlib
import io
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from lucency.annotations.image_size import IMAGE_SUFFIXES, ImageHeader, read_header
from lucency.configs.errors import ImageError


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image that was found and is complete; ``data`` is set if it came out of an annotation."""

    path: Path
    header: ImageHeader
    sha256: str
    data: bytes | None = None

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.header.width, self.header.height


class MissingImageError(ImageError):
    """No image of that name."""


class AmbiguousImageError(ImageError):
    """Several images of that name."""


def is_image(path: PurePath) -> bool:
    """Whether the name has the suffix of an image format that we read."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def list_images(folder: Path) -> list[Path]:
    """All images below ``folder`` by suffix, sorted; hidden files and folders are passed over."""
    return sorted(_walk(folder))


class ImageFinder:
    """Finds images by the names that annotations give them.

    In turn: the path from the annotation's folder; the path from each of ``roots``; then, root
    after root, the image whose path ends likewise, with ever fewer folders. A name without an
    image's suffix (YOLO gives none) matches any suffix.
    """

    def __init__(self, roots: Iterable[Path]) -> None:
        self._roots = tuple(roots)
        self._indices: dict[Path, dict[str, list[Path]]] = {}
        self._folders: dict[str, dict[str, list[str]]] = {}

    def find(self, image: PurePath, *, beside: Path) -> Path:
        """The path of ``image``, as named by an annotation file in the folder ``beside``.

        Raises
        ------
        MissingImageError
            There is none.
        AmbiguousImageError
            There are several, and nothing tells which is meant.

        """
        for folder in (beside, *self._roots):
            found = self._in_folder(folder / image)
            if found:
                return _only(found, image)
        folders = [part for part in image.parent.parts if part != ".."]
        for root in self._roots:
            candidates = self._index(root).get(image.name, [])
            for skipped in range(len(folders) + 1):
                ending = tuple(folders[skipped:])
                alike = [path for path in candidates if _ends_with(path.parent, ending)]
                if alike:
                    return _only(alike, image)
        where = " or ".join(str(root) for root in self._roots) or str(beside)
        raise MissingImageError(f"no such image in {where}")

    def _in_folder(self, path: Path) -> list[Path]:
        # os.path.isfile answers False for names too long or with a null byte; Path raises.
        if os.path.isfile(path):  # noqa: PTH113
            return [path]
        if is_image(path):
            return []
        folder, name = os.path.split(path)
        if folder not in self._folders:
            stems: dict[str, list[str]] = defaultdict(list)
            try:
                names = os.listdir(folder)  # noqa: PTH208 - ValueError for null bytes, too
            except (OSError, ValueError):
                names = []
            for entry in names:
                if is_image(PurePath(entry)):
                    stems[PurePath(entry).stem].append(entry)
            self._folders[folder] = stems
        return [Path(folder, entry) for entry in sorted(self._folders[folder].get(name, ()))]

    def _index(self, root: Path) -> dict[str, list[Path]]:
        """All images below ``root`` by name and by stem, each file once."""
        if root not in self._indices:
            index: dict[str, dict[str, Path]] = defaultdict(dict)
            for path in list_images(root):
                real = os.path.realpath(path)
                index[path.name].setdefault(real, path)
                index[path.stem].setdefault(real, path)
            self._indices[root] = {name: list(paths.values()) for name, paths in index.items()}
        return self._indices[root]


def look_at(path: Path) -> SourceImage:
    """Read header and digest of an image file.

    Raises
    ------
    ImageError
        The file is missing, of an unknown format, truncated or damaged.

    """
    try:
        with path.open("rb") as stream:
            header = read_header(stream)
            stream.seek(0)
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot be read: {getattr(error, 'strerror', error)}") from None
    return SourceImage(path, header, digest)


def look_at_bytes(data: bytes, path: Path) -> SourceImage:
    """The same for an image that came out of the annotation file ``path``."""
    header = read_header(io.BytesIO(data))
    return SourceImage(path, header, hashlib.sha256(data).hexdigest(), data)


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and is_image(PurePath(name)):
                yield Path(parent, name)


def _ends_with(folder: Path, ending: tuple[str, ...]) -> bool:
    return not ending or folder.parts[-len(ending) :] == ending


def _only(found: list[Path], image: PurePath) -> Path:
    if len(found) > 1:
        paths = " and ".join(str(path) for path in found[:2])
        raise AmbiguousImageError(f"{len(found)} images have this name, such as {paths}")
    return found[0]

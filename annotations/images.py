"""Finding the image that an annotation names, and looking at it once: size, digest, wholeness."""

import hashlib
import io
import os
import re
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from lucency.annotations.dicom_header import read_dicom_header
from lucency.annotations.image_size import IMAGE_SUFFIXES, ImageHeader, read_header
from lucency.annotations.sources import entered, writable
from lucency.configs.errors import ImageError

# Images are looked up by so many folders above them at once: in MURA, thousands share a name.
_INDEXED_FOLDERS = 2
_UID = re.compile(r"[0-9]+(?:\.[0-9]+){3,}")


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image that was found and is complete; ``data`` is set if it came out of an annotation."""

    path: str
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


def list_images(folder: Path) -> list[str]:
    """All images below ``folder`` by suffix, sorted, but no hidden ones and no rendered copies."""
    return sorted(_walk(str(folder)), key=lambda path: path.split("/"))


class ImageFinder:
    """Finds images by the names that annotations give them.

    In turn: the path from the annotation's folder; the path from each of ``roots``; then, root
    after root, the image whose path ends likewise, with ever fewer folders. A name without an
    image's suffix (YOLO gives none) matches any suffix, and one whose suffix is not there
    matches the same name with another (a DICOM file that was turned into a PNG), and an umlaut
    of two characters, as macOS writes them, one of one. A DICOM UID matches the file that holds it.
    """

    def __init__(self, roots: Iterable[Path]) -> None:
        self._roots = tuple(str(root) for root in roots)
        self._indices: dict[str, dict[str, list[str]]] = {}
        self._folders: dict[str, dict[str, list[str]]] = {}
        self._by_uid: dict[str, list[str]] | None = None

    def find(self, image: str, *, beside: str) -> str:
        """The path of ``image``, as named by an annotation file in the folder ``beside``.

        Raises
        ------
        MissingImageError
            There is none.
        AmbiguousImageError
            There are several, and nothing tells which is meant.

        """
        for folder in (beside, *self._roots):
            found = self._in_folder(os.path.join(folder, image))  # noqa: PTH118 - as above
            if found:
                return self._only(found)
        folder, _, name = _composed(image).rpartition("/")
        folders = [part for part in folder.split("/") if part not in ("", ".", "..")]
        stem, suffix = os.path.splitext(name)  # noqa: PTH122
        for wanted in [name, stem] if suffix.lower() in IMAGE_SUFFIXES else [name]:
            for root in self._roots:
                found = self._ending_with(root, folders, wanted)
                if found:
                    return self._only(found)
        if _UID.fullmatch(image):
            found = self._holding_uid(image)
            if found:
                return self._only(found)
        folders = [os.path.abspath(root) for root in self._roots or [beside]]  # noqa: PTH100
        names = dict.fromkeys(folder.rpartition("/")[2] for folder in folders)
        raise MissingImageError(f"no such image in {writable(' or '.join(names))}")

    def _only(self, found: list[str]) -> str:
        if len(found) > 1:
            paths = " and ".join(self._below_roots(path) for path in found[:2])
            raise AmbiguousImageError(f"{len(found)} images have this name, such as {paths}")
        return found[0]

    def _below_roots(self, path: str) -> str:
        inside = (path[len(root) + 1 :] for root in self._roots if path.startswith(f"{root}/"))
        return writable(next(inside, "/".join(path.split("/")[-2:])))

    def _in_folder(self, path: str) -> list[str]:
        # os.path.isfile answers False for names too long or with a null byte; Path raises.
        if os.path.isfile(path):  # noqa: PTH113
            return [path]
        if _has_image_suffix(path):
            return []
        folder, name = os.path.split(path)
        if folder not in self._folders:
            stems: dict[str, list[str]] = defaultdict(list)
            try:
                names = os.listdir(folder)  # noqa: PTH208 - ValueError for null bytes, too
            except (OSError, ValueError):
                names = []
            for entry in names:
                if _has_image_suffix(entry):
                    stems[os.path.splitext(entry)[0]].append(entry)  # noqa: PTH122
            self._folders[folder] = stems
        return [f"{folder}/{entry}" for entry in sorted(self._folders[folder].get(name, ()))]

    def _ending_with(self, root: str, folders: list[str], name: str) -> list[str]:
        """The images below ``root`` of that name, in as many of the folders as there are."""
        index = self._index(root)
        for skipped in range(len(folders) + 1):
            ending = folders[skipped:]
            alike = index.get("/".join([*ending[-_INDEXED_FOLDERS:], name]), [])
            if len(ending) > _INDEXED_FOLDERS:
                tail = "/".join(["", *ending, ""])
                above = {path: _composed(path).rpartition("/")[0] for path in alike}
                alike = [path for path in alike if f"{above[path]}/".endswith(tail)]
            if alike:
                return alike
        return []

    def _index(self, root: str) -> dict[str, list[str]]:
        """All images below ``root`` by name and by stem, alone and with folders, each file once."""
        if root not in self._indices:
            index: dict[str, dict[str, str]] = defaultdict(dict)
            for path in list_images(Path(root)):
                real = os.path.realpath(path)
                *folders, name = _composed(path).split("/")[-_INDEXED_FOLDERS - 1 :]
                for known in {name, os.path.splitext(name)[0]}:  # noqa: PTH122
                    for first in range(len(folders) + 1):
                        index["/".join([*folders[first:], known])].setdefault(real, path)
            self._indices[root] = {name: list(paths.values()) for name, paths in index.items()}
        return self._indices[root]

    def _holding_uid(self, uid: str) -> list[str]:
        """The DICOM files below the roots with this SOPInstanceUID."""
        if self._by_uid is None:
            holders: dict[str, dict[str, str]] = defaultdict(dict)
            for root in self._roots:
                for path in _all_files(root):
                    found = _sop_instance_uid(path)
                    if found:
                        holders[found].setdefault(os.path.realpath(path), path)
            self._by_uid = {key: sorted(paths.values()) for key, paths in holders.items()}
        return self._by_uid.get(uid, [])


def look_at(path: str) -> SourceImage:
    """Read header and digest of an image file.

    Raises
    ------
    ImageError
        The file is missing, of an unknown format, truncated or damaged.

    """
    try:
        if not os.path.isfile(path):  # noqa: PTH113 - a pipe would keep us waiting
            raise ImageError("is not a file")
        with open(path, "rb") as stream:  # noqa: PTH123 - thousands of them
            header = read_header(stream)
            stream.seek(0)
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot be read: {getattr(error, 'strerror', error)}") from None
    return SourceImage(path, header, digest)


def look_at_bytes(data: bytes, path: str) -> SourceImage:
    """The same for an image that came out of the annotation file ``path``."""
    header = read_header(io.BytesIO(data))
    return SourceImage(path, header, hashlib.sha256(data).hexdigest(), data)


def _composed(name: str) -> str:
    return name if name.isascii() else normalize("NFC", name)


def _has_image_suffix(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122


def _all_files(folder: str) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = entered(folders, files)
        yield from (f"{parent}/{name}" for name in files if not name.startswith("."))


def _walk(folder: str) -> Iterator[str]:
    return (path for path in _all_files(folder) if _has_image_suffix(path))


def _sop_instance_uid(path: str) -> str:
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            if stream.read(132)[128:] != b"DICM":
                return ""
            return read_dicom_header(stream).sop_instance_uid
    except (OSError, ValueError, ImageError, struct.error):
        return ""

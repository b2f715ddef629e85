"""Displayed images brought to the network's size, kept on disk, so that they are decoded once.

::

    SET/cache/<12 digits of the DisplaySpec's digest>-<side>/<2 digits>/<SHA-256>.npy

The name is the digest of the image file, so an entry never becomes outdated: another image, or
another `DisplaySpec`, has another name. An entry is an ordinary ``.npy`` of (side, side) uint8
with a checksum behind it, which NumPy passes over, and is mapped into memory when it is read. It
is written under a temporary name and renamed, without waiting for the disk: whatever a kill or a
power cut leaves behind fails the checksum, counts as not there, and is replaced.
"""

import hashlib
import io
import mmap
import os
import re
import tempfile
import warnings
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ImageError
from lucency.datasets.display import display
from lucency.datasets.model_input import square_image
from lucency.datasets.parallel import in_order
from lucency.datasets.radiographs import read_radiograph

CACHE = "cache"
# Raised when `square_image` gives other pixels, or entries are laid out otherwise.
_VERSION = 1
_CHECKSUM_BYTES = 4
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAMED = 3


class SquareCache:
    """The squares of one data set, for one `DisplaySpec` and one ``side`` in pixels.

    It lies below ``root``, the folder of the set. Threads and processes may read and write at
    once. Where nothing can be written, images are decoded each time, and one warning says so.
    """

    def __init__(self, root: Path, spec: DisplaySpec, *, side: int) -> None:
        self._spec = spec
        self._side = side
        digest = spec.digest()
        self._folder = root / CACHE / f"{digest[:12]}-{side}"
        self._key = f"{_VERSION} {digest} {side} "
        self._header = _npy_header(side)
        self._writable = True
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._give_up(error)

    def square(self, path: Path, sha256: str) -> NDArray[np.uint8]:
        """The image at ``path``, displayed and resized to (side, side); read-only.

        ``sha256`` is the digest that the set's table has for the file.

        Raises
        ------
        ImageError
            The image is not in the cache and cannot be read, or is not the one of that digest.

        """
        found = self._read(sha256)
        if found is not None:
            return found
        made = self._make(path, sha256)
        if self._writable:
            self._store(sha256, made)
        made.flags.writeable = False
        return made

    def fill(
        self,
        images: Sequence[tuple[Path, str]],
        *,
        workers: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Make the entries that are missing of ``images``, each a path and its SHA-256.

        ``workers`` are threads, one for each core by default; ``progress`` is told how many of
        how many images are done. Where nothing can be written, nothing is done.

        Raises
        ------
        ImageError
            Images cannot be read; all of them are counted.

        """
        problems: list[str] = []
        for done, problem in enumerate(in_order(self._problem, images, workers=workers), start=1):
            if not self._writable:
                return
            if problem:
                problems.append(problem)
            if progress is not None:
                progress(done, len(images))
        if problems:
            more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
            raise ImageError(
                f"{len(problems)} of {len(images)} images cannot be read: "
                f"{'; '.join(problems[:_NAMED])}{more}"
            )

    def _problem(self, image: tuple[Path, str]) -> str:
        try:
            if self._writable:
                self.square(*image)
        except ImageError as error:
            return str(error)
        return ""

    def _make(self, path: Path, sha256: str) -> NDArray[np.uint8]:
        radiograph = read_radiograph(path)
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != sha256:
            raise ImageError(
                f"{path}: is not the image of the table, whose SHA-256 is {sha256:.12}, this one's "
                f"{found:.12}; convert the set again, or name the set that this one was made from"
            )
        square = square_image(display(radiograph, self._spec).image, size=self._side)
        return np.ascontiguousarray(square)

    def _entry(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / f"{sha256}.npy"

    def _checksum(self, sha256: str, square: NDArray[np.uint8]) -> bytes:
        """Of the pixels and of what they are, so that a copy under another name is not taken."""
        start = zlib.crc32((self._key + sha256).encode())
        return zlib.crc32(square.data, start).to_bytes(_CHECKSUM_BYTES, "little")

    def _read(self, sha256: str) -> NDArray[np.uint8] | None:
        """The entry, mapped into memory; None where there is none or it is not whole."""
        if not _SHA256.fullmatch(sha256):
            return None
        try:
            descriptor = os.open(self._entry(sha256), os.O_RDONLY)
            try:
                mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
            finally:
                os.close(descriptor)
        except (OSError, ValueError):  # absent, or empty
            return None
        start = len(self._header)
        end = start + self._side**2
        if len(mapped) != end + _CHECKSUM_BYTES or mapped[:start] != self._header:
            return None
        square = np.frombuffer(mapped, np.uint8, self._side**2, start)
        if mapped[end:] != self._checksum(sha256, square):
            return None
        return square.reshape(self._side, self._side)

    def _store(self, sha256: str, square: NDArray[np.uint8]) -> None:
        entry = self._entry(sha256)
        checksum = self._checksum(sha256, square.reshape(-1))
        temporary: Path | None = None
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=entry.parent, prefix=".")
            temporary = Path(name)
            with os.fdopen(descriptor, "wb") as handle:
                handle.write(self._header + square.tobytes() + checksum)
            temporary.chmod(0o644)
            temporary.replace(entry)
        except OSError as error:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if self._writable:
            self._writable = False
            warnings.warn(
                f"{self._folder}: cannot be written ({error.strerror}); images that are not in "
                "it are decoded again in every epoch",
                stacklevel=3,
            )


def _npy_header(side: int) -> bytes:
    """What NumPy writes before the pixels of an array (side, side) of uint8."""
    stream = io.BytesIO()
    layout = {"descr": "|u1", "fortran_order": False, "shape": (side, side)}
    np.lib.format.write_array_header_1_0(stream, layout)
    return stream.getvalue()

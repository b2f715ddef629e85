"""Radiographs and their image-level labels as a PyTorch data set."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ImageError
from lucency.datasets.augment import AugmentSpec, augmentation
from lucency.datasets.display import display
from lucency.datasets.model_input import normalised, square_image
from lucency.datasets.radiographs import read_radiograph

# Squares are held in memory up to here (40,000 images at 224 px), else read again each epoch.
MEMORY_LIMIT_BYTES = 2 << 30
_THREADS = 4

# Gives one grey 8-bit image (h, w).
ImageReader = Callable[[], NDArray[np.uint8]]


class RadiographSet(torch.utils.data.Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Images with targets, as a classifier learns from them.

    ``readers`` give the images, each a `functools.partial` of `read_grey` or `read_displayed`.
    An item is ``(image (channels, size, size) float32, target (L,) float32)``; a target is 1, 0,
    or NaN where the label is not known. With ``augment`` every access gives a new variation,
    drawn from PyTorch's generator, so that one seed fixes both.

    Raises
    ------
    ImageError
        An image cannot be read.
    ValueError
        There are not as many readers as rows of targets.

    """

    def __init__(
        self,
        readers: Sequence[ImageReader],
        targets: NDArray[np.float32],
        *,
        size: int,
        channels: int,
        augment: AugmentSpec | None = None,
    ) -> None:
        if len(readers) != len(targets):
            raise ValueError(f"{len(readers)} images need as many targets, got {len(targets)}")
        self._readers = tuple(readers)
        self._targets = torch.from_numpy(np.ascontiguousarray(targets, dtype=np.float32))
        self._size = size
        self._channels = channels
        self._pipeline = augmentation(augment) if augment is not None else None
        self._squares: NDArray[np.uint8] | None = None
        if len(readers) * size * size <= MEMORY_LIMIT_BYTES:
            self._squares = self._read_all()

    def __len__(self) -> int:
        return len(self._readers)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        square = self._square(index) if self._squares is None else self._squares[index]
        if self._pipeline is not None:
            self._pipeline.set_random_seed(int(torch.randint(2**31 - 1, ())))
            square = self._pipeline(image=square)["image"]
        return torch.from_numpy(normalised(square, channels=self._channels)), self._targets[index]

    def _square(self, index: int) -> NDArray[np.uint8]:
        return square_image(self._readers[index](), size=self._size)

    def _read_all(self) -> NDArray[np.uint8]:
        squares = np.empty((len(self), self._size, self._size), dtype=np.uint8)
        with ThreadPoolExecutor(_THREADS) as pool:
            for index, square in enumerate(pool.map(self._square, range(len(self)))):
                squares[index] = square
        return squares


def read_grey(path: Path) -> NDArray[np.uint8]:
    """Read an image of a rendered set: 8-bit grey (h, w).

    Raises
    ------
    ImageError
        The file is missing or is not an image.

    """
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imread(str(path), flags) if path.is_file() else None
    if image is None:
        raise ImageError(f"{path}: cannot be read; render the set again")
    return np.asarray(image, dtype=np.uint8)


def read_displayed(path: Path, spec: DisplaySpec) -> NDArray[np.uint8]:
    """Read any radiograph and display it: 8-bit grey (h, w); raises `ImageError` if it cannot."""
    return display(read_radiograph(path), spec).image

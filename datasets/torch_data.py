"""Radiographs and their image-level labels as a PyTorch data set."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from lucency.annotations.records import Dataset
from lucency.configs.display import DisplaySpec
from lucency.datasets.augment import pipeline
from lucency.datasets.cache import SquareCache
from lucency.datasets.labelled import labelled_split
from lucency.datasets.model_input import normalised, square_image

_DISPLAY = DisplaySpec(method="percentile", longest_side=512)


class RadiographSet(torch.utils.data.Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The images of a split of which one of ``labels`` is known, as a network learns from them.

    An item is ``(image (channels, size, size) float32, target (L,) float32)``: the image displayed
    as ``display`` says, squeezed to a square, with mean 0 and deviation 1; the target 1, 0, or NaN
    where the label is not known. ``records`` and ``targets`` (N, L) are in the order of the items.

    ``augment`` is a list of transforms as in a recipe. With it every access gives a new
    variation, drawn from PyTorch's generator: the seed of that fixes the order and the
    variations, in worker processes too, as long as their number stays the same.

    Images are read through the set's cache (`lucency.datasets.cache`); without a call of
    `prepare` the first epoch fills it.

    Raises
    ------
    DatasetError
        A label is no column of the table, or the split has no image with a known label.
    ConfigError
        A transform of ``augment`` is unknown, wrong or refused.
    ImageError
        An image cannot be read (when it is accessed).

    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        split: str,
        labels: Sequence[str],
        size: int = 224,
        channels: int = 3,
        display: DisplaySpec = _DISPLAY,
        augment: Sequence[Mapping[str, Mapping[str, Any]]] = (),
    ) -> None:
        found = labelled_split(dataset, split=split, labels=labels, both_values=False)
        self.records = found.records
        self.targets = found.targets
        self._images = [(dataset.image_path(r), r.sha256) for r in found.records]
        self._cache = SquareCache(dataset.root, display, side=size)
        self._size = size
        self._channels = channels
        self._pipeline = pipeline(augment) if augment else None

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        square = self._cache.square(*self._images[index])
        if self._pipeline is not None:
            self._pipeline.set_random_seed(int(torch.randint(2**31 - 1, ())))
            # What is mapped from the disk cannot be written to.
            varied = self._pipeline(image=square.copy())["image"]
            square = square_image(varied, size=self._size)
        image = torch.from_numpy(normalised(square, channels=self._channels))
        return image, torch.from_numpy(self.targets[index].copy())

    def prepare(
        self, *, workers: int | None = None, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Decode what is not in the cache yet, in threads, so that no epoch has to.

        ``progress`` is told how many of how many images are done.

        Raises
        ------
        ImageError
            Images cannot be read; all of them are counted.

        """
        self._cache.fill(self._images, workers=workers, progress=progress)

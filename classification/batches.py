"""The images of a split in batches for PyTorch."""

from collections.abc import Callable

import torch
from torch import Tensor

from lucency.annotations.records import Dataset
from lucency.classification.recipe import ClassificationConfig
from lucency.datasets.labelled import LabelledSplit
from lucency.datasets.sampling import balanced_weights, column_values
from lucency.datasets.torch_data import RadiographSet

Batches = torch.utils.data.DataLoader[tuple[Tensor, Tensor]]
Progress = Callable[[int, int], None]


def split_batches(
    dataset: Dataset,
    split: LabelledSplit,
    config: ClassificationConfig,
    *,
    progress: Progress | None = None,
) -> Batches:
    """The images of ``split`` in its order, without augmentation.

    What is not in the set's cache yet is decoded first; ``progress`` is told of it.

    Raises
    ------
    ImageError
        Images cannot be read; all of them are counted.

    """
    images = _radiographs(dataset, split, config, augmented=False, progress=progress)
    return torch.utils.data.DataLoader(images, config.batch, num_workers=config.workers)


def training_batches(
    dataset: Dataset,
    split: LabelledSplit,
    config: ClassificationConfig,
    *,
    progress: Progress | None = None,
) -> Batches:
    """The images of ``split`` drawn at random and augmented, as many an epoch as there are.

    What is not in the set's cache yet is decoded first; ``progress`` is told of it.

    Raises
    ------
    ImageError
        Images cannot be read; all of them are counted.
    DatasetError
        The set has no column ``config.balance_by``.

    """
    images = _radiographs(dataset, split, config, augmented=True, progress=progress)
    count = len(split)
    sampler: torch.utils.data.Sampler[int] = torch.utils.data.RandomSampler(images)
    if config.sampler == "weighted":
        groups: tuple[str, ...] = ()
        if config.balance_by:
            groups = column_values(dataset, split.records, column=config.balance_by)
        weights = balanced_weights(split.targets, groups=groups).tolist()
        sampler = torch.utils.data.WeightedRandomSampler(weights, count)
    # BatchNorm cannot learn from a last batch of one; what is left over is drawn another time.
    return torch.utils.data.DataLoader(
        images,
        min(config.batch, count),
        sampler=sampler,
        num_workers=config.workers,
        drop_last=True,
    )


def _radiographs(
    dataset: Dataset,
    split: LabelledSplit,
    config: ClassificationConfig,
    *,
    augmented: bool,
    progress: Progress | None,
) -> RadiographSet:
    images = RadiographSet(
        dataset,
        split=split.name,
        labels=split.labels,
        size=config.input_size,
        channels=config.channels,
        display=config.display,
        augment=config.augment if augmented else (),
    )
    images.prepare(progress=progress)
    return images

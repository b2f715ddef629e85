"""The images of a split in batches for PyTorch."""

from collections.abc import Callable

import torch
from torch import Tensor

from lucency.annotations.records import Dataset
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.several_gpus import Processes, SharedDraw
from lucency.configs.errors import ConfigError
from lucency.datasets.labelled import LabelledSplit
from lucency.datasets.sampling import balanced_weights, column_values
from lucency.datasets.torch_data import RadiographSet

Batches = torch.utils.data.DataLoader[tuple[Tensor, Tensor]]
Progress = Callable[[int, int], None]
# Batch normalisation needs more than one image.
LEAST_SHARE = 2


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
    processes: Processes | None = None,
    progress: Progress | None = None,
) -> Batches:
    """The images of ``split`` drawn at random and augmented, as many an epoch as there are.

    What is not in the set's cache yet is decoded first; ``progress`` is told of it. Of several
    ``processes`` each gets its share of every batch.

    Raises
    ------
    ImageError
        Images cannot be read; all of them are counted.
    DatasetError
        The set has no column ``config.balance_by``.
    ConfigError
        A batch cannot be shared among the processes.

    """
    images = _radiographs(dataset, split, config, augmented=True, progress=progress)
    count = len(split)
    weights = None
    if config.sampler == "weighted":
        groups: tuple[str, ...] = ()
        if config.balance_by:
            groups = column_values(dataset, split.records, column=config.balance_by)
        balanced = balanced_weights(split.targets, groups=groups, exclusive=config.exclusive)
        weights = torch.from_numpy(balanced)
    batch = min(config.batch, count)
    sampler: torch.utils.data.Sampler[int]
    if processes is not None and processes.count > 1:
        batch = _share(batch, config, processes)
        sampler = SharedDraw(weights, images=count, batch=batch, processes=processes)
    elif weights is not None:
        sampler = torch.utils.data.WeightedRandomSampler(weights.tolist(), count)
    else:
        sampler = torch.utils.data.RandomSampler(images)
    # BatchNorm cannot learn from a last batch of one; what is left over is drawn another time.
    return torch.utils.data.DataLoader(
        images, batch, sampler=sampler, num_workers=config.workers, drop_last=True
    )


def set_epoch(batches: Batches, seed: int) -> None:
    """Fix what several processes draw next; one process draws by PyTorch's own generator."""
    if isinstance(batches.sampler, SharedDraw):
        batches.sampler.set_epoch(seed)


def _share(batch: int, config: ClassificationConfig, processes: Processes) -> int:
    """How many images of a batch each process learns from."""
    if config.batch % processes.count or batch // processes.count < LEAST_SHARE:
        raise ConfigError(
            f"batch: {config.batch} must give each of {processes.count} processes the same number "
            f"of images, at least {LEAST_SHARE}"
        )
    return batch // processes.count


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

"""The images of a split, rendered and brought into batches for PyTorch."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lucency.annotations.findings import Status
from lucency.annotations.records import Dataset
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.targets import LabelledSplit
from lucency.datasets.render import render as render_set
from lucency.datasets.torch_data import ImageReader, RadiographSet, read_displayed, read_grey

Batches = torch.utils.data.DataLoader[tuple[Tensor, Tensor]]


def render(
    dataset: Dataset,
    config: ClassificationConfig,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Render the set as the recipe says; reuses what an earlier run rendered."""
    return render_set(dataset, config.display, progress=progress)


def split_batches(
    dataset: Dataset,
    split: LabelledSplit,
    config: ClassificationConfig,
    *,
    rendered: Dataset | None = None,
) -> Batches:
    """The images of ``split`` in its order, without augmentation."""
    images = _radiographs(dataset, split, config, rendered=rendered, training=False)
    return torch.utils.data.DataLoader(images, config.batch, num_workers=config.workers)


def training_batches(
    dataset: Dataset,
    split: LabelledSplit,
    config: ClassificationConfig,
    *,
    rendered: Dataset | None = None,
) -> Batches:
    """The images of ``split`` drawn at random and augmented, as many an epoch as there are."""
    images = _radiographs(dataset, split, config, rendered=rendered, training=True)
    count = len(split)
    sampler: torch.utils.data.Sampler[int] = torch.utils.data.RandomSampler(images)
    if config.sampler == "weighted":
        weights = balanced_weights(split.targets).tolist()
        sampler = torch.utils.data.WeightedRandomSampler(weights, count)
    # BatchNorm cannot learn from a last batch of one; what is left over is drawn another time.
    return torch.utils.data.DataLoader(
        images,
        min(config.batch, count),
        sampler=sampler,
        num_workers=config.workers,
        drop_last=True,
    )


def balanced_weights(targets: NDArray[np.float32]) -> NDArray[np.float64]:
    """How often to draw each image (N,), so that both values of each label are seen alike.

    ``targets`` (N, L) as in `LabelledSplit`. With several labels an image's weight is the mean
    over those known of it.
    """
    weights = np.full(targets.shape, np.nan)
    for value in (0.0, 1.0):
        counts = (targets == value).sum(axis=0, keepdims=True)
        weights = np.where(targets == value, 1.0 / np.maximum(counts, 1), weights)
    return np.asarray(np.nanmean(weights, axis=1))


def _radiographs(
    dataset: Dataset,
    split: LabelledSplit,
    config: ClassificationConfig,
    *,
    rendered: Dataset | None,
    training: bool,
) -> RadiographSet:
    return RadiographSet(
        _readers(dataset, split, config, rendered=rendered),
        split.targets,
        size=config.input_size,
        channels=config.channels,
        augment=config.augment if training else None,
    )


def _readers(
    dataset: Dataset,
    split: LabelledSplit,
    config: ClassificationConfig,
    *,
    rendered: Dataset | None,
) -> list[ImageReader]:
    """A reader for each image: of the rendered PNG, or of the image as it is stored.

    Images of unknown status (no reader marked findings in them) are never rendered, but a label
    of the whole image may be known.
    """
    paths = {}
    if rendered is not None:
        paths = {r.image.with_suffix(""): rendered.image_path(r) for r in rendered.records}
    readers: list[ImageReader] = []
    for record in split.records:
        path = paths.get(record.image.with_suffix(""))
        if path is None or record.status is Status.UNKNOWN:
            readers.append(partial(read_displayed, dataset.image_path(record), config.display))
        else:
            readers.append(partial(read_grey, path))
    return readers

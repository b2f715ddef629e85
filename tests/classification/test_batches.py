from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lucency.annotations.findings import Status
from lucency.annotations.records import Dataset
from lucency.classification.batches import split_batches, training_batches
from lucency.classification.recipe import ClassificationConfig
from lucency.configs.errors import DatasetError, ImageError
from lucency.datasets.labelled import labelled_split

MakeSet = Callable[..., Dataset]
MakeConfig = Callable[..., ClassificationConfig]


def test_images_without_findings_are_read_like_all_others(
    tmp_path: Path, make_set: MakeSet, make_config: MakeConfig
) -> None:
    known = make_set(tmp_path)
    unknown = replace(
        known, records=tuple(replace(r, status=Status.UNKNOWN) for r in known.records)
    )
    found = []
    for dataset in (known, unknown):
        split = labelled_split(dataset, split="val", labels=("bright",))
        found.append(torch.cat([x for x, _ in split_batches(dataset, split, make_config())]))
    assert found[0].shape == (6, 1, 32, 32)
    assert torch.equal(*found)


def test_all_images_are_read_before_the_first_epoch(
    tmp_path: Path, make_set: MakeSet, make_config: MakeConfig
) -> None:
    dataset = make_set(tmp_path)
    split = labelled_split(dataset, split="train", labels=("bright",))
    told: list[tuple[int, int]] = []
    training_batches(
        dataset, split, make_config(), progress=lambda done, total: told.append((done, total))
    )
    assert told[-1] == (8, 8)
    dataset.image_path(split.records[3]).write_bytes(b"no image")
    training_batches(dataset, split, make_config())  # from the cache
    with pytest.raises(ImageError, match=r"1 of 8 images cannot be read: .*train3\.png"):
        training_batches(dataset, split, make_config(input_size=48))


def test_sites_are_drawn_alike(tmp_path: Path, make_set: MakeSet, make_config: MakeConfig) -> None:
    made = make_set(tmp_path, counts=(12, 4, 2))
    records = tuple(
        replace(r, extra={**r.extra, "site": "small" if n < 2 else "large"})
        for n, r in enumerate(made.records)
    )
    dataset = replace(made, records=records)
    split = labelled_split(dataset, split="train", labels=("bright",))
    loader = training_batches(dataset, split, make_config(balance_by="site"))
    weights = loader.sampler.weights  # type: ignore[attr-defined]
    assert weights.tolist() == pytest.approx([1.0, 1.0] + [0.2] * 10)
    with pytest.raises(DatasetError, match="has no column 'ward'"):
        training_batches(dataset, split, make_config(balance_by="ward"))

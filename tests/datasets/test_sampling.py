from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs.errors import DatasetError
from lucency.datasets.sampling import balanced_weights, column_values


def test_weights_draw_both_values_alike() -> None:
    targets = np.array([[1], [0], [0], [0]], dtype=np.float32)
    weights = balanced_weights(targets)
    assert weights[0] == pytest.approx(weights[1:].sum())


def test_weights_of_several_labels_ignore_what_is_unknown() -> None:
    targets = np.array([[1, np.nan], [0, 1], [0, 0], [np.nan, np.nan]], dtype=np.float32)
    assert balanced_weights(targets) == pytest.approx([1.0, 0.75, 0.75, 0.0])


def test_every_site_is_drawn_alike_with_and_without_the_label() -> None:
    rng = np.random.default_rng(0)
    sites = rng.choice(["shenzhen", "montgomery", "delhi"], 400, p=[0.7, 0.2, 0.1])
    targets = (rng.random(400) < np.where(sites == "delhi", 0.9, 0.3)).astype(np.float32)[:, None]
    weights = balanced_weights(targets, groups=sites.tolist())
    drawn = rng.choice(400, 60_000, p=weights / weights.sum())
    for site in ("shenzhen", "montgomery", "delhi"):
        for value in (0, 1):
            share = ((sites[drawn] == site) & (targets[drawn, 0] == value)).mean()
            assert share == pytest.approx(1 / 6, abs=0.01), (site, value)


def test_one_group_is_as_none() -> None:
    targets = np.array([[1], [0], [0]], dtype=np.float32)
    assert np.array_equal(balanced_weights(targets, groups=["a"] * 3), balanced_weights(targets))


def test_nothing_gives_nothing() -> None:
    assert balanced_weights(np.zeros((0, 2), np.float32)).shape == (0,)


def test_groups_must_be_as_many_as_images() -> None:
    with pytest.raises(ValueError, match="3 images need as many groups, got 2"):
        balanced_weights(np.zeros((3, 1), np.float32), groups=["a", "b"])


def test_a_column_is_read_or_missed() -> None:
    extras = [{"site": "a ", "tb": "1"}, {"tb": "0"}]
    records = tuple(
        ImageRecord(
            PurePosixPath(f"images/train/{n}.png"), "train", "", Status.UNKNOWN, 1, 1, "", "", extra
        )
        for n, extra in enumerate(extras)
    )
    dataset = Dataset(Path("set"), LabelMap(("spot",)), records)
    assert column_values(dataset, records, column="site") == ("a", "")
    with pytest.raises(DatasetError, match=r"no column 'ward'; its further columns are: site, tb"):
        column_values(dataset, records, column="ward")


def test_labels_that_exclude_each_other_are_seen_alike() -> None:
    classes = np.repeat([0, 1, 2], [8, 1, 1])
    targets = np.eye(3, dtype=np.float32)[classes]
    drawn = balanced_weights(targets, exclusive=True)
    shares = np.bincount(classes, weights=drawn / drawn.sum())
    assert shares == pytest.approx([1 / 3] * 3)
    # As yes-or-no labels the common one would be drawn more often than the others.
    assert np.bincount(classes, weights=balanced_weights(targets)).argmax() == 0

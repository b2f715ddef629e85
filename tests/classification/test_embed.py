"""The embedding map: pooled features, and places that a seed decides."""

from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.classification import embed as embedding
from lucency.classification.embed import check_method, chosen_images, embed, place, thumbnail_side
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ConfigError, DatasetError, ImageError
from lucency.datasets.display import display
from lucency.datasets.radiographs import Radiograph

# It compiles itself at the first use, for half a minute, so one process has all of its tests.
UMAP = pytest.param("umap", marks=[pytest.mark.slow, pytest.mark.xdist_group("umap")])


def dataset_of(count: int, root: Path = Path("set"), *, split: str = "val") -> Dataset:
    records = tuple(
        ImageRecord(
            PurePosixPath("images", split, f"{n}.png"), split, "", Status.UNKNOWN, 40, 30, "", ""
        )
        for n in range(count)
    )
    return Dataset(root, LabelMap(("a",)), records)


def write_images(dataset: Dataset) -> None:
    for n, record in enumerate(dataset.records):
        path = dataset.image_path(record)
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((30, 40), 10 * n, np.uint8))


class FirstPixel:
    """A classifier whose maps hold the image's first grey level, and twice that."""

    def look(self, radiograph: Radiograph) -> Any:
        displayed = display(radiograph, DisplaySpec(method="as_displayed"))
        grey = float(displayed.image[0, 0])
        maps = np.stack([np.full((2, 3), grey), np.full((2, 3), 2 * grey)]).astype(np.float32)
        maps[0, 0, 0] += 6
        raw = np.array([grey / 255], np.float32)
        return SimpleNamespace(raw=raw, maps=maps, displayed=displayed)

    def calibrated(self, raw: np.ndarray) -> np.ndarray:
        return raw / 2


def two_groups(each: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = np.repeat([[0.0], [20.0]], each, axis=0)
    return (rng.normal(size=(2 * each, 60)) + centres).astype(np.float32)


@pytest.mark.parametrize("method", ["tsne", UMAP])
def test_groups_of_features_stay_apart_and_a_seed_gives_the_same_map(method: str) -> None:
    features = two_groups(30)
    placed = place(features, method=method, seed=3)
    assert placed.shape == (60, 2)
    assert np.isfinite(placed).all()
    distances = np.linalg.norm(placed[:, None] - placed[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert ((distances.argmin(axis=1) < 30) == (np.arange(60) < 30)).all()
    np.testing.assert_array_equal(placed, place(features, method=method, seed=3))


@pytest.mark.parametrize("method", ["tsne", UMAP])
@pytest.mark.parametrize("count", [3, 4, 12])
@pytest.mark.parametrize("spread", [0.0, 1.0], ids=["identical", "different"])
def test_few_images_have_places(method: str, count: int, spread: float) -> None:
    features = np.random.default_rng(0).normal(size=(count, 8)).astype(np.float32) * spread
    placed = place(features, method=method)
    assert placed.shape == (count, 2)
    assert np.isfinite(placed).all()


def test_many_identical_features_have_places() -> None:
    assert np.isfinite(place(np.ones((60, 60), np.float32), method="tsne")).all()


def test_features_are_the_means_of_the_maps(tmp_path: Path) -> None:
    dataset = dataset_of(4, tmp_path)
    write_images(dataset)
    told: list[object] = []
    found = embed(
        FirstPixel(),  # type: ignore[arg-type]
        dataset,
        "val",
        methods=("tsne",),
        on_image=lambda done, total: told.append((done, total)),
        on_method=told.append,
    )
    np.testing.assert_allclose(found.features, [[1, 0], [11, 20], [21, 40], [31, 60]])
    np.testing.assert_allclose(found.probabilities[:, 0], np.arange(4) * 5 / 255, atol=1e-6)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4), "tsne"]
    assert [image.shape for image in found.thumbnails] == [(30, 40)] * 4
    assert list(found.places) == ["tsne"]
    assert len(found) == 4
    assert found.left_out == 0


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    dataset = dataset_of(3, tmp_path)
    write_images(dataset)
    dataset.image_path(dataset.records[1]).write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"1\.png"):
        embed(FirstPixel(), dataset, "val", methods=("tsne",))  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, 2])
def test_fewer_than_three_images_are_no_map(count: int) -> None:
    with pytest.raises(DatasetError, match=f"split 'val' has {count} images, and a map needs 3"):
        chosen_images(dataset_of(count), "val")


def test_the_splits_are_named_where_one_is_missing() -> None:
    with pytest.raises(DatasetError, match="the splits are: train"):
        chosen_images(dataset_of(5, split="train"), "val")


def test_of_too_many_images_some_are_drawn_in_the_tables_order() -> None:
    dataset = dataset_of(50)
    drawn = chosen_images(dataset, "val", seed=1, most=20)
    rows = [dataset.records.index(record) for record in drawn]
    assert len(set(rows)) == 20
    assert rows == sorted(rows)
    assert drawn == chosen_images(dataset, "val", seed=1, most=20)
    assert drawn != chosen_images(dataset, "val", seed=2, most=20)


def test_what_is_left_out_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = dataset_of(5, tmp_path)
    write_images(dataset)
    first = dataset.records[:3]
    monkeypatch.setattr(embedding, "chosen_images", lambda *_, **__: first)
    found = embed(FirstPixel(), dataset, "val", methods=("tsne",))  # type: ignore[arg-type]
    assert (len(found), found.left_out) == (3, 2)


def test_a_missing_library_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"umap-learn is not installed.*--method tsne"):
        check_method("umap")
    check_method("tsne")


def test_thumbnails_shrink_with_the_number_of_images() -> None:
    assert [thumbnail_side(count) for count in (3, 500, 501, 5000)] == [256, 256, 160, 112]

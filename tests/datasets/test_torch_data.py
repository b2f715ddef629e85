from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ImageError
from lucency.datasets import torch_data
from lucency.datasets.augment import AugmentSpec, augmentation
from lucency.datasets.torch_data import RadiographSet, read_displayed, read_grey

TARGETS = np.array([[1.0], [np.nan]], dtype=np.float32)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(2):
        found.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(found[-1]), rng.integers(0, 255, (50, 40)).astype(np.uint8))
    return found


def readers(paths: list[Path]) -> list[torch_data.ImageReader]:
    return [partial(read_grey, path) for path in paths]


def test_items_are_images_and_targets(paths: list[Path]) -> None:
    images = RadiographSet(readers(paths), TARGETS, size=32, channels=3)
    assert len(images) == 2
    image, target = images[1]
    assert image.shape == (3, 32, 32) and image.dtype == torch.float32
    assert torch.isnan(target).all()
    assert torch.equal(images[1][0], image)


def test_held_in_memory_or_read_again_is_the_same(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = RadiographSet(readers(paths), TARGETS, size=32, channels=1)
    monkeypatch.setattr(torch_data, "MEMORY_LIMIT_BYTES", 0)
    read = RadiographSet(readers(paths), TARGETS, size=32, channels=1)
    assert torch.equal(held[0][0], read[0][0])


def test_augmentation_follows_pytorchs_seed(paths: list[Path]) -> None:
    images = RadiographSet(readers(paths), TARGETS, size=32, channels=1, augment=AugmentSpec())
    torch.manual_seed(3)
    first, second = images[0][0], images[0][0]
    torch.manual_seed(3)
    assert torch.equal(images[0][0], first)
    assert not torch.equal(first, second)


def test_no_augmentation_changes_nothing() -> None:
    still = AugmentSpec(rotation=0, translate=0, scale=0, brightness=0, contrast=0)
    image = np.arange(48 * 48, dtype=np.uint16).reshape(48, 48).astype(np.uint8)
    assert np.array_equal(augmentation(still)(image=image)["image"], image)


def test_nothing_is_mirrored_unless_asked_for() -> None:
    image = np.zeros((48, 48), np.uint8)
    image[:, :16] = 200
    pipeline, flipping = augmentation(AugmentSpec()), augmentation(AugmentSpec(horizontal_flip=1))
    for seed in range(10):
        pipeline.set_random_seed(seed)
        flipping.set_random_seed(seed)
        assert pipeline(image=image)["image"][24, 8] > pipeline(image=image)["image"][24, 40]
        assert flipping(image=image)["image"][24, 8] < flipping(image=image)["image"][24, 40]


def test_displaying_an_image_is_reading_it_where_it_is_8_bits(paths: list[Path]) -> None:
    spec = DisplaySpec(method="as_displayed")
    assert np.array_equal(read_displayed(paths[0], spec), read_grey(paths[0]))


@pytest.mark.parametrize("content", [None, b"not an image"], ids=["missing", "text"])
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError, match=r"broken\.png"):
        RadiographSet([partial(read_grey, path)], TARGETS[:1], size=32, channels=1)


def test_images_and_targets_must_be_as_many(paths: list[Path]) -> None:
    with pytest.raises(ValueError, match="need as many targets"):
        RadiographSet(readers(paths), TARGETS[:1], size=32, channels=1)

import hashlib
import pickle
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pytest
import torch

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ConfigError, DatasetError, ImageError
from lucency.datasets.augment import CLASSIFICATION
from lucency.datasets.model_input import model_input
from lucency.datasets.torch_data import RadiographSet

SPEC = DisplaySpec(method="as_displayed")
TB = ("1", "0", "", "1", "0")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Five training images, the third without a known label, the fourth without findings."""
    rng = np.random.default_rng(0)
    records = []
    for number, tb in enumerate(TB):
        name = PurePosixPath(f"images/train/{number}.png")
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 255, (50, 40)).astype(np.uint8))
        status = Status.UNKNOWN if number == 3 else Status.NEGATIVE
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        extra = {"tb": tb, "effusion": "1" if number == 0 else ""}
        records.append(
            ImageRecord(name, "train", str(number), status, 40, 50, sha256, name.name, extra)
        )
    return Dataset(tmp_path, LabelMap(("spot",)), tuple(records))


def radiographs(dataset: Dataset, **changes: object) -> RadiographSet:
    options: dict[str, object] = {"labels": ["tb"], "size": 32, "channels": 1, "display": SPEC}
    return RadiographSet(dataset, split="train", **{**options, **changes})  # type: ignore[arg-type]


def epoch(images: RadiographSet, **options: object) -> torch.Tensor:
    loader = torch.utils.data.DataLoader(images, 2, shuffle=True, **options)  # type: ignore[arg-type]
    return torch.cat([batch for batch, _ in loader])


def test_items_are_images_and_targets(dataset: Dataset) -> None:
    images = radiographs(dataset, labels=("tb", "effusion"), channels=3)
    assert len(images) == 4
    assert [record.image.stem for record in images.records] == ["0", "1", "3", "4"]
    image, target = images[1]
    assert image.shape == (3, 32, 32) and image.dtype == torch.float32
    assert target[0] == 0.0 and torch.isnan(target[1])
    stored = cv2.imread(str(dataset.image_path(images.records[1])), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(image.numpy(), model_input(stored, size=32, channels=3))
    assert torch.equal(images[1][0], image)


def test_augmentation_follows_pytorchs_seed(dataset: Dataset) -> None:
    images = radiographs(dataset, augment=CLASSIFICATION)
    torch.manual_seed(3)
    first, second = images[0][0], images[0][0]
    torch.manual_seed(3)
    assert torch.equal(images[0][0], first)
    assert not torch.equal(first, second)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("workers", [0, 2], ids=["none", "two"])
def test_one_seed_gives_one_epoch(dataset: Dataset, workers: int) -> None:
    images = radiographs(dataset, augment=CLASSIFICATION)
    torch.manual_seed(1)
    first = epoch(images, num_workers=workers)
    torch.manual_seed(1)
    assert torch.equal(epoch(images, num_workers=workers), first)
    assert not torch.equal(epoch(images, num_workers=workers), first)


def test_workers_that_stay_give_every_image_each_epoch(dataset: Dataset) -> None:
    images = radiographs(dataset)
    loader = torch.utils.data.DataLoader(
        images, 1, num_workers=2, persistent_workers=True, multiprocessing_context="fork"
    )
    for _ in range(2):
        for (image, _), (expected, _) in zip(loader, images, strict=False):
            assert torch.equal(image[0], expected)


def test_it_can_be_pickled(dataset: Dataset) -> None:
    images = radiographs(dataset, augment=CLASSIFICATION)
    images[0]
    copy = pickle.loads(pickle.dumps(images))  # noqa: S301 - our own
    torch.manual_seed(2)
    expected = images[1][0]
    torch.manual_seed(2)
    assert torch.equal(copy[1][0], expected)


def test_what_a_crop_leaves_has_the_networks_size(dataset: Dataset) -> None:
    crop = [{"RandomCrop": {"height": 24, "width": 28}}]
    assert radiographs(dataset, augment=crop)[0][0].shape == (1, 32, 32)


def test_preparing_decodes_everything_once(dataset: Dataset) -> None:
    images = radiographs(dataset)
    told: list[tuple[int, int]] = []
    images.prepare(progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (4, 4)
    for record in dataset.records:
        dataset.image_path(record).unlink()
    assert torch.isfinite(radiographs(dataset)[3][0]).all()


@pytest.mark.parametrize("content", [None, b"not an image"], ids=["missing", "text"])
def test_what_is_no_image_is_named(dataset: Dataset, content: bytes | None) -> None:
    path = dataset.image_path(dataset.records[1])
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    images = radiographs(dataset)
    with pytest.raises(ImageError, match=r"1\.png"):
        images[1]
    with pytest.raises(ImageError, match=r"1 of 4 images cannot be read: .*1\.png"):
        images.prepare()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"labels": ["pneumonia"]}, DatasetError, "no column 'pneumonia'"),
        ({"augment": [{"D4": {}}]}, ConfigError, r"augment\[0\]\.D4: "),
    ],
    ids=["label", "transform"],
)
def test_mistakes_are_named(
    dataset: Dataset, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        radiographs(dataset, **changes)

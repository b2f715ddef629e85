import hashlib
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs.errors import ConfigError, DatasetError
from lucency.configs.schema import find_config
from lucency.evaluation.augment_sheet import augment_sheet

# OpenCV's BGR of the boxes, which are the only colour in a sheet.
BLUE = np.array([233, 180, 86])


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Four images of 120 × 90; the first two have a bright spot with a box around it."""
    records = []
    for number in range(4):
        boxed = number < 2
        name = PurePosixPath(f"images/train/{number}.png")
        image = np.full((90, 120), 60, np.uint8)
        if boxed:
            image[30:50, 60:90] = 220
        path, label = tmp_path / name, tmp_path / f"labels/train/{number}.txt"
        for place in (path, label):
            place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
        label.write_text(f"0 {75 / 120} {40 / 90} {30 / 120} {20 / 90}\n" if boxed else "")
        status = Status.ANNOTATED if boxed else Status.NEGATIVE
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        records.append(ImageRecord(name, "train", "", status, 120, 90, sha256, name.name))
    return Dataset(tmp_path, LabelMap(("fractured",)), tuple(records))


def recipe(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def sheet(dataset: Dataset, path: Path, **options: int) -> np.ndarray:
    data = np.frombuffer(augment_sheet(dataset, path, **options), np.uint8)
    found = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert found is not None
    return found.astype(int)


def box_pixels(part: np.ndarray) -> np.ndarray:
    return np.argwhere(np.abs(part - BLUE).max(axis=2) < 60)


STILL = "task: classification\ndisplay: as-displayed\naugment: []\n"


def test_a_row_an_image_and_a_column_a_variant(dataset: Dataset, tmp_path: Path) -> None:
    found = sheet(dataset, recipe(tmp_path, STILL), images=2, variants=3)
    assert found.shape[1] == 4 * 286 - 6
    assert 2 * 300 < found.shape[0] < 2 * 340
    first, second = found[:, :280], found[:, 286:566]
    assert np.abs(first[-280:] - second[-280:]).mean() < 1  # nothing varies
    assert len(box_pixels(found)) > 0


@pytest.mark.parametrize(
    ("augment", "left_of_middle"),
    [("[]", False), ("[HorizontalFlip: {p: 1.0}]", True)],
    ids=["still", "mirrored"],
)
def test_boxes_move_with_the_picture(
    dataset: Dataset, tmp_path: Path, augment: str, left_of_middle: bool
) -> None:
    only = Dataset(dataset.root, dataset.label_map, dataset.records[:1])
    path = recipe(tmp_path, STILL.replace("[]", augment))
    found = sheet(only, path, images=1, variants=1)[-280:]
    original, variant = found[:, :280], found[:, 286:566]
    # The spot is squeezed from 60..90 of 120 to 140..210 of 280 pixels.
    rows, columns = np.nonzero(original[:, :, 2] > 190)
    assert (columns.min(), columns.max()) == pytest.approx((140, 210), abs=6)
    assert (box_pixels(original)[:, 1].mean() > 140) and len(rows)
    assert (box_pixels(variant)[:, 1].mean() < 140) == left_of_middle


def test_a_seed_fixes_the_sheet(dataset: Dataset) -> None:
    path = find_config("tb")
    options = {"images": 2, "variants": 1}
    first = augment_sheet(dataset, path, **options, seed=1)
    assert augment_sheet(dataset, path, **options, seed=1) == first
    assert augment_sheet(dataset, path, **options, seed=2) != first


@pytest.mark.parametrize("name", ["tb", "fracture", "demo_classifier", "demo_detector"])
def test_shipped_recipes_can_be_previewed(dataset: Dataset, name: str) -> None:
    assert sheet(dataset, find_config(name), images=2, variants=1).shape[1] == 2 * 286 - 6


def test_a_detectors_picture_is_padded_not_squeezed(dataset: Dataset, tmp_path: Path) -> None:
    text = "task: detection\naugment: {rotation: 0.0, translation: 0.0, scale: 0.0, intensity: []}"
    only = Dataset(dataset.root, dataset.label_map, dataset.records[3:])
    cell = sheet(only, recipe(tmp_path, text), images=1, variants=1)[-280:, :280]
    assert cell[10, 140] == pytest.approx(114, abs=3)
    assert cell[140, 140] == pytest.approx(60, abs=3)


def test_images_that_cannot_be_read_are_passed_over(dataset: Dataset, tmp_path: Path) -> None:
    path = recipe(tmp_path, STILL)
    dataset.image_path(dataset.records[0]).write_bytes(b"broken")
    assert sheet(dataset, path, images=4, variants=1).shape[0] < 4 * 300
    for record in dataset.records[1:]:
        dataset.image_path(record).unlink()
    with pytest.raises(DatasetError, match="none of its 4 images can be read"):
        augment_sheet(dataset, path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x", "task: must be classification or detection, got None"),
        ("task: classification\naugment: [{D4: {}}]", r"augment\[0\]\.D4: turns or mirrors"),
        ("task: detection\naugment: {shear: 3}", r"unknown key 'augment\.shear'"),
        ("task: detection\ndisplay: {high: 300}", r"display\.high: "),
        ("task: detection\nimage_size: 0", "image_size: "),
        ("task: classification\ninput_size: -5", "input_size: "),
        (
            "task: classification\naugment: [RandomCrop: {height: 500, width: 500}]",
            ".*only 224 × 224",
        ),
    ],
    ids=["task", "transform", "key", "display", "no image", "no input", "crop"],
)
def test_a_wrong_recipe_is_named(dataset: Dataset, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"recipe\.yaml: {message}"):
        augment_sheet(dataset, recipe(tmp_path, text))


@pytest.mark.parametrize("options", [{"images": 0}, {"variants": 0}], ids=["images", "variants"])
def test_an_empty_sheet_is_refused(dataset: Dataset, options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1 image and variant"):
        augment_sheet(dataset, find_config("tb"), **options)


@pytest.mark.real_data
def test_boxes_of_real_fractures_stay_on_the_sheet(lucency_data: Path, tmp_path: Path) -> None:
    """One FracAtlas image with its VOC box, varied as a detector's recipe says."""
    image = lucency_data / "fracatlas/images/Fractured/IMG0000019.jpg"
    (tmp_path / "images/train").mkdir(parents=True)
    (tmp_path / "labels/train").mkdir(parents=True)
    (tmp_path / "images/train/IMG0000019.jpg").write_bytes(image.read_bytes())
    line = (lucency_data / "fracatlas/annotations/yolo/IMG0000019.txt").read_text()
    (tmp_path / "labels/train/IMG0000019.txt").write_text(line)
    record = ImageRecord(
        PurePosixPath("images/train/IMG0000019.jpg"), "train", "", Status.ANNOTATED, 2304, 2880,
        hashlib.sha256(image.read_bytes()).hexdigest(), image.name,
    )  # fmt: skip
    dataset = Dataset(tmp_path, LabelMap(("fractured",)), (record,))
    found = sheet(dataset, find_config("fracture"), images=1, variants=3)
    for column in range(4):
        assert len(box_pixels(found[-280:, column * 286 : column * 286 + 280])) > 40


def test_an_image_whose_labels_cannot_be_read_is_passed_over(
    dataset: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "labels/train/0.txt").write_text("0 x\n")
    found = sheet(dataset, recipe(tmp_path, STILL), images=4, variants=1)
    assert 3 * 300 < found.shape[0] < 3 * 340  # one row less

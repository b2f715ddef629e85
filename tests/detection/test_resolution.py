"""`image_size: auto` is explore's recommendation for the images that the model gets."""

from pathlib import Path

import pytest

from lucency.annotations.records import Dataset, read_dataset
from lucency.configs.errors import ConfigError
from lucency.detection.recipe import AUTO_SIZE, DetectionConfig
from lucency.detection.resolution import with_resolution


def write_set(root: Path, boxes: dict[str, list[float]], *, side: int) -> Dataset:
    """Square images with one square box each, of a share of the image's side, by split."""
    rows = ["image,split,patient_id,status,width,height,sha256,source"]
    for split, shares in boxes.items():
        (root / "labels" / split).mkdir(parents=True, exist_ok=True)
        for number, share in enumerate(shares):
            name = f"{split}{number}"
            status = "annotated" if share else "negative"
            rows.append(f"images/{split}/{name}.png,{split},{name},{status},{side},{side},0,x")
            label = f"0 0.5 0.5 {share} {share}\n" if share else ""
            (root / f"labels/{split}/{name}.txt").write_text(label, encoding="utf-8")
    (root / "dataset.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    folders = "".join(f"{split}: images/{split}\n" for split in boxes)
    (root / "data.yaml").write_text(f"{folders}names: [finding]\n", encoding="utf-8")
    return read_dataset(root)


def config(image_size: int) -> DetectionConfig:
    return DetectionConfig.model_construct(
        task="detection", name="x", image_size=image_size, weights="x"
    )


@pytest.mark.parametrize(
    ("share", "side", "expected"),
    [(0.2, 1600, 416), (0.03, 1600, 640), (0.0155, 1600, 1280), (0.5, 320, 320), (0.5, 40, 64)],
    ids=["large boxes", "small boxes", "tiny boxes", "small images", "the smallest"],
)
def test_auto_takes_the_recommendation(
    tmp_path: Path, share: float, side: int, expected: int
) -> None:
    dataset = write_set(tmp_path, {"train": [share] * 6, "val": [share]}, side=side)
    assert with_resolution(config(AUTO_SIZE), dataset).image_size == expected


def test_a_number_stays(tmp_path: Path) -> None:
    dataset = write_set(tmp_path, {"train": [0.2], "val": [0.2]}, side=1600)
    assert with_resolution(config(96), dataset).image_size == 96


def test_test_data_are_not_looked_at(tmp_path: Path) -> None:
    boxes = {"train": [0.2] * 3, "val": [0.2], "test": [0.005] * 20}
    dataset = write_set(tmp_path, boxes, side=1600)
    assert with_resolution(config(AUTO_SIZE), dataset).image_size == 416


def test_without_findings_there_is_nothing_to_go_by(tmp_path: Path) -> None:
    dataset = write_set(tmp_path, {"train": [0.0], "val": [0.0]}, side=1600)
    with pytest.raises(ConfigError, match="needs findings"):
        with_resolution(config(AUTO_SIZE), dataset)

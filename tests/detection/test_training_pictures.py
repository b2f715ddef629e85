"""The first batch as the network sees it, and what is found in validation images."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from lucency.annotations.records import Dataset, read_dataset
from lucency.detection.training_pictures import (
    MOST_IMAGES,
    TILE_PX,
    draw_first_batch,
    draw_validation,
)
from lucency.evaluation.pictures import COLOURS, BoxKind


def has_colour(picture: np.ndarray, kind: BoxKind) -> bool:
    """Whether many pixels of an RGB picture, blurred by JPEG, are of a kind's colour."""
    distance = np.abs(picture.astype(int) - COLOURS[kind]).max(axis=2)
    return bool((distance < 30).sum() > 30)


def read_rgb(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path))
    assert picture is not None
    return picture[:, :, ::-1]


@pytest.mark.parametrize(("images", "rows", "columns"), [(1, 1, 1), (4, 1, 4), (20, 4, 4)])
def test_the_first_batch(tmp_path: Path, images: int, rows: int, columns: int) -> None:
    import torch

    batch = {
        "img": torch.full((images, 3, 64, 64), 0.5),
        "bboxes": torch.tensor([[0.5, 0.5, 0.5, 0.5]]),
        "cls": torch.tensor([[1.0]]),
        "batch_idx": torch.tensor([0.0]),
    }
    path = tmp_path / "first.jpg"
    draw_first_batch(batch, class_names={0: "ring", 1: "square"}, path=path)
    picture = read_rgb(path)
    cell = TILE_PX + 4
    assert picture.shape[:2] == (cell * rows, cell * columns)
    assert has_colour(picture[:cell, :cell], BoxKind.TRUTH)
    assert images <= 1 or not has_colour(picture[:, cell:], BoxKind.TRUTH)
    assert min(images, MOST_IMAGES) <= rows * columns


def test_a_batch_without_boxes(tmp_path: Path) -> None:
    import torch

    batch = {
        "img": torch.zeros(2, 3, 64, 96),
        "bboxes": torch.zeros(0, 4),
        "cls": torch.zeros(0, 1),
        "batch_idx": torch.zeros(0),
    }
    draw_first_batch(batch, class_names={0: "ring"}, path=tmp_path / "first.jpg")
    assert not has_colour(read_rgb(tmp_path / "first.jpg"), BoxKind.TRUTH)


def write_set(root: Path) -> Dataset:
    rows = ["image,split,patient_id,status,width,height,sha256,source"]
    for name, status in (("found", "annotated"), ("missed", "annotated"), ("clear", "negative")):
        (root / "images/val").mkdir(parents=True, exist_ok=True)
        (root / "labels/val").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / f"images/val/{name}.png"), np.full((100, 100), 60, np.uint8))
        label = "0 0.5 0.5 0.4 0.4\n" if status == "annotated" else ""
        (root / f"labels/val/{name}.txt").write_text(label, encoding="utf-8")
        rows.append(f"images/val/{name}.png,val,{name},{status},100,100,{name},x")
    (root / "dataset.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (root / "data.yaml").write_text("val: images/val\nnames: [ring]\n", encoding="utf-8")
    return read_dataset(root)


class Model:
    """A network that finds one ring, and sees another where there is none."""

    def predict(self, path: str, **_: Any) -> list[Any]:
        import torch

        image = cv2.imread(path)
        corners = {"found": [30.0, 30.0, 70.0, 70.0], "clear": [5.0, 5.0, 40.0, 40.0]}
        found = corners.get(Path(path).stem)
        count = 0 if found is None else 1
        boxes = SimpleNamespace(
            xyxy=torch.tensor([found] if found else []).reshape(-1, 4),
            conf=torch.full((count,), 0.9),
            cls=torch.zeros(count),
        )
        return [SimpleNamespace(boxes=boxes, orig_img=image)]


def test_validation_shows_hits_misses_and_false_alarms(tmp_path: Path) -> None:
    dataset = write_set(tmp_path)
    draw_validation(Model(), dataset, image_size=64, path=tmp_path / "validation.jpg")
    picture = read_rgb(tmp_path / "validation.jpg")
    assert picture.shape[1] >= 3 * 100
    for kind in (BoxKind.HIT, BoxKind.MISS, BoxKind.FALSE_ALARM):
        assert has_colour(picture, kind), kind

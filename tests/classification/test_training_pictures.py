"""The first batch as the network saw it."""

import math

import cv2
import numpy as np
import pytest
import torch

from lucency.classification.training_pictures import (
    MOST_IMAGES,
    TILE_PX,
    first_batch_picture,
)
from lucency.datasets.model_input import normalised


def picture(images: torch.Tensor, targets: torch.Tensor, labels: list[str]) -> np.ndarray:
    data = np.frombuffer(first_batch_picture(images, targets, labels=labels), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_levels_are_those_that_were_shown(channels: int) -> None:
    image = torch.from_numpy(normalised(np.full((64, 64), 90, np.uint8), channels=channels))
    found = picture(image[None], torch.tensor([[1.0]]), ["tb"])
    assert abs(int(np.median(found[:TILE_PX, :TILE_PX])) - 90) <= 1


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (5, 2), (40, 4)])
def test_at_most_sixteen_stand_four_in_a_row(count: int, rows: int) -> None:
    images = torch.zeros(count, 1, 32, 32)
    found = picture(images, torch.zeros(count, 1), ["tb"])
    assert round(found.shape[0] / (TILE_PX + 28)) == rows
    assert rows * 4 <= MOST_IMAGES


def test_labels_stand_below_and_unknown_ones_do_not() -> None:
    images = torch.zeros(1, 1, 32, 32)
    below = [
        picture(images, torch.tensor([row]), ["tb", "edema"])[TILE_PX:]
        for row in ([1.0, 0.0], [1.0, math.nan], [math.nan, math.nan])
    ]
    ink = [int((strip > 150).sum()) for strip in below]
    assert ink[0] > ink[1] > ink[2] == 0

"""Rotated boxes against ellipses that are drawn point by point."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from lucency.detection.rotated_boxes import keep_boxes_tight, transformed_boxes


def rotation(degrees: float, *, scale: float = 1.0) -> NDArray[np.float64]:
    angle = np.deg2rad(degrees)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cos, sin, 5.0], [-sin, cos, -7.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize("degrees", [0.0, 15.0, -40.0, 90.0])
def test_the_box_touches_the_rotated_ellipse(degrees: float) -> None:
    box = np.array([[10.0, 20.0, 50.0, 30.0]])
    matrix = rotation(degrees, scale=1.3)
    angle = np.linspace(0, 2 * np.pi, 100_001)
    outline = np.stack([30 + 20 * np.cos(angle), 25 + 5 * np.sin(angle), np.ones_like(angle)])
    x, y = (matrix @ outline)[:2]
    expected = [x.min(), y.min(), x.max(), y.max()]
    np.testing.assert_allclose(transformed_boxes(box, matrix)[0], expected, atol=1e-6)


def test_a_square_keeps_its_size_whatever_the_angle() -> None:
    box = np.array([[0.0, 0.0, 8.0, 8.0]], dtype=np.float32)
    turned = transformed_boxes(box, rotation(33.0))
    np.testing.assert_allclose(turned[:, 2:] - turned[:, :2], 8.0, rtol=1e-6)
    assert turned.dtype == np.float32


def test_no_boxes() -> None:
    assert transformed_boxes(np.zeros((0, 4)), rotation(10.0)).shape == (0, 4)


def test_all_affine_transforms_of_a_dataset_are_taught() -> None:
    from ultralytics.data.augment import Compose, MixUp, RandomPerspective

    plain, nested, bent = (
        RandomPerspective(degrees=15),
        RandomPerspective(degrees=15),
        RandomPerspective(degrees=15, perspective=0.001),
    )
    mixed = MixUp(None, pre_transform=Compose([nested]))
    keep_boxes_tight(SimpleNamespace(transforms=Compose([Compose([plain, bent]), mixed])))
    boxes, matrix = np.array([[0.0, 0.0, 8.0, 8.0]]), rotation(45.0)
    sides = [
        float(np.ptp(transform.apply_bboxes(boxes, matrix)[0, ::2]))
        for transform in (plain, nested, bent)
    ]
    np.testing.assert_allclose(sides[:2], 8.0)
    assert sides[2] > 11.0

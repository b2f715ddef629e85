"""Class activation maps in numpy, against the formulas of the papers written out place by place."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lucency.classification.class_map import METHODS, grad_cam, grad_cam_plus_plus


@pytest.fixture
def maps() -> NDArray[np.float32]:
    return np.random.default_rng(0).gamma(1.0, 2.0, (6, 3, 4)).astype(np.float32)


@pytest.fixture
def gradient() -> NDArray[np.float32]:
    return np.array([0.5, -1.0, 2.0, 0.0, -0.2, 3.0], dtype=np.float32)


def test_grad_cam_weighs_each_map_by_its_gradient(
    maps: NDArray[np.float32], gradient: NDArray[np.float32]
) -> None:
    expected = np.maximum(sum(g * one for g, one in zip(gradient, maps, strict=True)), 0)
    np.testing.assert_allclose(grad_cam(maps, gradient), expected, rtol=1e-5)


def test_grad_cam_plus_plus_is_the_papers_sum_over_places(
    maps: NDArray[np.float32], gradient: NDArray[np.float32]
) -> None:
    expected = np.zeros((3, 4))
    for one, by_mean in zip(maps.astype(float), gradient / 12, strict=True):
        weight = 0.0
        for _ in range(12):  # equation 10, with equation 19's share of each place
            share = by_mean**2 / (2 * by_mean**2 + one.sum() * by_mean**3 + 1e-6)
            weight += share * max(by_mean, 0.0)
        expected += weight * one
    np.testing.assert_allclose(grad_cam_plus_plus(maps, gradient), expected, rtol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_one_map_alone_is_the_heat(method: str) -> None:
    maps = np.zeros((2, 2, 2), dtype=np.float32)
    maps[0, 1, 0] = maps[1, 0, 1] = 4.0
    heat = METHODS[method](maps, np.array([1.0, -1.0], dtype=np.float32))
    assert heat[1, 0] > 0
    assert np.count_nonzero(heat) == 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("bright", "slope"), [(0.0, 1.0), (1.0, 0.0), (1.0, -1.0)], ids=["dark", "flat", "against"]
)
def test_where_nothing_speaks_for_the_class_there_is_no_heat(
    method: str, bright: float, slope: float
) -> None:
    maps = np.full((3, 2, 2), bright, dtype=np.float32)
    heat = METHODS[method](maps, np.full(3, slope, dtype=np.float32))
    np.testing.assert_array_equal(heat, np.zeros((2, 2)))
    assert heat.dtype == np.float32

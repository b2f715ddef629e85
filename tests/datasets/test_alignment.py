import cv2
import numpy as np
import pytest

from lucency.datasets.alignment import align, band

SIDE = 48


def picture(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    soft = cv2.GaussianBlur(rng.random((3 * SIDE, 3 * SIDE)), (0, 0), 3)
    return (soft - soft.min()) / (soft.max() - soft.min()) * 255


def looked_at(seed: int, warp: tuple[float, float, float, float]) -> np.ndarray:
    """The middle of a picture as it is seen through a warp."""
    across, down, wide, high = warp
    middle, large = (SIDE - 1) / 2, (3 * SIDE - 1) / 2
    x = (1 + wide) * (np.arange(SIDE) - middle) + across + large
    y = (1 + high) * (np.arange(SIDE) - middle) + down + large
    grid_x, grid_y = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    return cv2.remap(picture(seed), grid_x, grid_y, cv2.INTER_CUBIC)


def bands(*images: np.ndarray) -> np.ndarray:
    return band(np.stack(images).astype(float), fine=0.6, coarse=2.5)


WARPS = [(0, 0, 0, 0), (1.5, -1, 0, 0), (0, 0, 0.05, 0.05), (1, 0.5, -0.04, 0.06)]


@pytest.mark.parametrize("warp", WARPS, ids=str)
def test_the_warp_is_found(warp: tuple[float, float, float, float]) -> None:
    moved, fixed = bands(looked_at(1, (0, 0, 0, 0))), bands(looked_at(1, warp))
    found = align(moved, fixed, np.zeros((1, 4)), steps=8)
    assert found.correlation[0] > 0.98
    assert found.warp[0] == pytest.approx(warp, abs=0.06)


def test_inverse_warps_lay_the_other_way_round() -> None:
    moved, fixed = bands(looked_at(1, (0, 0, 0, 0))), bands(looked_at(1, WARPS[3]))
    found = align(moved, fixed, np.zeros((1, 4)), steps=8)
    back = align(fixed, moved, found.inverse_warp(), steps=0)
    assert back.correlation[0] > 0.97


def test_a_negative_is_as_alike_and_another_picture_is_not() -> None:
    moved = bands(looked_at(1, WARPS[0]), looked_at(1, WARPS[0]), looked_at(1, WARPS[0]))
    fixed = bands(looked_at(1, WARPS[1]), 255 - looked_at(1, WARPS[1]), looked_at(2, WARPS[1]))
    found = align(moved, fixed, np.zeros((3, 4)), steps=5).correlation
    assert found[:2].min() > 0.97
    assert found[2] < 0.5


def test_without_steps_the_warp_stays_and_too_large_ones_are_limited() -> None:
    images = bands(looked_at(1, WARPS[0]), looked_at(1, WARPS[0]))
    start = np.array([[0.5, 0, 0, 0], [1000, 0, 9, 0]])
    found = align(images, images, start, steps=0)
    assert found.warp[0] == pytest.approx([0.5, 0, 0, 0])
    assert np.abs(found.warp[1]).max() < SIDE / 4
    assert np.isfinite(found.correlation).all()


def test_blank_pictures_and_none_at_all_are_no_mistake() -> None:
    blank = np.zeros((2, SIDE, SIDE))
    assert align(blank, blank, np.zeros((2, 4)), steps=3).correlation.tolist() == [0, 0]
    nothing = align(blank[:0], blank[:0], np.zeros((0, 4)), steps=3)
    assert nothing.correlation.shape == (0,)
    assert nothing.warp.shape == (0, 4)


def test_the_band_is_without_even_areas_and_slow_gradients() -> None:
    slope = np.linspace(0, 255, SIDE) * np.ones((SIDE, 1))
    found = band(np.stack([np.full((SIDE, SIDE), 100.0), slope]), fine=0.7, coarse=2.0)
    assert np.abs(found[0]).max() < 1e-9
    assert np.abs(found[1][:, 9:-9]).max() < 1e-9

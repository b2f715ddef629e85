import cv2
import numpy as np
import pytest

from lucency.datasets.clahe import equalised


def scene(height: int, width: int) -> np.ndarray:
    """Smooth shades with fine noise, 8 bits."""
    rng = np.random.default_rng(0)
    coarse = cv2.resize(rng.uniform(20, 200, (5, 4)).astype(np.float32), (width, height))
    return (coarse + rng.normal(0, 6, (height, width))).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("clip_limit", [1.5, 2.0, 4.0])
@pytest.mark.parametrize("shape", [(1024, 1024), (1001, 1203)], ids=["even", "uneven"])
def test_agrees_with_opencv_on_8_bits(shape: tuple[int, int], clip_limit: float) -> None:
    image = scene(*shape)
    expected = cv2.createCLAHE(clip_limit, (8, 8)).apply(image)
    found = equalised(image.astype(np.uint16) * 257, clip_limit=clip_limit)
    difference = np.abs(found.astype(int) - expected)
    # OpenCV deals out what it clips in whole pixels, the rest of them to the darkest bins.
    assert difference.mean() <= 1.0
    assert difference.max() <= 5


def tiled(ramp: np.ndarray) -> np.ndarray:
    """The same ramp (n,) in each of the eight tiles of a row."""
    return np.tile(ramp.astype(np.uint16), (64, 8))


def test_grey_levels_that_8_bits_cannot_tell_apart_stay_apart() -> None:
    deep = tiled(np.linspace(30000, 31200, 32))
    shallow = np.rint(deep / 257).astype(np.uint8)
    assert len(np.unique(cv2.createCLAHE(40.0, (8, 8)).apply(shallow))) == 5
    assert len(np.unique(equalised(deep, clip_limit=40.0))) > 25


def test_brighter_stays_brighter() -> None:
    found = equalised(tiled(np.arange(0, 65536, 2048)), clip_limit=3.0)
    assert np.diff(found.reshape(64, 8, 32).astype(int), axis=2).min() > 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (9, 7), (8, 8)])
def test_small_images(shape: tuple[int, int]) -> None:
    image = np.arange(shape[0] * shape[1], dtype=np.uint16).reshape(shape) * 500
    assert equalised(image, clip_limit=2.0).shape == shape


def test_an_even_image_stays_even() -> None:
    found = equalised(np.full((64, 64), 30000, np.uint16), clip_limit=2.0)
    assert found.max() - found.min() == 0

import numpy as np
import pytest

from lucency.datasets.model_input import grey_image, model_input, normalised, square_image


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(40, 60), (100, 100), (10, 90)])
def test_any_image_becomes_a_normalised_square(channels: int, shape: tuple[int, int]) -> None:
    inputs = model_input(np.full(shape, 114, np.uint8), size=64, channels=channels)
    assert inputs.shape == (channels, 64, 64) and inputs.dtype == np.float32
    mean, std = {1: (0.449, 0.226), 3: (0.485, 0.229)}[channels]
    assert inputs[0] == pytest.approx((114 / 255 - mean) / std, abs=1e-5)


def test_reducing_averages_so_that_thin_lines_stay() -> None:
    image = np.zeros((128, 128), np.uint8)
    image[:, 65] = 255
    assert square_image(image, size=32)[:, 16].min() >= 60


@pytest.mark.parametrize("place", range(100, 110))
@pytest.mark.parametrize("wide", [True, False], ids=["wide", "tall"])
def test_a_thin_line_stays_where_only_one_side_shrinks(place: int, wide: bool) -> None:
    image = np.full((20, 400), 200, np.uint8)
    image[:, place] = 0
    square = square_image(image if wide else image.T, size=64)
    assert square.shape == (64, 64)
    assert square.min() <= 180


def test_an_image_of_the_right_size_passes_unchanged() -> None:
    image = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64).astype(np.uint8)
    assert square_image(image, size=64) is image


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint16), np.zeros((0, 4), np.uint8)],
    ids=["colour", "16 bits", "empty"],
)
def test_other_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"must be uint8 \(h, w\)"):
        square_image(image, size=32)


def test_black_and_white_are_where_they_belong() -> None:
    grey = normalised(np.array([[0, 255]], np.uint8), channels=1)
    assert grey.ravel() == pytest.approx([-0.449 / 0.226, 0.551 / 0.226], abs=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_a_network_saw_can_be_looked_at(channels: int) -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(grey_image(normalised(image, channels=channels)), image)

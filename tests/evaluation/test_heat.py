"""Heat in pixels of the stored image, and as a picture."""

import numpy as np
import pytest

from lucency.configs.display import DisplaySpec
from lucency.datasets.display import Displayed
from lucency.datasets.radiographs import Radiograph
from lucency.evaluation.heat import blend_heat, stored_heat, with_title


@pytest.fixture
def radiograph() -> Radiograph:
    pixels = np.full((60, 100), 80, dtype=np.uint8)
    pixels[:, 50:] = 160
    return Radiograph(pixels, bits=8, kind="png")


def test_a_map_lies_where_the_model_looked(radiograph: Radiograph) -> None:
    shown = Displayed(np.zeros((20, 30), np.uint8), (20, 10, 80, 50))  # cropped and halved
    heat = np.zeros((4, 4), dtype=np.float32)
    heat[3, 0] = 8.0
    stored = stored_heat(heat, shown, radiograph)
    assert stored.shape == (60, 100)
    assert stored.max() == pytest.approx(1.0)
    assert np.argwhere(stored == stored.max()).mean(axis=0) == pytest.approx([47, 24], abs=3)
    stored[10:50, 20:80] = 0
    assert not stored.any()


def test_a_map_without_heat_stays_so(radiograph: Radiograph) -> None:
    shown = Displayed(radiograph.pixels, (0, 0, 100, 60))
    stored = stored_heat(np.zeros((7, 7), np.float32), shown, radiograph)
    np.testing.assert_array_equal(stored, np.zeros((60, 100)))


def test_heat_colours_the_whole_image_at_its_size(radiograph: Radiograph) -> None:
    heat = np.zeros((60, 100), dtype=np.float32)
    heat[10:20, 60:70] = 1.0
    spec = DisplaySpec(crop="body", longest_side=50)
    picture = blend_heat(radiograph, heat, spec)
    assert picture.shape == (60, 100, 3)
    np.testing.assert_array_equal(picture[40, 10], [80, 80, 80])
    assert np.ptp(picture[15, 65].astype(int)) > 30


@pytest.mark.parametrize("width", [24, 224, 3000], ids=["tiny", "small", "large"])
def test_the_title_stands_above_and_fits(width: int) -> None:
    picture = np.full((10, width, 3), 7, dtype=np.uint8)
    titled = with_title(picture, ["a long label of a class 0.987", "threshold 0.5"])
    assert titled.shape[1] == width
    np.testing.assert_array_equal(titled[-10:], picture)
    strip = titled[:-10].min(axis=2)
    assert (strip < 100).any()  # letters
    assert (strip[:, -1] > 200).all()  # none of them is cut off

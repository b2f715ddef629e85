import io

import numpy as np
import pytest
from PIL import Image

from lucency.datasets.picture_colours import coloured_share
from lucency.datasets.radiographs import decode_radiograph

RAMP = np.linspace(0, 255, 64 * 64).reshape(64, 64)


def picture(red: float, green: float, blue: float) -> np.ndarray:
    """A ramp in one tint."""
    return np.stack([RAMP * red, RAMP * green, RAMP * blue], axis=-1).astype(np.uint8)


def four_colours() -> np.ndarray:
    pixels = picture(1, 1, 1)
    pixels[:32, :32] = (200, 60, 40)
    pixels[:32, 32:] = (40, 60, 200)
    return pixels


@pytest.mark.parametrize(
    "pixels",
    [picture(1, 1, 1), picture(0.6, 0.8, 1), np.zeros((1, 1, 3), np.uint8)],
    ids=["grey", "blue-film", "one-pixel"],
)
def test_grey_and_tinted_pictures_have_no_colour(pixels: np.ndarray) -> None:
    assert coloured_share(pixels) == 0.0


def test_colours_are_counted() -> None:
    assert coloured_share(four_colours()) > 0.2


def test_a_marker_is_little() -> None:
    pixels = picture(1, 1, 1)
    pixels[:6, :20] = (255, 230, 0)
    assert 0.0 < coloured_share(pixels) < 0.05


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize(
    ("pixels", "least", "most"),
    [(four_colours(), 0.2, 1.0), (picture(1, 1, 1), 0.0, 0.0), (RAMP.astype(np.uint8), 0.0, 0.0)],
    ids=["coloured", "grey-as-colour", "grey"],
)
def test_decoding_keeps_the_share(kind: str, pixels: np.ndarray, least: float, most: float) -> None:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    assert least <= decode_radiograph(file.getvalue(), name="x").colour <= most

from pathlib import Path

import numpy as np
import pytest

from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ImageError
from lucency.datasets.display import display
from lucency.datasets.radiographs import Greyscale, Lut, Radiograph, Window, read_radiograph
from lucency.datasets.viewing import Viewed, viewed

RAMP_12 = np.arange(4096, dtype=np.uint16).reshape(64, 64)
RAMP_8 = np.arange(256, dtype=np.uint8).reshape(16, 16)


def as_shown(view: Viewed) -> np.ndarray:
    """What a viewer shows at first, in grey levels of 255."""
    shades = np.clip((view.grey.astype(float) - view.low) / (view.high - view.low), 0, 1)
    return 255 * (1 - shades if view.inverted else shades)


def check_as_displayed(radiograph: Radiograph, *, most: float = 1.0) -> Viewed:
    view = viewed(radiograph)
    expected = display(radiograph, DisplaySpec()).image
    assert view.grey.dtype == np.uint16
    assert int(view.grey.max()) < 2**view.bits
    assert view.low < view.high
    assert np.abs(as_shown(view) - expected).max() <= most
    return view


GREYSCALES = {
    "none": Greyscale(),
    "monochrome1": Greyscale(inverted=True),
    "window": Greyscale(windows=(Window(2000, 900),)),
    "window-and-inverted": Greyscale(windows=(Window(2000, 900),), inverted=True),
    "window-beyond-the-values": Greyscale(windows=(Window(0, 9000, "LINEAR_EXACT"),)),
    "rescaled": Greyscale(slope=0.5, intercept=-100, windows=(Window(700, 500),)),
    "falling-slope": Greyscale(slope=-1.0, intercept=4095, windows=(Window(2000, 900),)),
    "sigmoid": Greyscale(windows=(Window(2000, 900, "SIGMOID"),)),
    "step": Greyscale(windows=(Window(2000, 1),)),
    "two-levels-wide": Greyscale(windows=(Window(2000, 2),)),
    "voi-lut": Greyscale(voi_luts=(Lut(0, (RAMP_12.ravel() ** 2 // 4096).astype(np.uint16), 12),)),
    "modality-lut": Greyscale(modality_lut=Lut(0, RAMP_12.ravel()[::-1].copy(), 12)),
}


@pytest.mark.parametrize("greyscale", GREYSCALES.values(), ids=GREYSCALES.keys())
@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32"])
def test_shown_as_the_display_function_does(greyscale: Greyscale, dtype: str) -> None:
    check_as_displayed(Radiograph(RAMP_12.astype(dtype), 12, "dicom", greyscale=greyscale))


@pytest.mark.parametrize("inverted", [False, True])
def test_eight_bits_are_left_as_they_are(inverted: bool) -> None:
    radiograph = Radiograph(RAMP_8, 8, "png", greyscale=Greyscale(inverted=inverted))
    view = check_as_displayed(radiograph, most=1e-9)
    assert np.array_equal(view.grey, RAMP_8)
    assert (view.bits, view.low, view.high, view.inverted) == (8, 0.0, 255.0, inverted)


def test_a_window_of_the_file_becomes_its_two_ends() -> None:
    greyscale = Greyscale(windows=(Window(2000, 1000, "LINEAR_EXACT"),), inverted=True)
    view = viewed(Radiograph(RAMP_12, 12, "dicom", greyscale=greyscale))
    assert np.array_equal(view.grey, RAMP_12)
    assert (view.bits, view.low, view.high, view.inverted) == (12, 1500.0, 2500.0, True)


def test_negative_values_are_moved_and_their_window_with_them() -> None:
    pixels = RAMP_12.astype(np.int16) - 1000
    greyscale = Greyscale(windows=(Window(500, 200, "LINEAR_EXACT"),))
    view = check_as_displayed(Radiograph(pixels, 12, "dicom", greyscale=greyscale))
    assert np.array_equal(view.grey, RAMP_12)
    assert (view.low, view.high) == (1400.0, 1600.0)


def test_more_levels_than_16_bits_hold() -> None:
    pixels = RAMP_12.astype(np.int32) * 500_000 - 1_000_000_000
    view = check_as_displayed(Radiograph(pixels, 32, "dicom"))
    assert (view.bits, view.low, view.high) == (16, 0.0, 65535.0)


@pytest.mark.parametrize("base", [-(2**31), 2**31 - 5000], ids=["lowest", "highest"])
def test_few_levels_far_from_zero(base: int) -> None:
    pixels = (RAMP_12.astype(np.int64) + base).astype(np.int32)
    view = check_as_displayed(Radiograph(pixels, 32, "dicom"))
    assert np.array_equal(view.grey, RAMP_12)


@pytest.mark.parametrize("inverted", [False, True])
def test_padding_is_black_in_every_window(inverted: bool) -> None:
    padded = np.pad(RAMP_12 + np.uint16(100), ((0, 0), (0, 8)), constant_values=2000)
    radiograph = Radiograph(
        padded, 13, "dicom", greyscale=Greyscale(inverted=inverted), padding=(2000, 2000)
    )
    view = check_as_displayed(radiograph)
    assert set(view.grey[:, 64:].ravel()) == {2**13 - 1 if inverted else 0}


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((1, 1), np.uint8), np.full((5, 7), 3000, np.uint16), np.full((5, 7), -4, np.int16)],
    ids=["one-pixel", "constant", "negative"],
)
def test_images_of_one_grey(pixels: np.ndarray) -> None:
    view = check_as_displayed(Radiograph(pixels, 8 * pixels.dtype.itemsize, "dicom"))
    assert view.grey.shape == pixels.shape


def test_reduction_averages_areas_and_keeps_the_stored_size() -> None:
    pixels = np.zeros((200, 100), np.uint16)
    pixels[::2] = 1000
    view = viewed(Radiograph(pixels, 12, "png"), longest_side=100)
    assert view.grey.shape == (100, 50)
    assert view.stored_wh == (100, 200)
    assert set(view.grey.ravel()) == {500}
    assert viewed(Radiograph(pixels, 12, "png"), longest_side=4096).grey.shape == (200, 100)


def test_the_pixels_are_not_altered() -> None:
    pixels = RAMP_12.copy()
    viewed(Radiograph(pixels, 12, "dicom", padding=(0, 9)), longest_side=32)
    assert np.array_equal(pixels, RAMP_12)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("pattern", "least"),
    [("dicom/*.dcm", 8), ("fracatlas/images/Fractured/*.jpg", 2), ("tb_sites/images/*", 3)],
    ids=["dicom", "fracatlas", "tb-sites"],
)
def test_real_images_are_shown_as_displayed(lucency_data: Path, pattern: str, least: int) -> None:
    seen = 0
    for path in sorted(lucency_data.glob(pattern))[: 2 * least]:
        try:
            radiograph = read_radiograph(path)
        except ImageError:  # one of the DICOM files departs from the standard
            continue
        check_as_displayed(radiograph)
        seen += 1
    assert seen >= least

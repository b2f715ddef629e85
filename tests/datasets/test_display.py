import numpy as np
import pytest

from lucency.configs.display import DisplaySpec
from lucency.datasets.display import display, reduce_to
from lucency.datasets.radiographs import Greyscale, Lut, Radiograph, Window

RAMP_12 = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def shown(
    pixels: np.ndarray, greyscale: Greyscale | None = None, *, bits: int = 12, **spec: object
) -> np.ndarray:
    radiograph = Radiograph(pixels, bits, "dicom", greyscale=greyscale or Greyscale())
    return display(radiograph, DisplaySpec.model_validate(spec)).image


def test_eight_bits_without_a_window_pass_unchanged() -> None:
    pixels = np.random.default_rng(0).integers(0, 200, (30, 40), dtype=np.uint8)
    assert np.array_equal(shown(pixels, bits=8), pixels)
    assert np.array_equal(shown(pixels, Greyscale(inverted=True), bits=8), 255 - pixels)


@pytest.mark.parametrize("bits", [12, 16])
def test_deeper_pixels_without_a_window_fill_the_whole_range(bits: int) -> None:
    image = shown(RAMP_12 + 100, bits=bits)
    assert (image[0, 0], image[-1, -1]) == (0, 255)
    assert np.all(np.diff(image.ravel().astype(int)) >= 0)


@pytest.mark.parametrize("method", ["as_displayed", "percentile"])
@pytest.mark.parametrize(
    "pixels",
    [
        np.full((5, 7), 9, np.uint8),
        np.full((5, 7), 3000, np.uint16),
        np.full((5, 7), -40, np.int16),
        np.zeros((1, 1), np.uint16),
        np.full((5, 7), 2**30, np.int32),
    ],
    ids=["uint8", "uint16", "int16", "one-pixel", "int32"],
)
def test_a_constant_image_is_one_grey(pixels: np.ndarray, method: str) -> None:
    image = shown(pixels, bits=pixels.dtype.itemsize * 8, method=method)
    assert image.shape == pixels.shape
    assert image.dtype == np.uint8
    assert len(np.unique(image)) == 1


@pytest.mark.parametrize("method", ["as_displayed", "percentile"])
def test_signed_pixels_show_as_the_same_unsigned_ones(method: str) -> None:
    signed = RAMP_12.astype(np.int16) - 2048
    assert np.array_equal(shown(signed, method=method), shown(RAMP_12, method=method))


def test_more_levels_than_a_table_holds() -> None:
    wide = RAMP_12.astype(np.int32) * 500_000 - 1_000_000_000
    assert np.array_equal(shown(wide, bits=32), shown(RAMP_12))
    assert np.array_equal(
        shown(wide, bits=32, method="percentile"), shown(RAMP_12, method="percentile")
    )


@pytest.mark.parametrize(
    ("window", "formula"),
    [
        # DICOM PS3.3 C.11.2.1.2.1, C.11.2.1.3.2 and C.11.2.1.3.1, as they stand there
        (Window(1000, 400), lambda x: (x - (1000 - 0.5)) / (400 - 1) + 0.5),
        (Window(1000, 400, "LINEAR_EXACT"), lambda x: (x - 1000) / 400 + 0.5),
        (Window(1000, 400, "SIGMOID"), lambda x: 1 / (1 + np.exp(-4 * (x - 1000) / 400))),
        (Window(1000, 1), lambda x: np.where(x > 999.5, 1.0, 0.0)),
        (Window(0, 1e-3, "SIGMOID"), lambda x: np.where(x > 0, 1.0, 0.5)),
    ],
    ids=["linear", "linear-exact", "sigmoid", "narrowest", "steep-sigmoid"],
)
def test_window_functions(window: Window, formula: object) -> None:
    assert callable(formula)
    expected = np.clip(formula(RAMP_12.astype(np.float64)), 0, 1) * 255
    image = shown(RAMP_12, Greyscale(window=window))
    assert np.abs(image - expected).max() <= 0.5 + 1e-9


def test_rescale_comes_before_the_window() -> None:
    rescaled = Greyscale(slope=2.0, intercept=-100.0, window=Window(1000, 400, "LINEAR_EXACT"))
    plain = Greyscale(window=Window(550, 200, "LINEAR_EXACT"))
    assert np.array_equal(shown(RAMP_12, rescaled), shown(RAMP_12, plain))


def test_modality_lut_then_voi_lut_then_inversion() -> None:
    modality = Lut(10, np.array([0, 100, 200], np.uint16), 8)
    voi = Lut(100, np.array([5, 9, 255], np.uint16), 8)
    pixels = np.array([[0, 10, 11, 12, 4000]], np.uint16)
    image = shown(pixels, Greyscale(modality_lut=modality, voi_lut=voi, inverted=True))
    # Inputs outside a table take its first or last entry: 0 → 0 → 5; 12 → 200 → 255.
    assert image.tolist() == [[250, 250, 250, 0, 0]]


def test_a_voi_lut_goes_before_a_window() -> None:
    voi = Lut(0, np.arange(4096, dtype=np.uint16), 12)
    both = Greyscale(voi_lut=voi, window=Window(10, 5))
    assert np.array_equal(shown(RAMP_12, both), shown(RAMP_12, Greyscale(voi_lut=voi)))
    assert shown(RAMP_12, both)[-1, -1] == 255


def test_a_modality_lut_need_not_be_monotonic() -> None:
    lut = Lut(0, np.arange(4096, dtype=np.uint16)[::-1].copy(), 12)
    reversed_ = shown(RAMP_12, Greyscale(modality_lut=lut))
    assert np.array_equal(reversed_, shown(4095 - RAMP_12))
    percentile = shown(RAMP_12, Greyscale(modality_lut=lut), method="percentile")
    assert np.array_equal(percentile, shown(4095 - RAMP_12, method="percentile"))


@pytest.mark.parametrize("greyscale", [Greyscale(), Greyscale(window=Window(600, 900))])
def test_monochrome1_is_the_negative(greyscale: Greyscale) -> None:
    inverted = Greyscale(window=greyscale.window, inverted=True)
    difference = shown(RAMP_12, inverted).astype(int) + shown(RAMP_12, greyscale)
    assert np.abs(difference - 255).max() <= 1  # rounding at halves


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
@pytest.mark.parametrize(("low", "high"), [(0.5, 99.5), (0, 100), (2, 70)])
def test_percentiles_are_those_of_numpy(dtype: type, low: float, high: float) -> None:
    pixels = np.random.default_rng(1).gamma(2.0, 25.0, (50, 60)).clip(0, 250).astype(dtype)
    bottom, top = np.percentile(pixels, [low, high])
    expected = np.rint(np.clip((pixels - bottom) / (top - bottom), 0, 1) * 255)
    image = shown(pixels, bits=8 * pixels.dtype.itemsize, method="percentile", low=low, high=high)
    assert np.array_equal(image, expected)


def test_percentiles_ignore_the_window() -> None:
    windowed = shown(RAMP_12, Greyscale(window=Window(10, 2)), method="percentile")
    assert np.array_equal(windowed, shown(RAMP_12, method="percentile"))


def test_percentiles_that_meet_give_way_to_the_whole_range() -> None:
    pixels = np.full((100, 100), 7, np.uint16)
    pixels[0, 0] = 1000
    assert sorted(set(shown(pixels, method="percentile").ravel())) == [0, 255]


@pytest.mark.parametrize(
    ("shape", "longest_side", "expected"),
    [
        ((100, 200), 50, (25, 50)),
        ((200, 100), 50, (50, 25)),
        ((64, 64), 64, (64, 64)),
        ((40, 30), 64, (40, 30)),
        ((1, 5000), 32, (1, 32)),
    ],
    ids=["wide", "tall", "equal", "smaller", "thin"],
)
def test_reduction(shape: tuple[int, int], longest_side: int, expected: tuple[int, int]) -> None:
    assert reduce_to(np.zeros(shape, np.uint8), longest_side=longest_side).shape == expected


def test_reduction_keeps_a_thin_line_visible() -> None:
    image = np.full((512, 512), 200, np.uint8)
    image[:, 101] = 0
    reduced = shown(image, bits=8, longest_side=64)
    assert reduced.shape == (64, 64)
    assert reduced[:, 12].max() < 180
    assert set(np.delete(reduced, 12, axis=1).ravel()) == {200}


def test_the_input_is_not_altered() -> None:
    pixels = RAMP_12.copy()
    shown(pixels, Greyscale(inverted=True), method="percentile", longest_side=32)
    assert np.array_equal(pixels, RAMP_12)

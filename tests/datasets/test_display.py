from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from lucency.configs.display import DisplaySpec
from lucency.datasets.display import display, reduce_to
from lucency.datasets.radiographs import Greyscale, Lut, Radiograph, Window, read_radiograph

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
    image = shown(RAMP_12, Greyscale(windows=(window,)))
    assert np.abs(image - expected).max() <= 0.5 + 1e-9


def test_rescale_comes_before_the_window() -> None:
    rescaled = Greyscale(slope=2.0, intercept=-100.0, windows=(Window(1000, 400, "LINEAR_EXACT"),))
    plain = Greyscale(windows=(Window(550, 200, "LINEAR_EXACT"),))
    assert np.array_equal(shown(RAMP_12, rescaled), shown(RAMP_12, plain))


def test_modality_lut_then_voi_lut_then_inversion() -> None:
    modality = Lut(10, np.array([0, 100, 200], np.uint16), 8)
    voi = Lut(100, np.array([5, 9, 255], np.uint16), 8)
    pixels = np.array([[0, 10, 11, 12, 4000]], np.uint16)
    image = shown(pixels, Greyscale(modality_lut=modality, voi_luts=(voi,), inverted=True))
    # Inputs outside a table take its first or last entry: 0 → 0 → 5; 12 → 200 → 255.
    assert image.tolist() == [[250, 250, 250, 0, 0]]


def test_a_voi_lut_goes_before_a_window() -> None:
    voi = Lut(0, np.arange(4096, dtype=np.uint16), 12)
    both = Greyscale(voi_luts=(voi,), windows=(Window(10, 5),))
    assert np.array_equal(shown(RAMP_12, both), shown(RAMP_12, Greyscale(voi_luts=(voi,))))
    assert shown(RAMP_12, both)[-1, -1] == 255


def test_a_modality_lut_need_not_be_monotonic() -> None:
    lut = Lut(0, np.arange(4096, dtype=np.uint16)[::-1].copy(), 12)
    reversed_ = shown(RAMP_12, Greyscale(modality_lut=lut))
    assert np.array_equal(reversed_, shown(4095 - RAMP_12))
    percentile = shown(RAMP_12, Greyscale(modality_lut=lut), method="percentile")
    assert np.array_equal(percentile, shown(4095 - RAMP_12, method="percentile"))


@pytest.mark.parametrize("greyscale", [Greyscale(), Greyscale(windows=(Window(600, 900),))])
def test_monochrome1_is_the_negative(greyscale: Greyscale) -> None:
    inverted = Greyscale(windows=greyscale.windows, inverted=True)
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
    windowed = shown(RAMP_12, Greyscale(windows=(Window(10, 2),)), method="percentile")
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


def test_a_12_bit_png_keeps_all_its_levels_up_to_the_display(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(RAMP_12).save(path)
    radiograph = read_radiograph(path)
    assert np.array_equal(radiograph.pixels, RAMP_12)
    # A window of a sixteenth of the range fills 8 bits. Ultralytics opens images as OpenCV does,
    # which leaves 16 grey levels of the 4,096, so one in the same place.
    narrow = DisplaySpec(method="percentile", low=50.0, high=50.0 + 100 / 16)
    assert len(np.unique(display(radiograph, narrow).image)) == 256
    others = cv2.imread(str(path))
    assert others is not None and len(np.unique(others)) == 16


def test_monochrome1_has_the_same_percentiles_black_and_white() -> None:
    plain = shown(RAMP_12, method="percentile", low=0.5, high=90.0)
    inverted = shown(
        4095 - RAMP_12, Greyscale(inverted=True), method="percentile", low=0.5, high=90.0
    )
    assert np.abs(plain.astype(int) - inverted).max() <= 1
    assert (plain == 255).mean() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("inverted", [False, True], ids=["monochrome2", "monochrome1"])
@pytest.mark.parametrize("method", ["as_displayed", "percentile"])
@pytest.mark.parametrize("value", [0, 60000], ids=["low", "high"])
def test_padding_is_black_and_not_measured(value: int, method: str, inverted: bool) -> None:
    pixels = RAMP_12 + np.uint16(1000)
    padded = np.pad(pixels, ((0, 0), (0, 40)), constant_values=value)
    greyscale = Greyscale(inverted=inverted)
    spec = DisplaySpec.model_validate({"method": method})
    image = display(
        Radiograph(padded, 16, "dicom", greyscale=greyscale, padding=(value, value)), spec
    ).image
    assert np.array_equal(image[:, :64], shown(pixels, greyscale, bits=16, method=method))
    assert set(image[:, 64:].ravel()) == {0}


def test_nothing_but_padding_is_black() -> None:
    radiograph = Radiograph(np.full((4, 4), 7, np.uint16), 16, "dicom", padding=(5, 9))
    assert not display(radiograph, DisplaySpec()).image.any()


def test_a_window_of_the_file_says_where_padding_goes() -> None:
    radiograph = Radiograph(
        RAMP_12,
        12,
        "dicom",
        greyscale=Greyscale(windows=(Window(2048, 4096),)),
        padding=(4000, 4095),
    )
    assert display(radiograph, DisplaySpec()).image[-1, -1] == 255


@pytest.mark.parametrize(("view", "chosen"), [(0, 0), (1, 1), (2, 0)])
def test_one_of_several_views_is_applied(view: int, chosen: int) -> None:
    windows = (Window(1000, 400), Window(3000, 800))
    image = shown(RAMP_12, Greyscale(windows=windows), view=view)
    assert np.array_equal(image, shown(RAMP_12, Greyscale(windows=(windows[chosen],))))


def framed() -> np.ndarray:
    """A bright square on a noisy background within a white margin, 12 bits."""
    pixels = np.random.default_rng(5).normal(600, 60, (384, 320)).round().astype(np.uint16)
    pixels[150:260, 120:220] += 1200
    pixels[:, :30] = 4095
    pixels[-24:] = 4095
    return pixels


def test_percentiles_are_measured_inside_the_crop() -> None:
    radiograph = Radiograph(framed(), 12, "png")
    spec = DisplaySpec(method="percentile")
    whole = display(radiograph, spec).image
    cropped = display(radiograph, spec.model_copy(update={"crop": "field"}))
    assert cropped.shown == (30, 0, 320, 360)
    assert cropped.image.shape == (360, 290)
    assert whole[150:260, 120:220].mean() < 120
    assert cropped.image[150:260, 90:190].mean() > 220


def test_points_go_into_the_displayed_image_and_back() -> None:
    radiograph = Radiograph(framed(), 12, "png")
    displayed = display(radiograph, DisplaySpec(crop="field", longest_side=180))
    assert displayed.image.shape == (180, 145)
    boxes = np.array([[120.0, 150.0, 220.0, 260.0], [0.0, 0.0, 30.0, 384.0]])
    mapped = displayed.to_displayed(boxes)
    assert mapped.tolist() == [[45.0, 75.0, 95.0, 130.0], [-15.0, 0.0, 0.0, 192.0]]
    assert np.allclose(displayed.to_stored(mapped), boxes)
    assert displayed.to_displayed(np.array([[120.0, 150.0]])).tolist() == [[45.0, 75.0]]


@pytest.mark.parametrize("longest_side", [None, 160])
def test_clahe_comes_last_and_raises_local_contrast(longest_side: int | None) -> None:
    # Faint stripes on a slope from dark to bright.
    pixels = np.tile(np.linspace(1000, 3000, 320), (320, 1))
    pixels[:, (np.arange(320) // 8) % 2 == 0] += 20
    pixels = pixels.astype(np.uint16)
    plain = shown(pixels, method="percentile", longest_side=longest_side)
    raised = shown(pixels, method="percentile", longest_side=longest_side, clahe=4.0)
    assert raised.shape == plain.shape
    assert raised.dtype == np.uint8
    step = np.abs(np.diff(raised[100].astype(int))).max()
    assert step >= 2 * np.abs(np.diff(plain[100].astype(int))).max()


def test_percentiles_of_a_large_image_are_those_of_a_sample_and_nearly_the_same() -> None:
    rows, columns = np.mgrid[0:2600, 0:2000]
    pixels = (rows * 20 + columns * 3 + (rows * columns) % 97).astype(np.uint16)
    found = shown(pixels, bits=16, method="percentile", low=1, high=99)
    low, high = np.percentile(pixels, [1, 99])
    exact = np.rint(np.clip((pixels - low) / (high - low), 0, 1) * 255)
    assert np.abs(found - exact).max() <= 1


@pytest.mark.parametrize("row", [0, 1, 5, 2599])
def test_no_pixel_is_passed_over_for_the_whole_range(row: int) -> None:
    pixels = np.full((2600, 2000), 300, dtype=np.uint16)
    pixels[row, 7], pixels[row, 8] = 100, 900
    for spec in ({"method": "as_displayed"}, {"method": "percentile", "low": 0, "high": 100}):
        found = shown(pixels, bits=16, **spec)
        assert (found[row, 7], found[row, 8], found[700, 700]) == (0, 255, 64)
    # One value fills nearly all of it, so that the percentiles meet.
    found = shown(pixels, bits=16, method="percentile")
    assert (found[row, 7], found[row, 8]) == (0, 255)

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lucency.annotations.formats import format_by_name
from lucency.annotations.ledger import Ledger
from lucency.annotations.sources import Source
from lucency.datasets import field
from lucency.datasets.field import Crop, find_crop
from lucency.datasets.parallel import in_order
from lucency.datasets.phantoms import make_chests, make_limbs
from lucency.datasets.radiographs import Greyscale, Lut, Radiograph, read_radiograph

Pixels = NDArray[np.uint16]
Part = tuple[int, int, int, int]


def limb(*, left: int = 0, bottom: int = 0) -> Pixels:
    """A limb from the top edge down to y = 260, x 120 to 200, in a dark, noisy background.

    384 by 300 pixels, 12 bits, with white margins.
    """
    pixels = np.random.default_rng(3).normal(500, 15, (384, 300))
    pixels[:260, 120:200] += 300
    pixels[:250, 145:175] += 900
    pixels[:, :left] = 4000
    pixels[384 - bottom :] = 4000
    return pixels.round().astype(np.uint16)


def crop_of(pixels: NDArray[np.generic], crop: Crop, **more: object) -> Part:
    return find_crop(Radiograph(pixels, 16, "png", **more), crop)  # type: ignore[arg-type]


def test_without_a_crop_everything_is_shown() -> None:
    assert crop_of(limb(left=30), "none") == (0, 0, 300, 384)


def test_white_margins_are_cut_off() -> None:
    assert crop_of(limb(left=30, bottom=20), "field") == (30, 0, 300, 364)


def test_margins_one_within_the_other_are_cut_off() -> None:
    framed = np.pad(limb(left=30), 20, constant_values=0)
    framed = np.pad(framed, 16, constant_values=4000)
    x1, y1, x2, y2 = crop_of(framed, "field")
    # The copy is a little smaller than the image, so a line more may be kept.
    assert 64 <= x1 <= 66
    assert (y1, x2, y2) == pytest.approx((36, 336, 420), abs=2)


def test_the_body_is_framed_with_a_margin() -> None:
    x1, y1, x2, y2 = crop_of(limb(left=30, bottom=20), "body")
    assert y1 == 0
    assert 95 <= x1 <= 115
    assert 205 <= x2 <= 225
    assert 265 <= y2 <= 285


def test_a_letter_beside_the_body_does_not_hold_the_margin() -> None:
    pixels = limb()
    pixels[360:372, 280:288] = 3500
    assert crop_of(pixels, "body") == crop_of(limb(), "body")


def test_a_dim_finger_is_kept() -> None:
    pixels = limb()
    pixels[255:330, 150:165] += 60  # a fifth of the soft tissue's contrast, four times the noise
    assert crop_of(pixels, "body")[3] >= 330


@pytest.mark.parametrize("degrees", [-3.0, 2.0])
def test_margins_that_lie_askew_cost_no_body(degrees: float) -> None:
    turn = cv2.getRotationMatrix2D((150, 192), degrees, 1.0)
    askew = cv2.warpAffine(limb(left=40, bottom=40), turn, (300, 384), borderValue=4000)
    x1, y1, x2, y2 = crop_of(np.asarray(askew), "field")
    assert (x2 - x1) * (y2 - y1) > 0.7 * 300 * 384
    assert x1 <= 105 and x2 >= 215 and y2 >= 275


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((400, 300), 900, np.uint16),
        np.zeros((400, 300), np.uint16),
        np.random.default_rng(0).integers(0, 4096, (400, 300), dtype=np.uint16),
        np.tile(np.linspace(0, 4000, 300).astype(np.uint16), (400, 1)),
        limb()[:20, 100:130],
        np.array([[7]], np.uint16),
        limb()[:1],
    ],
    ids=["even", "black", "noise", "slope", "tiny", "one-pixel", "one-line"],
)
@pytest.mark.parametrize("crop", ["field", "body"])
def test_what_is_not_understood_is_kept(pixels: Pixels, crop: Crop) -> None:
    height, width = pixels.shape
    x1, y1, x2, y2 = crop_of(pixels, crop)
    assert (x2 - x1) * (y2 - y1) >= 0.9 * height * width


@pytest.mark.parametrize("crop", ["field", "body"])
@pytest.mark.parametrize(
    ("pixels", "greyscale"),
    [
        (4095 - limb(left=30), Greyscale(inverted=True)),
        (4095 - limb(left=30), Greyscale(slope=-1.0, intercept=4095.0)),
        (
            4095 - limb(left=30),
            Greyscale(modality_lut=Lut(0, np.arange(4095, -1, -1, dtype=np.uint16), 12)),
        ),
        (limb(left=30).astype(np.int16) - 2048, Greyscale()),
        (limb(left=30).astype(np.int32) * 100_000, Greyscale()),
    ],
    ids=["monochrome1", "falling-slope", "falling-lut", "signed", "32-bits"],
)
def test_the_same_scene_is_cropped_alike(
    pixels: NDArray[np.generic], greyscale: Greyscale, crop: Crop
) -> None:
    assert crop_of(pixels, crop, greyscale=greyscale) == crop_of(limb(left=30), crop)


def test_a_body_that_is_dark_beside_a_white_margin_is_kept() -> None:
    pixels = (limb() // 20).astype(np.uint16)  # up to 90 of 4,095
    pixels[-60:] = 4095
    x1, _, x2, y2 = crop_of(pixels, "field")
    assert x1 <= 120 and x2 >= 200 and y2 >= 260


def test_padding_is_a_margin() -> None:
    padded = np.pad(limb(), ((0, 0), (0, 100)), constant_values=65535)
    x1, _, x2, _ = crop_of(padded, "field", padding=(65535, 65535))
    assert (x1, x2) == pytest.approx((0, 300), abs=2)


def test_a_large_image_is_cropped_like_a_small_one() -> None:
    small = crop_of(limb(left=30, bottom=20), "body")
    large = crop_of(np.kron(limb(left=30, bottom=20), np.ones((6, 6), np.uint16)), "body")
    assert np.abs(np.array(large) / 6 - small).max() <= 3


@pytest.mark.parametrize("make", [make_limbs, make_chests], ids=["limbs", "chests"])
def test_no_finding_of_a_phantom_is_cut(make: object) -> None:
    assert callable(make)
    found = 0
    for phantom in make(12, seed=5, size=256):
        x1, y1, x2, y2 = crop_of(phantom.pixels, "body")
        for finding in phantom.findings:
            box = finding.box
            assert x1 <= box.x1 and y1 <= box.y1 and box.x2 <= x2 and box.y2 <= y2
            found += 1
    assert found > 10


def shades(count: int) -> NDArray[np.float32]:
    return np.random.default_rng(count).random(count, dtype=np.float32)


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 201, 1000, 12_345])
def test_the_percentiles_are_those_of_numpy(count: int) -> None:
    low, high = np.percentile(shades(count), [0.5, 99.5])
    assert field._limits(shades(count)) == (float(low), float(high))


@pytest.mark.parametrize("count", [1, 2, 3, 100, 101])
def test_the_median_is_that_of_numpy(count: int) -> None:
    assert field._median(shades(count)) == float(np.median(shades(count)))


def test_no_values_have_no_median() -> None:
    assert field._median(shades(0)) == np.inf


def test_the_shares_of_the_lines_begin_outside() -> None:
    mask = np.random.default_rng(1).random((30, 41)) < 0.3
    across, down = mask.mean(axis=0), mask.mean(axis=1)
    expected = (across, down, across[::-1], down[::-1])
    for found, share in zip(field._shares(mask), expected, strict=True):
        np.testing.assert_array_equal(found, share)


@pytest.mark.parametrize(
    ("clear", "expected"),
    [
        ((0, 1), (5, 4, 33, 44)),
        ((0,), (5, 4, 15, 24)),
        ((1,), (25, 30, 33, 44)),
        ((2,), None),
        ((), None),
    ],
    ids=["both", "first", "second", "speck", "none"],
)
def test_the_box_holds_all_parts_that_stand_out_clearly(
    clear: tuple[int, ...], expected: Part | None
) -> None:
    boxes = ((5, 4, 15, 24), (25, 30, 33, 44), (45, 2, 48, 5))
    mask, clearly = np.zeros((60, 100), dtype=np.bool_), np.zeros((60, 100), dtype=np.bool_)
    for number, (x1, y1, x2, y2) in enumerate(boxes):
        mask[y1:y2, x1:x2] = True
        clearly[y1:y2, x1:x2] = number in clear
    assert field._box_around(mask, clearly) == expected


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("annotations", "images", "boxes", "kept"),
    [
        ("fracatlas/annotations/voc", "fracatlas/images/Fractured", 855, (0.70, 0.85)),
        ("tbx11k/annotations/voc", "tbx11k/images/train", 902, (0.99, 1.0)),
    ],
    ids=["fracatlas", "tbx11k"],
)
def test_no_finding_is_cut(
    lucency_data: Path, annotations: str, images: str, boxes: int, kept: tuple[float, float]
) -> None:
    found = {
        Path(annotation.image).stem: annotation
        for annotation in format_by_name("voc")
        .reader()
        .read(Source(lucency_data / annotations), Ledger())
    }

    def shown(path: Path) -> tuple[float, list[float]]:
        radiograph = read_radiograph(path)
        x1, y1, x2, y2 = find_crop(radiograph, "body")
        width, height = radiograph.size_wh
        annotation = found[path.stem]
        assert annotation.size_wh is not None
        scale = width / annotation.size_wh[0]
        cuts = []
        for finding in annotation.findings:
            box = finding.box.scaled(scale, scale).clipped(width, height)
            cuts.append(max(x1 - box.x1, y1 - box.y1, box.x2 - x2, box.y2 - y2))
        return (x2 - x1) * (y2 - y1) / (width * height), cuts

    results = list(in_order(shown, sorted((lucency_data / images).glob("*.jpg"))))
    cuts = [cut for _, image_cuts in results for cut in image_cuts]
    assert len(cuts) == boxes
    assert max(cuts) <= 2.0
    assert kept[0] <= float(np.median([share for share, _ in results])) <= kept[1]

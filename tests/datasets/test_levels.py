import numpy as np
import pytest

from lucency.datasets import levels
from lucency.datasets.levels import Levels, percentiles


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (np.uint8, 0, 255),
        (np.uint16, 0, 65535),
        (np.int16, -32768, 32767),
        (np.int32, -(2**31), 2**31 - 1),
    ],
)
def test_levels_say_what_each_pixel_is(dtype: type, low: int, high: int) -> None:
    pixels = np.random.default_rng(0).integers(low, high, (30, 41), dtype=dtype, endpoint=True)
    pixels[0, :2] = low, high
    found = Levels.of(pixels)
    assert np.array_equal(found.stored[found.places], pixels)
    counts = found.counts()
    assert counts.sum() == pixels.size
    assert counts[found.stored == low] == (pixels == low).sum()
    table = np.arange(len(found.stored)).astype(np.uint16)
    assert np.array_equal(found.look_up(table), table[found.places])


def test_a_part_of_an_image_will_do() -> None:
    pixels = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    found = Levels.of(pixels[10:20, 5:9])
    assert found.counts().sum() == 40
    assert found.look_up((found.stored >> 8).astype(np.uint8)).tolist() == (
        (pixels[10:20, 5:9] >> 8).tolist()
    )


def test_large_images_are_counted_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "_MOST_COUNTED", 100)
    pixels = np.random.default_rng(1).integers(0, 9, (37, 41), dtype=np.uint16)
    assert Levels.of(pixels).counts()[:9].tolist() == np.bincount(pixels.ravel()).tolist()


@pytest.mark.parametrize("few_pixels", [0, 1 << 20], ids=["by opencv", "by numpy"])
@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (np.uint16, 0, 0),
        (np.uint16, 0, 4095),
        (np.uint16, 0, 4096),
        (np.uint16, 60_000, 65_535),
        (np.int16, -3, 3),
        (np.uint8, 0, 255),
    ],
    ids=["black", "12 bits", "12 bits and one", "bright", "signed", "8 bits"],
)
def test_every_level_is_counted_however_many_bits_are_used(
    dtype: type, low: int, high: int, few_pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(levels, "_FEW_PIXELS", few_pixels)
    pixels = np.random.default_rng(5).integers(low, high, (90, 70), dtype=dtype, endpoint=True)
    pixels[0, :2] = low, high
    found = Levels.of(pixels)
    counts = found.counts()
    assert (counts.shape, counts.dtype) == (found.stored.shape, np.int64)
    occurring, expected = np.unique(pixels, return_counts=True)
    order = np.argsort(found.stored, kind="stable")
    filled = order[counts[order] > 0]
    assert found.stored[filled].tolist() == occurring.tolist()
    assert counts[filled].tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("shape", "every"), [((100, 100), 1), ((101, 100), 2), ((3, 10_000), 3), ((1, 40_000), 4)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_of_large_images_a_sample_of_rows_counts(
    shape: tuple[int, int], every: int, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(levels, "_ENOUGH", 10_000)
    pixels = np.random.default_rng(3).integers(0, 200, shape, dtype=dtype)
    found = Levels.of(pixels)
    expected = np.bincount(pixels[::every].ravel(), minlength=len(found.stored))
    assert found.counts(sampled=True)[:200].tolist() == expected[:200].tolist()
    assert found.counts().sum() == pixels.size


def test_an_older_opencv_looks_up_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Levels.of(np.arange(4096, dtype=np.uint16).reshape(64, 64))
    table = (found.stored >> 4).astype(np.uint8)
    first = found.look_up(table)
    monkeypatch.setattr(levels, "_LOOKS_UP_16_BITS", False)
    assert np.array_equal(found.look_up(table), first)


@pytest.mark.parametrize("ranks", [(0.0, 100.0), (0.5, 99.5), (33.0, 34.0)])
def test_percentiles_of_values_in_any_order(ranks: tuple[float, float]) -> None:
    rng = np.random.default_rng(2)
    values, counts = rng.permutation(50) * 1.5, rng.integers(0, 9, 50)
    expected = np.percentile(np.repeat(values, counts), ranks)
    assert percentiles(values, counts, ranks) == pytest.approx(tuple(expected))

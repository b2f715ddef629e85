import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from lucency.configs.errors import ImageError
from lucency.datasets.perceptual_hash import SIDE, perceptual_hash, thumbnail


def picture(seed: int = 0, side: int = 300) -> np.ndarray:
    """Soft structures of all sizes, 0 to 1."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.random((n, n)), (side, side), interpolation=cv2.INTER_CUBIC) * (8 / n)
        for n in (4, 8, 16, 32)
    ]
    found = np.sum(layers, axis=0)
    return (found - found.min()) / (found.max() - found.min())


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


def test_a_thumbnail_is_of_48_pixels_and_all_grey_levels() -> None:
    found = thumbnail((picture() * 255).astype(np.uint8))
    assert (found.shape, found.dtype) == ((SIDE, SIDE), np.uint8)
    assert found.min() < 20
    assert found.max() > 235


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda p: (p * 4095).astype(np.uint16), id="12-bits"),
        pytest.param(lambda p: (p * 4000 - 2000).astype(np.int16), id="signed"),
        pytest.param(lambda p: (p * 1e6).astype(np.int32), id="32-bits"),
        pytest.param(lambda p: (p**1.5 * 255).astype(np.uint8), id="gamma"),
        pytest.param(lambda p: (p * 90 + 40).astype(np.uint8), id="flat-window"),
        pytest.param(lambda p: cv2.resize(p, (95, 120)) * 255, id="other-shape"),
    ],
)
def test_depth_window_and_size_change_a_thumbnail_little(changed: object) -> None:
    first = thumbnail((picture() * 255).astype(np.uint8))
    assert difference(first, thumbnail(changed(picture()))) < 6  # type: ignore[operator]
    assert difference(first, thumbnail((picture(1) * 255).astype(np.uint8))) > 30


def test_inverting_inverts_the_thumbnail() -> None:
    first = thumbnail((picture() * 255).astype(np.uint8))
    assert difference(255 - first, thumbnail(255 - (picture() * 255).astype(np.uint8))) < 2


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_a_blank_image_has_a_blank_thumbnail(value: int) -> None:
    assert set(thumbnail(np.full((50, 70), value, np.uint16)).ravel()) == {128}


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (3, 2)])
def test_tiny_images_have_one(shape: tuple[int, int]) -> None:
    assert thumbnail(np.arange(np.prod(shape)).reshape(shape)).shape == (SIDE, SIDE)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("side", [60, 1500])
def test_a_jpeg_is_like_the_png_it_came_from(tmp_path: Path, mode: str, side: int) -> None:
    made = Image.fromarray((picture(side=side) * 255).astype(np.uint8))
    made.save(tmp_path / "a.png")
    made.convert("RGB").convert(mode).save(tmp_path / "a.jpg", quality=90)
    assert difference(*(perceptual_hash(tmp_path / name) for name in ("a.png", "a.jpg"))) < 4


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xe0 no JPEG", b"text"])
def test_what_is_no_image_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(ImageError, match=r"a\.jpg"):
        perceptual_hash(tmp_path / "a.jpg")


def test_a_truncated_jpeg_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray((picture(side=600) * 255).astype(np.uint8)).save(file, "JPEG")
    (tmp_path / "a.jpg").write_bytes(file.getvalue()[: len(file.getvalue()) // 2])
    with pytest.raises(ImageError, match=r"a\.jpg"):
        perceptual_hash(tmp_path / "a.jpg")

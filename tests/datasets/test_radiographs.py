import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ImageError, ImageFault
from lucency.datasets.display import display
from lucency.datasets.radiographs import (
    MAX_PIXELS,
    Radiograph,
    decode_radiograph,
    frame_count,
    image_kind,
    read_radiograph,
)

GREY = np.arange(12 * 20, dtype=np.uint8).reshape(12, 20)
DEEP = GREY.astype(np.uint16) * 200


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(size: int = 200) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (size, size), dtype=np.uint8)
    return Image.fromarray(values)


def png_header(width: int, height: int, *, depth: int = 8, colour: int = 0) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    samples = {0: 1, 2: 3, 4: 2}[colour] * depth // 8
    rows = (b"\0" + bytes(width * samples)) * height if width * height < 10_000 else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("values", "kind", "options"),
    [
        (GREY, "PNG", {}),
        (DEEP, "PNG", {}),
        (GREY, "TIFF", {}),
        (DEEP, "TIFF", {"compression": "tiff_lzw"}),
        (GREY, "TIFF", {"compression": "tiff_deflate"}),
    ],
    ids=["png-8", "png-16", "tiff-8", "tiff-16-lzw", "tiff-8-deflate"],
)
def test_values_and_depth_are_kept(
    values: np.ndarray, kind: str, options: dict[str, object]
) -> None:
    radiograph = decode_radiograph(encoded(Image.fromarray(values), kind, **options), name="x")
    assert np.array_equal(radiograph.pixels, values)
    assert radiograph.pixels.dtype == values.dtype
    assert (radiograph.bits, radiograph.kind) == (values.dtype.itemsize * 8, kind.lower())
    assert radiograph.size_wh == (20, 12)
    assert radiograph.spacing_mm is None


def test_big_endian_and_signed_tiff_are_kept(tmp_path: Path) -> None:
    big = Image.frombytes("I;16B", (20, 12), DEEP.astype(">u2").tobytes())
    assert np.array_equal(decode_radiograph(encoded(big, "TIFF"), name="x").pixels, DEEP)
    signed = Image.fromarray(GREY.astype(np.int32) - 100)
    decoded = decode_radiograph(encoded(signed, "TIFF"), name="x")
    assert decoded.pixels.dtype == np.int16
    assert decoded.pixels.min() == -100


@pytest.mark.parametrize("values", [GREY, DEEP], ids=["8", "16"])
def test_white_is_zero_tiffs_are_shown_inverted(values: np.ndarray) -> None:
    data = encoded(Image.fromarray(values), "TIFF")
    black_is_zero, white_is_zero = (struct.pack("<HHIHH", 262, 3, 1, value, 0) for value in (1, 0))
    assert data.count(black_is_zero) == 1
    radiograph = decode_radiograph(data.replace(black_is_zero, white_is_zero), name="x")
    # Pillow inverts 8-bit values while decoding; deeper ones are left to the display function.
    shown = display(radiograph, DisplaySpec()).image
    straight = display(decode_radiograph(data, name="x"), DisplaySpec()).image
    assert np.array_equal(shown, 255 - straight)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_equal_channels_become_grey_unchanged(mode: str) -> None:
    image = Image.fromarray(GREY).convert(mode)
    assert np.array_equal(decode_radiograph(encoded(image, "PNG"), name="x").pixels, GREY)


def test_one_bit_is_black_and_white() -> None:
    image = Image.fromarray(GREY).point(lambda value: 255 * (value > 99)).convert("1")
    pixels = decode_radiograph(encoded(image, "PNG"), name="x").pixels
    assert np.array_equal(pixels, np.where(GREY > 99, 255, 0))


def test_colour_becomes_luma() -> None:
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    assert set(decode_radiograph(encoded(red, "PNG"), name="x").pixels.ravel()) == {76}


@pytest.mark.parametrize(
    ("kind", "values"),
    [("PNG", GREY), ("PNG", DEEP), ("JPEG", GREY), ("TIFF", GREY), ("TIFF", DEEP)],
    ids=["png-8", "png-16", "jpeg", "tiff-8", "tiff-16"],
)
def test_exif_orientation_is_applied(kind: str, values: np.ndarray) -> None:
    exif = Image.Exif()
    exif[274] = 6  # the camera was turned: rotate by 270 degrees to see it upright
    image = Image.fromarray(values)
    options = {"tiffinfo": {274: 6}} if kind == "TIFF" else {"exif": exif.tobytes()}
    radiograph = decode_radiograph(encoded(image, kind, **options), name="x")
    assert radiograph.size_wh == (12, 20)
    expected = np.rot90(values, k=3).astype(int)
    assert np.abs(radiograph.pixels.astype(int) - expected).max() <= (9 if kind == "JPEG" else 0)


def test_the_format_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    path = tmp_path / "scan.dcm"
    path.write_bytes(encoded(Image.fromarray(GREY), "PNG"))
    assert read_radiograph(path).kind == "png"


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


PNG = encoded(noise(), "PNG")
JPEG = encoded(noise(), "JPEG")
TIFF = encoded(noise(), "TIFF")
PAGES = encoded(noise(), "TIFF", save_all=True, append_images=[noise()])
FLOAT = encoded(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF")


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


REFUSED: dict[str, tuple[bytes, ImageFault, str]] = {
    "empty": (b"", ImageFault.UNKNOWN_FORMAT, "is not a PNG, JPEG, TIFF or DICOM image"),
    "text": (b"Dear colleague,\nplease", ImageFault.UNKNOWN_FORMAT, "is not a PNG"),
    "png-signature": (b"\x89PNG\r\n\x1a\n", ImageFault.TRUNCATED, "is truncated"),
    "jpeg-signature": (b"\xff\xd8\xff\xe0", ImageFault.TRUNCATED, "is truncated"),
    "tiff-signature": (b"II*\0", ImageFault.TRUNCATED, "is truncated"),
    "truncated-png": (cut(PNG), ImageFault.TRUNCATED, "is truncated"),
    "png-without-its-end": (PNG[:-12], ImageFault.TRUNCATED, "is truncated"),
    "truncated-jpeg": (cut(JPEG), ImageFault.TRUNCATED, "is truncated"),
    "truncated-jpeg-with-end": (
        cut(JPEG) + b"\xff\xd9", ImageFault.TRUNCATED, "its rest would be grey",
    ),
    "truncated-tiff": (cut(TIFF), ImageFault.TRUNCATED, "is truncated"),
    "png-bit-flip": (flipped(PNG, 500), ImageFault.DAMAGED, "is damaged"),
    "tiff-pages": (PAGES, ImageFault.SEVERAL_FRAMES, "has 2 frames; name one of them"),
    "tiff-float": (FLOAT, ImageFault.DEPTH, "floating-point"),
    "zero-width": (png_header(0, 5), ImageFault.NO_PIXELS, "its size is 0 × 5"),
    "too-large": (png_header(9000, 9000), ImageFault.TOO_LARGE, "the limit is 80 megapixels"),
    "bomb": (png_header(65535, 65535), ImageFault.TOO_LARGE, ""),
    "png-rgb-16": (png_header(4, 4, depth=16, colour=2), ImageFault.COLOUR, "16-bit colour"),
    "png-grey-alpha-16": (
        png_header(4, 4, depth=16, colour=4), ImageFault.COLOUR, "16-bit colour",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_in_one_line(case: str) -> None:
    data, fault, message = REFUSED[case]
    with pytest.raises(ImageError) as caught:
        decode_radiograph(data, name="scan.png")
    text = str(caught.value)
    assert text.startswith("scan.png: ")
    assert message in text
    assert "\n" not in text
    assert caught.value.fault == fault, text


def test_pages_of_a_tiff_are_read_one_by_one() -> None:
    first, second, third = (Image.fromarray(values) for values in (GREY, DEEP, GREY[:5, :7]))
    data = encoded(first, "TIFF", save_all=True, append_images=[second, third])
    assert frame_count(data, name="x") == 3
    for number, expected in enumerate((GREY, DEEP, GREY[:5, :7]), start=1):
        pixels = decode_radiograph(data, name="x", frame=number).pixels
        assert np.array_equal(pixels, expected)
        assert pixels.dtype == expected.dtype
    for number in (0, 4):
        with pytest.raises(ImageError, match=f"has 3 frames, there is no frame {number}") as told:
            decode_radiograph(data, name="x", frame=number)
        assert told.value.fault == ImageFault.NO_SUCH_FRAME


def test_other_files_have_one_frame() -> None:
    for data in (PNG, JPEG, TIFF):
        assert frame_count(data, name="x") == 1
        assert decode_radiograph(data, name="x", frame=1).size_wh == (200, 200)
        with pytest.raises(ImageError, match="has 1 frame, there is no frame 2"):
            decode_radiograph(data, name="x", frame=2)
    with pytest.raises(ImageError) as told:
        frame_count(b"text", name="x")
    assert told.value.fault == ImageFault.UNKNOWN_FORMAT


def test_directories_of_a_tiff_in_a_ring_are_counted_once() -> None:
    data = bytearray(encoded(noise(), "TIFF"))
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * count, first)
    assert frame_count(bytes(data), name="x") == 1
    assert decode_radiograph(bytes(data), name="x").size_wh == (200, 200)


def test_a_mid_grey_jpeg_is_complete() -> None:
    grey = Image.new("L", (50, 40), 128)
    assert set(decode_radiograph(encoded(grey, "JPEG"), name="x").pixels.ravel()) == {128}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"absent\.png: cannot be read: No such file"):
        read_radiograph(tmp_path / "absent.png")
    with pytest.raises(ImageError, match="Is a directory") as told:
        read_radiograph(tmp_path)
    assert told.value.fault == ImageFault.UNREADABLE


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((0, 5), np.uint8),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((4, 4), np.float32),
        np.zeros(4, np.uint8),
    ],
    ids=["empty", "colour", "float", "one-dimensional"],
)
def test_a_radiograph_is_valid_from_construction(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="pixels must be"):
        Radiograph(pixels, 8, "png")


@pytest.mark.parametrize("seed", range(3))
def test_damaged_bytes_give_an_image_or_an_image_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    files = [PNG, JPEG, encoded(noise(), "TIFF", compression="tiff_lzw")]
    outcomes = []
    for _ in range(60):
        data = bytearray(files[int(rng.integers(len(files)))])
        for place in rng.integers(0, min(len(data), 600), size=4):
            data[int(place)] = int(rng.integers(256))
        try:
            outcomes.append(decode_radiograph(bytes(data), name="x").pixels.size <= MAX_PIXELS)
        except ImageError as error:
            outcomes.append("\n" not in str(error))
    assert all(outcomes)


@pytest.mark.parametrize(
    ("head", "kind"),
    [(b"\xff\xd8\xff\xdb", "jpeg"), (bytes(128) + b"DICM", "dicom"), (b"GIF89a", None)],
    ids=["jpeg", "dicom", "gif"],
)
def test_kinds(head: bytes, kind: str | None) -> None:
    assert image_kind(head) == kind


@pytest.mark.real_data
def test_the_truncated_files_of_fracatlas_are_found(lucency_data: Path) -> None:
    folder = lucency_data / "fracatlas" / "images" / "Non_fractured"
    # All that lack the end marker, and some that have it.
    paths = sorted(folder.glob("*.jpg"))
    truncated = [path for path in paths if b"\xff\xd9" not in path.read_bytes()]
    assert truncated
    for path in truncated:
        with pytest.raises(ImageError, match="truncated") as told:
            read_radiograph(path)
        assert told.value.fault == ImageFault.TRUNCATED
    for path in [path for path in paths if path not in truncated][::40]:
        assert read_radiograph(path).pixels.size

import io
import json
import struct
import time
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask
from scipy import ndimage

from lucency.annotations.geometry import Box, Point, box_around
from lucency.annotations.masks import (
    Mask,
    mask_from_coco,
    mask_from_png,
    mask_from_row_runs,
    mask_from_rows,
)


def pixels_of(mask: Mask, width: int, height: int) -> np.ndarray:
    pixels = np.zeros((height, width), dtype=bool)
    view = pixels.T if mask.by_columns else pixels
    for line, spans in mask.lines.items():
        for start, stop in zip(spans[::2], spans[1::2], strict=True):
            view[line, start:stop] = True
    return pixels


def rows_of(pixels: np.ndarray) -> Mask:
    return mask_from_rows(bytes(row.astype(np.uint8) + 48) for row in pixels)


def columns_of(pixels: np.ndarray) -> Mask:
    encoded = coco_mask.encode(np.asfortranarray(pixels.astype(np.uint8)))
    return mask_from_coco(encoded)


def shoelace(points: tuple[Point, ...]) -> float:
    ends = points[1:] + points[:1]
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(points, ends, strict=True)) / 2


def even_odd(points: tuple[Point, ...], width: int, height: int) -> np.ndarray:
    """Which pixel centres a polygon holds, by the rule that most drawing programs follow."""
    inside = np.zeros((height, width), dtype=bool)
    ys, xs = np.mgrid[0.5:height, 0.5:width]
    for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True):
        if y1 == y2:
            continue
        crosses = (ys > min(y1, y2)) & (ys < max(y1, y2))
        inside ^= crosses & (xs < x1 + (ys - y1) * (x2 - x1) / (y2 - y1))
    return inside


@st.composite
def pixel_masks(draw: st.DrawFn) -> np.ndarray:
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    bits = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    return np.array(bits).reshape(height, width)


def drawn(*rows: str) -> np.ndarray:
    return np.array([[char == "#" for char in row] for row in rows])


@settings(max_examples=300, deadline=None)
@given(pixels=pixel_masks())
def test_coco_runs_as_pycocotools_reads_them(pixels: np.ndarray) -> None:
    height, width = pixels.shape
    encoded = coco_mask.encode(np.asfortranarray(pixels.astype(np.uint8)))
    mask = mask_from_coco(encoded)
    np.testing.assert_array_equal(pixels_of(mask, width, height), pixels)
    assert mask.area == coco_mask.area(encoded)
    as_text = {"size": encoded["size"], "counts": encoded["counts"].decode()}
    assert mask_from_coco(as_text) == mask
    flat = pixels.flatten(order="F")
    counts = run_lengths(flat)
    assert mask_from_coco({"size": [height, width], "counts": counts}) == mask
    box = mask.box()
    if box is None:
        assert not pixels.any()
    else:
        x, y, w, h = coco_mask.toBbox(encoded)
        assert box == Box(x, y, x + w, y + h)


def run_lengths(flat: np.ndarray) -> list[int]:
    """Lengths of equal values, False first."""
    counts, current = [0], False
    for value in flat.tolist():
        if value != current:
            counts.append(0)
            current = value
        counts[-1] += 1
    return counts


@settings(max_examples=100, deadline=None)
@given(pixels=pixel_masks())
def test_row_runs_stand_where_the_box_is(pixels: np.ndarray) -> None:
    height, width = pixels.shape
    counts = run_lengths(pixels.flatten())
    mask = mask_from_row_runs(counts, left=3, top=2, width=width, height=height)
    expected = np.pad(pixels, ((2, 0), (3, 0)))
    np.testing.assert_array_equal(pixels_of(mask, width + 3, height + 2), expected)


@settings(max_examples=500, deadline=None)
@given(pixels=pixel_masks(), by_columns=st.booleans())
def test_an_outline_holds_the_pixels_and_their_holes(pixels: np.ndarray, by_columns: bool) -> None:
    height, width = pixels.shape
    mask = columns_of(pixels) if by_columns else rows_of(pixels)
    points, box = mask.outline(), mask.box()
    if not pixels.any():
        assert points is None and box is None
        return
    assert points is not None
    # Parts that meet at a corner are one; a hole is what an edge alone connects.
    filled = ndimage.binary_fill_holes(pixels)
    assert shoelace(points) == filled.sum()
    assert box_around(points) == box
    np.testing.assert_array_equal(even_odd(points, width, height), filled)


@settings(max_examples=100, deadline=None)
@given(pixels=pixel_masks())
def test_the_outline_of_one_part_turns_at_every_point(pixels: np.ndarray) -> None:
    _, parts = ndimage.label(pixels, structure=np.ones((3, 3)))
    points = rows_of(pixels).outline()
    if parts != 1 or points is None:
        return
    steps = [(x1 == x2, y1 == y2) for (x1, y1), (x2, y2) in pairwise((*points, *points[:2]))]
    assert all(sum(step) == 1 for step in steps), "every edge is upright or level"
    assert all(step != following for step, following in pairwise(steps))


def test_one_pixel_is_a_square_clockwise_on_the_screen() -> None:
    for mask in (rows_of(drawn("..", ".#")), columns_of(drawn("..", ".#"))):
        points = mask.outline()
        assert points is not None
        assert set(points) == {(1, 1), (2, 1), (2, 2), (1, 2)}
        assert shoelace(points) == 1
        assert mask.box() == Box(1, 1, 2, 2)


def test_two_parts_are_joined_where_they_are_near() -> None:
    points = rows_of(drawn("###...", "###.##", "###.##")).outline()
    assert points is not None
    assert shoelace(points) == 13
    bridges = [
        abs(x2 - x1) + abs(y2 - y1)
        for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True)
        if {x1, x2} == {3, 4}
    ]
    assert len(bridges) == 2
    assert max(bridges) <= 2


def test_a_part_in_a_hole_is_not_counted_twice() -> None:
    points = rows_of(drawn("#####.#", "#...#..", "#.#.#..", "#...#..", "#####..")).outline()
    assert points is not None
    assert shoelace(points) == 26


def test_runs_of_no_pixels_join_their_neighbours() -> None:
    mask = mask_from_coco({"size": [4, 1], "counts": [1, 1, 0, 1, 1]})
    assert mask.lines == {0: [1, 3]}


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"counts": [4]}, r"size must be \[height, width\]"),
        ({"size": [2, 2, 2], "counts": [8]}, r"size must be \[height, width\]"),
        ({"size": [2, -2], "counts": [4]}, "size: must be whole"),
        ({"size": [2, True], "counts": [4]}, "size: must be whole"),
        ({"size": [2, 2.0], "counts": [4]}, "size: must be whole"),
        ({"size": [60000, 60000], "counts": [1]}, "100 megapixels"),
        ({"size": [2, 10**30], "counts": [1]}, "size: must be whole"),
        ({"size": [2, 2]}, "counts must be a list"),
        ({"size": [2, 2], "counts": {"a": 1}}, "counts must be a list"),
        ({"size": [2, 2], "counts": [1, 2]}, "add up to 4 pixels, got 3"),
        ({"size": [2, 2], "counts": [1, 4]}, "add up to 4 pixels, got more"),
        ({"size": [2, 2], "counts": [1, 10**5000]}, "add up to 4 pixels, got more"),
        ({"size": [2, 2], "counts": [1, -1, 4]}, r"counts\[1\]: must be a whole number"),
        ({"size": [2, 2], "counts": [1, 1.5, 2]}, r"counts\[1\]: must be a whole number"),
        ({"size": [2, 2], "counts": [1, "3"]}, r"counts\[1\]: must be a whole number"),
        ({"size": [2, 2], "counts": [True, 3]}, r"counts\[0\]: must be a whole number"),
        ({"size": [2, 2], "counts": [0] * 2_000_001}, "at most 1000000 runs"),
        ({"size": [2, 2], "counts": ""}, "add up to 4 pixels, got 0"),
        ({"size": [2, 2], "counts": "é"}, "add up to 4 pixels"),
        ({"size": [2, 2], "counts": "1 "}, "character 1 is no part"),
        ({"size": [2, 2], "counts": "o" * 100}, "character 13 is no part"),
        ({"size": [2, 2], "counts": "Q"}, "cut off"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_coco_mask(segmentation: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mask_from_coco(segmentation)


@pytest.mark.parametrize(
    ("left", "width", "counts"),
    [(0, 2, [1, 2]), (0, 0, []), (1.5, 2, [4]), (10**40, 2, [4])],
    ids=["too short", "no width", "between pixels", "far away"],
)
def test_damaged_row_runs(left: Any, width: int, counts: list[int]) -> None:
    with pytest.raises(ValueError, match=r"must be|must add up"):
        mask_from_row_runs(counts, left=left, top=0, width=width, height=2)


def png(pixels: np.ndarray, mode: str) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(pixels.astype(np.uint8) * 255)
    (image.convert("1") if mode == "1" else image.convert(mode)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_png_of_every_colour_type(mode: str) -> None:
    y, x = np.mgrid[:40, :37]
    pixels = (x - 20) ** 2 + (y - 17) ** 2 < 15**2
    mask = mask_from_png(png(pixels, mode), left=5, top=2)
    expected = np.pad(pixels, ((2, 0), (5, 0)))
    np.testing.assert_array_equal(pixels_of(mask, 42, 42), expected)


def chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def handmade(
    rows: bytes, *, width: int, height: int, depth: int = 8, colour: int = 0, interlace: int = 0
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@settings(max_examples=100, deadline=None)
@given(data=st.data(), colour=st.sampled_from([0, 2]), depth=st.sampled_from([8, 16]))
def test_all_row_filters_as_pillow_undoes_them(
    data: st.DataObject, colour: int, depth: int
) -> None:
    width, height = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    length = width * (3 if colour == 2 else 1) * depth // 8
    values = st.sampled_from([0, 0, 1, 2, 127, 255])
    rows = b"".join(
        bytes([data.draw(st.integers(0, 4))])
        + bytes(data.draw(st.lists(values, min_size=length, max_size=length)))
        for _ in range(height)
    )
    image = handmade(rows, width=width, height=height, depth=depth, colour=colour)
    if (colour, depth) == (2, 16):  # Pillow drops the lower byte
        assert mask_from_png(image).area <= width * height
        return
    decoded = np.asarray(Image.open(io.BytesIO(image)))
    expected = decoded.any(axis=2) if colour == 2 else decoded > 0
    np.testing.assert_array_equal(pixels_of(mask_from_png(image), width, height), expected)


GOOD = handmade(b"\0\1\0\0\1\1", width=2, height=2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no PNG"),
        (b"\xff\xd8\xff\xe0JFIF", "is no PNG"),
        (GOOD[:8], "truncated"),
        (GOOD[:-14], "truncated"),
        (GOOD.replace(b"IDAT", b"IDAt"), "checksum"),
        (GOOD[:8] + chunk(b"IEND", b""), "header must have 13 bytes"),
        (handmade(b"\0\1", width=2, height=2), "must have 6 bytes of pixels, got 2"),
        (handmade(b"\7\1\0\0\1\1", width=2, height=2), "the filter 7"),
        (handmade(b"", width=0, height=2), "from 1 to 65535 px"),
        (handmade(b"", width=70_000, height=2), "from 1 to 65535 px"),
        (handmade(b"", width=60_000, height=60_000), "at most 100 MB"),
        (handmade(b"", width=2, height=2, interlace=1), "not interlaced"),
        (handmade(b"", width=2, height=2, depth=4), "1, 8 or 16 bits"),
        (handmade(b"", width=2, height=2, depth=1, colour=2), "1, 8 or 16 bits"),
        (GOOD[:33] + chunk(b"IDAT", b"none") + chunk(b"IEND", b""), "is a damaged PNG"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_png(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mask_from_png(data)


def test_a_png_bomb_unpacks_no_further_than_its_size() -> None:
    bomb = handmade(bytes(6) + bytes(50_000_000), width=2, height=2)
    assert mask_from_png(bomb).box() is None


def test_masks_of_too_many_runs_are_refused() -> None:
    rows = [b"01" * 30_000] * 70
    with pytest.raises(ValueError, match="at most 1000000 runs"):
        mask_from_rows(rows)


def test_the_work_goes_with_the_runs_and_not_with_the_pixels() -> None:
    y, x = np.mgrid[:3000, :3000]
    pixels = (x - 1500) ** 2 + (y - 1400) ** 2 < 1300**2
    encoded = coco_mask.encode(np.asfortranarray(pixels.astype(np.uint8)))
    start = time.process_time()
    points = mask_from_coco(encoded).outline()
    seconds = time.process_time() - start
    assert points is not None
    assert shoelace(points) == pixels.sum()
    assert seconds < 0.5  # 0.03 in practice


@pytest.mark.real_data
def test_a_real_coco_mask(lucency_data: Path) -> None:
    folder = lucency_data / "formats/coco/labelformat_inst"
    document = json.loads((folder / "instances_with_binary_mask.json").read_text())
    masks = [a for a in document["annotations"] if isinstance(a["segmentation"], dict)]
    (annotation,) = masks
    mask = mask_from_coco(annotation["segmentation"])
    encoded = coco_mask.frPyObjects(annotation["segmentation"], 640, 549)
    assert mask.area == coco_mask.area(encoded) == 938  # the file says 962
    x, y, width, height = coco_mask.toBbox(encoded)
    assert mask.box() == Box(x, y, x + width, y + height)
    assert mask.outline() is not None


@pytest.mark.real_data
def test_a_real_openimages_mask(lucency_data: Path) -> None:
    folder = lucency_data / "formats/openimages"
    files = sorted(folder.rglob("*_m*_*.png"))
    assert files
    for file in files:
        expected = np.asarray(Image.open(file)) > 0
        height, width = expected.shape[:2]
        mask = mask_from_png(file.read_bytes())
        np.testing.assert_array_equal(pixels_of(mask, width, height), expected)

import io
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageOps

from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.formats import NORMALISED
from lucency.annotations.geometry import Box
from lucency.annotations.image_size import ImageHeader, read_header
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sizes import PixelMap, SizeMismatchError, pixel_map

# Of the picture as its rows are stored, and a box that no turn maps onto itself.
STORED = (60, 40)
BOX = Box(5, 7, 22, 17)


def annotation(size: tuple[int, int] | None) -> ImageAnnotation:
    return ImageAnnotation("1.jpg", "1.json", size, (), Status.UNKNOWN)


def turned_jpeg(orientation: int, scale: int = 1) -> bytes:
    """Black, white inside `BOX` times ``scale``, stored as it is and to be shown turned."""
    image = Image.new("L", (STORED[0] * scale, STORED[1] * scale))
    x1, y1, x2, y2 = (int(v) * scale for v in (BOX.x1, BOX.y1, BOX.x2, BOX.y2))
    ImageDraw.Draw(image).rectangle((x1, y1, x2 - 1, y2 - 1), fill=255)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=100, exif=exif)
    return buffer.getvalue()


def seen_box(data: bytes) -> Box:
    """Where the white rectangle is, as every viewer shows the picture."""
    with Image.open(io.BytesIO(data)) as image:
        shown = ImageOps.exif_transpose(image).point(lambda value: 255 * (value > 127))
    found = shown.getbbox()
    assert found is not None
    assert shown.crop(found).getextrema() == (255, 255)
    return Box(*map(float, found))


def mapped(data: bytes, size: tuple[int, int], ledger: Ledger) -> PixelMap | None:
    header = read_header(io.BytesIO(data))
    return pixel_map(header, annotation(size), ledger, stretched=False)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("scale", [1, 3])
def test_a_box_of_the_stored_rows_lands_on_the_pixels_that_are_seen(
    orientation: int, scale: int
) -> None:
    data, ledger = turned_jpeg(orientation, scale), Ledger()
    found = mapped(data, STORED, ledger)
    assert found is not None
    assert found.box(BOX) == seen_box(data)
    points = found.points(((BOX.x1, BOX.y1), (BOX.x2, BOX.y2)))
    seen = found.box(BOX)
    assert {x for x, _ in points} == {seen.x1, seen.x2}
    assert {y for _, y in points} == {seen.y1, seen.y2}
    (entry,) = ledger.image_entries
    assert (entry.reason, entry.left_out) == (Reason.TURNED, False)
    assert "60 x 40 px" in entry.detail
    assert f"EXIF orientation {orientation}" in entry.detail


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_of_the_picture_as_seen_stays_as_it_is(orientation: int) -> None:
    size = STORED if orientation < 5 else STORED[::-1]
    ledger = Ledger()
    assert mapped(turned_jpeg(orientation), size, ledger) is None
    assert not ledger.image_entries


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_turned_sizes_that_exif_does_not_explain_are_refused(orientation: int) -> None:
    with pytest.raises(
        SizeMismatchError, match=r"40 x 60 px.*60 x 40 px: one of the two is turned"
    ):
        mapped(turned_jpeg(orientation), STORED[::-1], Ledger())


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_turned_pictures_of_another_shape_are_refused(orientation: int) -> None:
    with pytest.raises(SizeMismatchError, match="50 x 50 px, the image has 40 x 60 px"):
        mapped(turned_jpeg(orientation), (50, 50), Ledger())


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_scaled_size_of_the_picture_as_seen_is_scaled_and_not_turned(orientation: int) -> None:
    ledger = Ledger()
    found = mapped(turned_jpeg(orientation), (20, 30), ledger)
    assert found is not None
    assert (found.orientation, found.box(Box(1, 2, 3, 4))) == (1, Box(2, 4, 6, 8))
    assert [entry.reason for entry in ledger.image_entries] == [Reason.SCALED]


HEADER = ImageHeader("png", 512, 256)


@pytest.mark.parametrize(
    ("size", "stretched", "box"),
    [
        (None, False, None),
        ((512, 256), False, None),
        ((1024, 512), False, Box(0.5, 1, 1.5, 2)),
        ((256, 128), False, Box(2, 4, 6, 8)),
        ((1030, 512), False, Box(512 / 1030, 1, 3 * 512 / 1030, 2)),
        ((256, 256), True, Box(2, 2, 6, 4)),
        (NORMALISED, False, Box(512, 512, 1536, 1024)),
    ],
    ids=["no size", "equal", "larger", "smaller", "within 1 %", "stretched", "fractions"],
)
def test_scaling(size: tuple[int, int] | None, stretched: bool, box: Box | None) -> None:
    ledger = Ledger()
    found = pixel_map(HEADER, annotation(size), ledger, stretched=stretched)
    assert (found.box(Box(1, 2, 3, 4)) if found else None) == box
    told = [entry.reason for entry in ledger.image_entries]
    assert told == ([Reason.SCALED] if box and size != NORMALISED else [])


@pytest.mark.parametrize("size", [(256, 256), (256, 512), (1040, 512), (1, 2)])
def test_other_shapes_are_refused(size: tuple[int, int]) -> None:
    ledger = Ledger()
    with pytest.raises(SizeMismatchError, match=f"{size[0]} x {size[1]} px"):
        pixel_map(HEADER, annotation(size), ledger, stretched=False)
    assert not ledger.image_entries


@pytest.mark.real_data
def test_tbx11k_was_stretched_to_512_px(lucency_data: Path) -> None:
    """Its XML is for the original size: without `stretched` that is another shape."""
    header = read_header(
        io.BytesIO(next((lucency_data / "tbx11k/images").rglob("*.[jp][pn]g")).read_bytes())
    )
    assert (header.width, header.height) == (512, 512)
    found = pixel_map(header, annotation((2048, 3072)), Ledger(), stretched=True)
    assert found is not None
    assert found.box(Box(0, 0, 2048, 3072)) == Box(0, 0, 512, 512)


def test_a_document_of_one_pixel_is_not_one_of_fractions() -> None:
    header = ImageHeader("png", 640, 480)
    with pytest.raises(SizeMismatchError, match="the annotation is for 1 x 1 px"):
        side = len("1")
        pixel_map(header, annotation((side, side)), Ledger(), stretched=False)

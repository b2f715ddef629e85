"""The page of a check: everything on it, nothing outside it, nothing unescaped."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lucency.annotations.checks import Checkup, check
from lucency.annotations.convert import Options
from lucency.configs.bundle import RESEARCH_USE
from lucency.evaluation.check_page import PICTURE_PX, render_check_page, write_check_page
from lucency.evaluation.pictures import COLOURS, BoxKind

WIDTH, HEIGHT = 200, 100
LABEL = "<b>fracture"


def document(*boxes: list[float]) -> str:
    images = [
        {"id": n, "file_name": f"{n}.png", "width": WIDTH, "height": HEIGHT} for n in range(4)
    ]
    annotations = [
        {"id": n, "image_id": n % 3, "category_id": 1, "bbox": box} for n, box in enumerate(boxes)
    ]
    categories = [{"id": 1, "name": LABEL}]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories})


def checked(folder: Path, *boxes: list[float], **options: object) -> Checkup:
    (folder / "<i>.json").write_text(document(*boxes))
    for n in range(4):
        Image.new("L", (WIDTH, HEIGHT), 40 + n).save(folder / f"{n}.png")
    return check(folder / "<i>.json", Options(), ignore=["rare-class"])


def pictures(page: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))) for text in found]


def of_colour(picture: np.ndarray, kind: BoxKind) -> np.ndarray:
    """Rows and columns of the pixels that are nearly of a kind's colour, (N, 2)."""
    distance = np.abs(picture.astype(int) - np.array(COLOURS[kind])).sum(axis=2)
    return np.argwhere(distance < 90)


CLEAN = ([20, 30, 40, 30], [30, 30, 50, 40], [40, 30, 50, 40])


def test_a_clean_set(tmp_path: Path) -> None:
    page = render_check_page(checked(tmp_path, *CLEAN))
    assert "Nothing else was found to be wrong." in page
    assert "<code>rare-class</code> 1" in page
    assert pictures(page) == []
    assert RESEARCH_USE in page
    assert "COCO JSON" in page


def test_the_suspect_is_drawn_where_it_is_and_from_nearby(tmp_path: Path) -> None:
    checkup = checked(tmp_path, *CLEAN, [150, 50, 2, 10])
    page = render_check_page(checkup)
    whole, near = pictures(page)
    assert whole.shape[:2] == (PICTURE_PX // 2, PICTURE_PX)
    assert near.shape[:2] == (PICTURE_PX, PICTURE_PX)
    rows, columns = of_colour(whole, BoxKind.FALSE_ALARM).mean(axis=0)
    scale = PICTURE_PX / WIDTH
    assert (columns / scale, rows / scale) == pytest.approx((151, 50), abs=25)  # with its label
    rows, columns = of_colour(whole, BoxKind.TRUTH).mean(axis=0)
    assert (columns / scale, rows / scale) == pytest.approx((40, 45), abs=2)
    assert len(of_colour(near, BoxKind.FALSE_ALARM)) > 300
    for text in ("tiny-box", "2.0 × 10.0 px", "annotations[3]", "0.png"):
        assert text in page


def test_a_large_box_needs_no_second_picture(tmp_path: Path) -> None:
    page = render_check_page(checked(tmp_path, *CLEAN, [2, 2, 196, 96]))
    assert len(pictures(page)) == 1
    assert "94.1% of the image" in page


def test_a_box_beyond_the_edge_is_drawn_once(tmp_path: Path) -> None:
    page = render_check_page(checked(tmp_path, *CLEAN[:2], [150, 20, 80, 60]))
    (picture,) = pictures(page)
    assert len(of_colour(picture, BoxKind.TRUTH)) == 0
    assert len(of_colour(picture, BoxKind.FALSE_ALARM)) > 100


def test_a_box_outside_its_image_has_no_close_up(tmp_path: Path) -> None:
    page = render_check_page(checked(tmp_path, *CLEAN, [900, 20, 8, 6]))
    assert len(pictures(page)) == 1


def test_nothing_is_fetched_and_nothing_is_markup(tmp_path: Path) -> None:
    page = render_check_page(checked(tmp_path, *CLEAN, [150, 50, 2, 10]))
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page)
    assert "<b>" not in page
    assert "<i>.json" not in page
    assert "&lt;b&gt;fracture" in page
    assert "<script" not in page


def test_no_more_pictures_than_asked_for(tmp_path: Path) -> None:
    slips = [[10 + n, 80, 2, 10] for n in range(6)]
    checkup = checked(tmp_path, *CLEAN, *slips)
    assert len(pictures(render_check_page(checkup, most=2))) == 4
    page = render_check_page(checkup, most=0)
    assert pictures(page) == []
    assert page.count("2.0 × 10.0 px") == 6


def test_an_image_that_cannot_be_shown_is_listed(tmp_path: Path) -> None:
    checkup = checked(tmp_path, *CLEAN, [150, 50, 2, 10])
    (tmp_path / "0.png").write_bytes(b"no image any more")
    page = render_check_page(checkup)
    assert pictures(page) == []
    assert "2.0 × 10.0 px" in page


def test_annotations_alone_have_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(document(*CLEAN, [150, 50, 2, 10]))
    page = render_check_page(check(tmp_path / "a.json"))
    assert pictures(page) == []
    assert "none of 4 images was found" in page


def test_an_image_inside_its_annotation_is_shown(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("L", (WIDTH, HEIGHT), 50).save(buffer, "PNG")
    shape = {"label": "x", "shape_type": "rectangle", "points": [[20, 30], [22, 60]]}
    text = {
        "version": "5.0.1", "flags": {}, "shapes": [shape], "imagePath": "gone.png",
        "imageData": base64.b64encode(buffer.getvalue()).decode(),
        "imageHeight": HEIGHT, "imageWidth": WIDTH,
    }  # fmt: skip
    (tmp_path / "1.json").write_text(json.dumps(text))
    checkup = check(tmp_path / "1.json", ignore=["rare-class", "no-negatives"])
    assert list(checkup.by_rule()) == ["tiny-box"]
    assert len(pictures(render_check_page(checkup))) == 2


def test_the_page_is_written_whole(tmp_path: Path) -> None:
    checkup = checked(tmp_path, *CLEAN)
    write_check_page(checkup, tmp_path / "new" / "page.html")
    assert (tmp_path / "new/page.html").read_text(encoding="utf-8") == render_check_page(checkup)


@pytest.mark.real_data
def test_fracatlas_fits_on_a_page(lucency_data: Path) -> None:
    folder = lucency_data / "fracatlas"
    source = folder / "annotations/coco.json"
    page = render_check_page(check(source, Options(images=folder / "images")), most=2)
    # Two boxes, each from nearby as well, two of identical images, two without annotation.
    assert len(pictures(page)) == 8
    assert 'id="unreadable-image"' in page
    assert len(page) < 400_000

"""Boxes drawn on images: where, in which colour, and inside the picture."""

import cv2
import numpy as np
import pytest

from lucency.annotations.geometry import Box
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.pictures import (
    COLOURS,
    BoxKind,
    DrawnBox,
    compared_boxes,
    draw_boxes,
    encode_jpeg,
    thumbnail,
    view_around,
)

GREY = 90


def film(height=200, width=160):
    return np.full((height, width), GREY, np.uint8)


def painted(picture, kind):
    """Rows and columns of the pixels in a kind's colour."""
    return np.argwhere((picture == COLOURS[kind]).all(axis=2))


def test_the_original_is_left_alone():
    image = film()
    picture = draw_boxes(image, [DrawnBox(Box(20, 30, 80, 90), BoxKind.HIT, "fracture 0.9")])
    assert (image == GREY).all()
    assert picture.shape == (200, 160, 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("kind", list(BoxKind), ids=str)
def test_the_outline_lies_on_the_box(kind):
    picture = draw_boxes(film(), [DrawnBox(Box(20, 30, 80, 90), kind)])
    rows, columns = painted(picture, kind).T
    assert abs(rows.min() - 30) <= 2
    assert abs(rows.max() - 89) <= 2
    assert abs(columns.min() - 20) <= 2
    assert abs(columns.max() - 79) <= 2
    # The inside stays visible.
    assert (picture[40:80, 30:70] == GREY).all()


def test_misses_are_dashed():
    solid = draw_boxes(film(), [DrawnBox(Box(20, 30, 80, 90), BoxKind.HIT)])
    dashed = draw_boxes(film(), [DrawnBox(Box(20, 30, 80, 90), BoxKind.MISS)])
    share = len(painted(dashed, BoxKind.MISS)) / len(painted(solid, BoxKind.HIT))
    assert 0.4 < share < 0.8


def test_a_box_of_another_colour_is_dotted_where_it_is_doubtful():
    ink = (240, 84, 64)
    box = Box(20, 60, 80, 120)
    solid, dotted = (
        draw_boxes(film(), [DrawnBox(box, BoxKind.FOUND, "x", colour=ink, dotted=dotted)])
        for dotted in (False, True)
    )
    assert len(painted(solid, BoxKind.FOUND)) == 0
    # Below the label's plate, which has the colour of the line.
    inked = [(picture[65:, :] == ink).all(axis=2).sum() for picture in (solid, dotted)]
    assert 0.4 < inked[1] / inked[0] < 0.8


@pytest.mark.parametrize(
    "box",
    [
        pytest.param(Box(0, 0, 40, 40), id="top left"),
        pytest.param(Box(130, 0, 160, 30), id="top right"),
        pytest.param(Box(0, 170, 30, 200), id="bottom left"),
        pytest.param(Box(130, 170, 160, 200), id="bottom right"),
        pytest.param(Box(8, 0, 152, 200), id="whole height"),
        pytest.param(Box(-20, -20, 300, 300), id="beyond the image"),
        pytest.param(Box(50, 50, 50, 50), id="a point"),
    ],
)
@pytest.mark.parametrize("text", ["fracture 0.83", "ObsoletePulmonaryTuberculosis 0.83"])
@pytest.mark.parametrize("factor", [1, 10])
def test_labels_stay_inside(box, text, factor):
    """All letters lie on the plate, with a rim around them, so neither is cut by the border."""
    image = film(200 * factor, 160 * factor)
    drawn = box.scaled(factor, factor)
    bare = draw_boxes(image, [DrawnBox(drawn, BoxKind.HIT)])
    labelled = draw_boxes(image, [DrawnBox(drawn, BoxKind.HIT, text)])
    changed = (labelled != bare).any(axis=2)
    plate = np.argwhere(changed & (labelled == COLOURS[BoxKind.HIT]).all(axis=2))
    letters = np.argwhere(changed & (labelled.max(axis=2) < 100))
    assert len(letters) > 50
    assert (plate.min(axis=0) < letters.min(axis=0)).all()
    assert (plate.max(axis=0) > letters.max(axis=0)).all()


def test_the_view_shows_a_part_enlarged():
    image = film()
    image[100:120, 50:70] = 200
    picture = draw_boxes(image, [], view=Box(40, 90, 80, 130), longest_side=400)
    assert picture.shape == (400, 400, 3)
    assert picture[200, 200, 0] == 200
    assert picture[20, 20, 0] == GREY


def test_boxes_move_with_the_view():
    drawn = [DrawnBox(Box(50, 100, 70, 120), BoxKind.HIT), DrawnBox(Box(0, 0, 9, 9), BoxKind.MISS)]
    picture = draw_boxes(film(), drawn, view=Box(40, 90, 80, 130), longest_side=400)
    rows, columns = painted(picture, BoxKind.HIT).T
    assert abs(rows.min() - 100) <= 3
    assert abs(columns.max() - 299) <= 3
    assert len(painted(picture, BoxKind.MISS)) == 0


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param(Box(490, 490, 510, 510), (452, 452, 548, 548), id="least size"),
        pytest.param(Box(400, 450, 600, 550), (200, 200, 800, 800), id="three times"),
        pytest.param(Box(0, 0, 20, 20), (0, 0, 96, 96), id="corner"),
        pytest.param(Box(0, 0, 1000, 900), (0, 0, 1000, 1000), id="whole"),
    ],
)
def test_view_around(box, expected):
    view = view_around(box, size_wh=(1000, 1000))
    assert (view.x1, view.y1, view.x2, view.y2) == expected


def test_view_in_a_small_image_is_the_image():
    view = view_around(Box(1, 1, 3, 3), size_wh=(20, 10))
    assert (view.x1, view.y1, view.x2, view.y2) == (0, 0, 20, 10)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (40, 30, 3)], ids=str)
def test_odd_shapes(shape):
    picture = draw_boxes(np.zeros(shape, np.uint8), [DrawnBox(Box(0, 0, 1, 1), BoxKind.HIT, "x")])
    assert picture.shape == (*shape[:2], 3)


def test_thumbnails_shrink_and_never_grow():
    assert thumbnail(film(400, 200), longest_side=100).shape == (100, 50, 3)
    assert thumbnail(film(40, 20), longest_side=100).shape == (40, 20, 3)


def test_jpeg_keeps_size_and_colour():
    picture = np.zeros((30, 40, 3), np.uint8)
    picture[:, :] = (240, 84, 64)
    decoded = cv2.imdecode(np.frombuffer(encode_jpeg(picture), np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (30, 40, 3)
    assert np.abs(decoded[15, 20, ::-1].astype(int) - (240, 84, 64)).max() <= 4


def test_compared_boxes():
    truth = ImageTruth(
        "a", (99, 99), np.array([[0.0, 0, 10, 10], [50.0, 50, 60, 60]]), np.array([0, 1])
    )
    predictions = ImagePredictions(
        "a",
        np.array([[0.0, 0, 10, 10], [80.0, 80, 90, 90], [50.0, 50, 60, 60]]),
        np.array([0.9, 0.8, 0.1]),
        np.array([0, 0, 1]),
    )
    drawn = compared_boxes(
        truth, predictions, {"fracture": 0.5, "lesion": 0.5}, class_names=("fracture", "lesion")
    )
    assert [(one.kind, one.text) for one in drawn] == [
        (BoxKind.TRUTH, ""),
        (BoxKind.MISS, "missed: lesion"),
        (BoxKind.HIT, "fracture 0.90"),
        (BoxKind.FALSE_ALARM, "fracture 0.80"),
    ]


def test_labels_of_two_boxes_on_one_place_are_both_to_be_read():
    """The second would cover the first: it stands below its box instead."""
    image = np.zeros((300, 300), np.uint8)
    box = Box(100, 100, 200, 200)
    alone = draw_boxes(image, [DrawnBox(box, BoxKind.MISS, "missed: fracture")])
    both = draw_boxes(
        image,
        [
            DrawnBox(box, BoxKind.MISS, "missed: fracture"),
            DrawnBox(box, BoxKind.FALSE_ALARM, "fracture 0.31"),
        ],
    )
    above = (slice(0, 96), slice(0, 300))
    np.testing.assert_array_equal(both[above], alone[above])
    assert (both[206:] == COLOURS[BoxKind.FALSE_ALARM]).all(axis=2).any()

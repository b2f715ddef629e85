from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lucency.detection.detections import Detections
from lucency.detection.flips import mirrored_back, mirrored_image, with_flip


def look(images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
    """Finds the bright part of each image; scores it 0.8, but 0.4 in the right half."""
    answers = []
    for image in images:
        rows, columns = np.nonzero(image)
        if not len(rows):
            empty = np.zeros((0, 4), np.float32), np.zeros((0, 1), np.float32)
            answers.append(Detections(*empty, ("a",)))
            continue
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        score = 0.8 if columns.mean() < image.shape[1] / 2 else 0.4
        answers.append(
            Detections(np.array([box], np.float32), np.array([[score]], np.float32), ("a",))
        )
    return answers


def spot(*, width: int, x: int) -> NDArray[np.uint8]:
    image = np.zeros((20, width), np.uint8)
    image[4:10, x : x + 8] = 255
    return image


def test_both_views_are_averaged_where_the_finding_lies() -> None:
    images = [spot(width=51, x=3), spot(width=51, x=40)]
    first, second = with_flip(look)(images)
    np.testing.assert_allclose(first.boxes_xyxy, [[3, 4, 11, 10]], atol=1e-5)
    np.testing.assert_allclose(second.boxes_xyxy, [[40, 4, 48, 10]], atol=1e-5)
    np.testing.assert_allclose([first.scores[0], second.scores[0]], [0.6, 0.6], atol=1e-6)


def test_an_image_with_nothing_in_it() -> None:
    assert len(with_flip(look)([np.zeros((20, 30), np.uint8)])[0]) == 0


def test_mirrored_twice_is_the_same() -> None:
    image = spot(width=33, x=2)
    found = look([mirrored_image(image)])[0]
    np.testing.assert_array_equal(mirrored_image(mirrored_image(image)), image)
    np.testing.assert_allclose(
        mirrored_back(found, width=33).boxes_xyxy, look([image])[0].boxes_xyxy
    )

import cv2
import numpy as np
import pytest

from lucency.detection.decode import decode, letterbox


def raw_head(*rows: tuple[float, ...]) -> np.ndarray:
    """Rows of (cx, cy, w, h, p0, p1, …) as a raw head (4 + C, N)."""
    return np.array(rows, dtype=np.float32).T


@pytest.mark.parametrize(
    ("size_hw", "expected_hw"),
    [((640, 640), (640, 640)), ((320, 640), (320, 640)), ((2880, 2304), (640, 512)),
     ((100, 333), (192, 640)), ((1, 2000), (32, 640))],
    ids=["same", "wide", "radiograph", "odd", "one row"],
)  # fmt: skip
def test_letterbox_pads_to_the_stride(
    size_hw: tuple[int, int], expected_hw: tuple[int, int]
) -> None:
    image = np.full(size_hw, 200, dtype=np.uint8)
    batch, placed = letterbox(image, input_size=640)
    assert batch.shape == (1, 3, *expected_hw)
    assert batch.dtype == np.float32
    assert placed.size_wh == (size_hw[1], size_hw[0])
    assert batch.max() == pytest.approx(200 / 255)


def test_boxes_come_back_to_the_image() -> None:
    image = np.zeros((2880, 2304), dtype=np.uint8)
    _, placed = letterbox(image, input_size=640)
    gain_x, gain_y = placed.gain_xy
    centre = (1000 * gain_x + placed.pad_xy[0], 1500 * gain_y + placed.pad_xy[1])
    head = raw_head((*centre, 200 * gain_x, 100 * gain_y, 0.9, 0.1))
    boxes, probabilities = decode(head, placed, conf=0.25, iou=0.7, max_detections=10)
    np.testing.assert_allclose(boxes, [[900, 1450, 1100, 1550]], atol=1e-2)
    np.testing.assert_allclose(probabilities, [[0.9, 0.1]], atol=1e-6)


def test_every_class_probability_is_kept() -> None:
    _, placed = letterbox(np.zeros((64, 64), np.uint8), input_size=64)
    head = raw_head((32, 32, 20, 20, 0.6, 0.3, 0.2))
    _, probabilities = decode(head, placed, conf=0.25, iou=0.7, max_detections=10)
    np.testing.assert_allclose(probabilities, [[0.6, 0.3, 0.2]], atol=1e-6)


def test_the_weaker_of_two_overlapping_boxes_goes() -> None:
    _, placed = letterbox(np.zeros((64, 64), np.uint8), input_size=64)
    head = raw_head((32, 32, 20, 20, 0.6, 0.0), (33, 32, 20, 20, 0.8, 0.0))
    boxes, probabilities = decode(head, placed, conf=0.25, iou=0.7, max_detections=10)
    assert len(boxes) == 1
    assert probabilities[0, 0] == pytest.approx(0.8)


def test_overlapping_boxes_of_different_classes_both_stay() -> None:
    _, placed = letterbox(np.zeros((64, 64), np.uint8), input_size=64)
    head = raw_head((32, 32, 20, 20, 0.6, 0.0), (32, 32, 20, 20, 0.0, 0.8))
    boxes, probabilities = decode(head, placed, conf=0.25, iou=0.7, max_detections=10)
    assert len(boxes) == 2
    assert probabilities.argmax(axis=1).tolist() == [1, 0]


def test_best_first_and_at_most_so_many() -> None:
    _, placed = letterbox(np.zeros((64, 64), np.uint8), input_size=64)
    head = raw_head(*[(8 + 12 * k, 8, 6, 6, 0.3 + 0.1 * k) for k in range(4)])
    _, probabilities = decode(head, placed, conf=0.25, iou=0.7, max_detections=2)
    np.testing.assert_allclose(probabilities[:, 0], [0.6, 0.5], atol=1e-6)


@pytest.mark.parametrize("count", [0, 5], ids=["no anchors", "all below"])
def test_nothing_found(count: int) -> None:
    _, placed = letterbox(np.zeros((64, 64), np.uint8), input_size=64)
    head = np.full((4 + 3, count), 0.1, dtype=np.float32)
    boxes, probabilities = decode(head, placed, conf=0.25, iou=0.7, max_detections=10)
    assert boxes.shape == (0, 4)
    assert probabilities.shape == (0, 3)


def test_boxes_are_clipped_to_the_image() -> None:
    _, placed = letterbox(np.zeros((64, 64), np.uint8), input_size=64)
    boxes, _ = decode(raw_head((2, 62, 20, 20, 0.9)), placed, conf=0.25, iou=0.7, max_detections=5)
    np.testing.assert_allclose(boxes, [[0, 52, 12, 64]])


def test_every_class_may_have_a_floor_of_its_own() -> None:
    """The first is below that of its class, though above the other's and with a higher score."""
    _, placed = letterbox(np.zeros((64, 64), np.uint8), input_size=64)
    head = raw_head((10, 10, 9, 9, 0.6, 0.5), (40, 40, 9, 9, 0.1, 0.4))
    floors = np.array([0.7, 0.3], np.float32)
    _, probabilities = decode(head, placed, conf=floors, iou=0.7, max_detections=10)
    np.testing.assert_allclose(probabilities, [[0.1, 0.4]], atol=1e-6)


def test_padding_is_grey_and_an_odd_pixel_of_it_on_the_right() -> None:
    batch, placed = letterbox(np.full((64, 61), 255, np.uint8), input_size=64)
    assert placed.pad_xy == (1, 0)
    expected = [114 / 255, *[1.0] * 61, 114 / 255, 114 / 255]
    for channel in batch[0]:
        np.testing.assert_allclose(channel[5], expected, atol=1e-6)


@pytest.mark.parametrize(
    "size_hw",
    [(373, 454), (454, 373), (640, 512), (2880, 2304), (101, 333), (7, 640), (640, 640)],
    ids=str,
)
def test_the_input_is_the_resized_image_by_255_in_a_grey_frame(size_hw: tuple[int, int]) -> None:
    image = np.random.default_rng(4).integers(0, 256, size_hw, dtype=np.uint8)
    batch, placed = letterbox(image, input_size=640)
    gain = 640 / max(size_hw)
    height, width = round(size_hw[0] * gain), round(size_hw[1] * gain)
    resized = cv2.resize(image, (width, height))
    frame = np.full(batch.shape[2:], 114, dtype=np.float32)
    left, top = placed.pad_xy
    frame[top : top + height, left : left + width] = resized
    expected = frame * np.float32(1 / 255)
    for channel in batch[0]:
        assert np.array_equal(channel, expected)
    assert batch.flags.c_contiguous

"""From a displayed image to the network's input, and from its raw head to detections.

The raw head is the one-to-many output of YOLO v8, 11 and 26: (4 + C, N), boxes as centre x,
centre y, width, height in input pixels, then one sigmoid per class. Letterbox and suppression
follow Ultralytics, so the same weights give the same boxes; what differs is that each box keeps
its whole row of class probabilities.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

STRIDE = 32
PADDING_GREY = 114
_SCALE = np.float32(1 / 255)
_PADDING = np.float32(PADDING_GREY) * _SCALE


@dataclass(frozen=True)
class Letterbox:
    """How an image of ``size_wh`` lies in the input: resized by ``gain_xy``, then padded."""

    size_wh: tuple[int, int]
    gain_xy: tuple[float, float]
    pad_xy: tuple[int, int]


def letterbox(
    image: NDArray[np.uint8], *, input_size: int
) -> tuple[NDArray[np.float32], Letterbox]:
    """Fit a grey image into the network's input.

    The longer side becomes ``input_size``, the shorter one is padded to a multiple of the stride,
    as Ultralytics does by default.

    Parameters
    ----------
    image
        (H, W) uint8, as the display function makes it.
    input_size
        Longer side of the input in pixels, a multiple of 32.

    Returns
    -------
    tuple
        (1, 3, h, w) float32 in 0..1, three equal channels, and where the image lies in it.

    """
    height, width = image.shape
    gain = min(input_size / height, input_size / width)
    new_width, new_height = max(round(width * gain), 1), max(round(height * gain), 1)
    if (new_width, new_height) != (width, height):
        image = np.asarray(cv2.resize(image, (new_width, new_height)), dtype=np.uint8)
    spare_x = (input_size - new_width) % STRIDE
    spare_y = (input_size - new_height) % STRIDE
    # An odd pixel goes to the right and the bottom, as with Ultralytics.
    left, top = spare_x // 2, spare_y // 2
    batch = np.empty((1, 3, new_height + spare_y, new_width + spare_x), dtype=np.float32)
    first = batch[0, 0]
    first[:top] = first[top + new_height :] = _PADDING
    first[:, :left] = first[:, left + new_width :] = _PADDING
    inside = first[top : top + new_height, left : left + new_width]
    # Converted, then scaled in place: half the time of a product of two types.
    inside[...] = image
    inside *= _SCALE
    batch[0, 1:] = first
    gains = (new_width / width, new_height / height)
    return batch, Letterbox((width, height), gains, (left, top))


def decode(
    raw: NDArray[np.float32],
    placed: Letterbox,
    *,
    conf: float | NDArray[np.float32],
    iou: float,
    max_detections: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Turn the raw head of one image into boxes and class probabilities, best first.

    Parameters
    ----------
    raw
        (4 + C, N) float32.
    placed
        Where the image lies in the input.
    conf
        Boxes whose best class is not above this are left out; one value, or one a class (C,).
    iou
        Of two boxes of one class that overlap more than this, the weaker one is left out.
    max_detections
        At most so many boxes.

    Returns
    -------
    tuple
        Boxes (M, 4) float32 as x1, y1, x2, y2 in pixels of the displayed image, clipped to it,
        and probabilities (M, C) float32.

    """
    # Scores first: of thousands of candidates a few are left, so the rest costs next to nothing.
    floors = np.broadcast_to(np.asarray(conf, dtype=np.float32), len(raw) - 4)
    rows = raw[:, np.flatnonzero(raw[4:].max(axis=0) > floors.min())].T
    class_ids = rows[:, 4:].argmax(axis=1)
    scores = rows[:, 4:].max(axis=1, initial=0.0)
    likely = scores > floors[class_ids]
    rows, class_ids, scores = rows[likely], class_ids[likely], scores[likely]
    centre_xy, size_wh, probabilities = rows[:, :2], rows[:, 2:4], rows[:, 4:]
    corners = np.concatenate([centre_xy - size_wh / 2, centre_xy + size_wh / 2], axis=1)
    keep = suppress(corners, scores, class_ids, iou=iou)[:max_detections]
    boxes = corners[keep]
    boxes -= np.array([*placed.pad_xy, *placed.pad_xy], dtype=np.float32)
    boxes /= np.array([*placed.gain_xy, *placed.gain_xy], dtype=np.float32)
    np.clip(boxes, 0, np.array([*placed.size_wh, *placed.size_wh], np.float32), out=boxes)
    return boxes, np.ascontiguousarray(probabilities[keep])


def suppress(
    boxes_xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    class_ids: NDArray[np.integer[Any]],
    *,
    iou: float,
) -> NDArray[np.intp]:
    """Indices (M,) of the boxes (N, 4) that stay, best first, each class by itself."""
    if not len(scores):
        return np.zeros(0, dtype=np.intp)
    # OpenCV takes x, y, width, height; ties keep their order only if sorted beforehand.
    order = np.argsort(-scores, kind="stable")
    xywh = boxes_xyxy[order].astype(np.float64)
    xywh[:, 2:] -= xywh[:, :2]
    classes = class_ids[order].astype(np.int32)
    kept = cv2.dnn.NMSBoxesBatched(xywh, scores[order], classes, 0.0, iou)  # type: ignore[arg-type]
    kept_sorted = np.sort(np.asarray(kept, dtype=np.intp).reshape(-1))
    return order[kept_sorted]

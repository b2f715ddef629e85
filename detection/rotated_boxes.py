"""Boxes that stay tight when augmentation rotates the image.

Ultralytics puts the new box around the rotated corners of the old one. No finding reaches into the
corners of its box, so that every rotation teaches boxes that are too large: by a fifth of the side
for a square at 15 degrees, more for a long one. Here the finding is taken for the ellipse that
touches its box, whose own box after any affine map is known exactly (Kalra et al., "Towards
Rotation Invariance in Object Detection", ICCV 2021).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucency.detection.offline_ultralytics import import_ultralytics

import_ultralytics()

from ultralytics.data.augment import RandomPerspective  # noqa: E402


def transformed_boxes(boxes: NDArray[Any], matrix: NDArray[Any]) -> NDArray[Any]:
    """The boxes (N, 4) x1, y1, x2, y2 of the ellipses in ``boxes`` after an affine (3, 3) map."""
    linear, shift = matrix[:2, :2], matrix[:2, 2]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 @ linear.T + shift
    halves = np.sqrt(((boxes[:, 2:] - boxes[:, :2]) / 2) ** 2 @ (linear**2).T)
    return np.concatenate((centres - halves, centres + halves), axis=1).astype(boxes.dtype)


def keep_boxes_tight(dataset: Any) -> None:
    """Let the transforms of one of Ultralytics' data sets map boxes as `transformed_boxes` does.

    A perspective is no affine map; with one they stay as they are.
    """
    waiting = [dataset.transforms]
    while waiting:
        transform = waiting.pop()
        if isinstance(transform, RandomPerspective) and not transform.perspective:
            transform.apply_bboxes = transformed_boxes
        waiting.extend(getattr(transform, "transforms", ()))
        waiting.extend(filter(None, [getattr(transform, "pre_transform", None)]))

"""Averaging over an image and its mirror image.

A fracture looks the same in a mirror, and what a network says of both differs by chance alone, so
their average is nearer to the truth. Where laterality matters (a heart on the left), so does the
mirror: such a detector was trained without flips and is not asked for them.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lucency.detection.box_fusion import fuse
from lucency.detection.detections import Detections

# Boxes with raw scores in images (H, W) uint8 of one size, in pixels of each.
Look = Callable[[Sequence[NDArray[np.uint8]]], list[Detections]]


def with_flip(look: Look) -> Look:
    """The look that also sees every image mirrored, and fuses what it found in both.

    Box and class vector are averages over both (`fuse`, two answers), so a box that is seen in
    one of them only keeps half its score. ``look`` must leave no duplicates above
    `FUSION_IOU`.
    """

    def both(images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        # In turns, so that an image and its mirror image are in the network together.
        pairs = [view for image in images for view in (image, mirrored_image(image))]
        found = look(pairs)
        return [
            fuse([plain, mirrored_back(mirror, width=image.shape[1])])
            for image, plain, mirror in zip(images, found[::2], found[1::2], strict=True)
        ]

    return both


def mirrored_image(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image (H, W) with left and right exchanged, contiguous."""
    return np.ascontiguousarray(image[:, ::-1])


def mirrored_back(found: Detections, *, width: int) -> Detections:
    """The boxes found in the mirror image, where they lie in the image of this width in pixels."""
    x1, y1, x2, y2 = found.boxes_xyxy.T
    return found.moved(np.stack([width - x2, y1, width - x1, y2], axis=1))

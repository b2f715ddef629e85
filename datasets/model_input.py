"""From the 8-bit image to the array a classifier takes: one function for training and serving.

The image is squeezed to a square, so its aspect ratio is not kept; a radiograph of a chest is
nearly square, and a network sees the whole field without borders that say how it was collimated.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

# Mean and standard deviation of ImageNet in [0, 1], as torchvision's weights were trained with;
# for one channel the average of the three.
_MEAN = {1: (0.449,), 3: (0.485, 0.456, 0.406)}
_STD = {1: (0.226,), 3: (0.229, 0.224, 0.225)}


def square_image(image: NDArray[np.uint8], *, size: int) -> NDArray[np.uint8]:
    """Resize a grey image (h, w) to (size, size) pixels.

    Area averaging along a side that shrinks, since plain sampling loses thin lines; linear
    interpolation along one that grows.

    Raises
    ------
    ValueError
        The image is not a grey 8-bit array, or is empty.

    """
    if image.ndim != 2 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"the image must be uint8 (h, w), got {image.dtype} {image.shape}")
    if image.shape == (size, size):
        return image
    height, width = image.shape
    if min(height, width) < size < max(height, width):
        # OpenCV averages areas only where no side grows, so the sides are resized one by one.
        shrunk_wh = (min(width, size), min(height, size))
        image = np.asarray(cv2.resize(image, shrunk_wh, interpolation=cv2.INTER_AREA), np.uint8)
    method = cv2.INTER_AREA if min(image.shape) >= size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=method), dtype=np.uint8)


def normalised(square: NDArray[np.uint8], *, channels: int) -> NDArray[np.float32]:
    """Bring a square image (size, size) to float32 (channels, size, size), mean 0 and deviation 1.

    ``channels`` is 1, or 3 for networks that start from weights learnt on colour photographs.
    """
    mean = np.array(_MEAN[channels], dtype=np.float32)[:, None, None]
    std = np.array(_STD[channels], dtype=np.float32)[:, None, None]
    grey = square.astype(np.float32)[None] / np.float32(255)
    return np.ascontiguousarray((grey - mean) / std)


def grey_image(inputs: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The square image (size, size) that `normalised` made ``inputs`` (channels, size, size) of."""
    mean, std = _MEAN[len(inputs)][0], _STD[len(inputs)][0]
    return np.asarray(np.clip(np.rint((inputs[0] * std + mean) * 255), 0, 255), dtype=np.uint8)


def model_input(image: NDArray[np.uint8], *, size: int, channels: int) -> NDArray[np.float32]:
    """Bring a grey image (h, w) to the float32 (channels, size, size) that a classifier takes."""
    return normalised(square_image(image, size=size), channels=channels)

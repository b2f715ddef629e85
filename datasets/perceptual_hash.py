"""A thumbnail that two files of one exposure share, however they were encoded, windowed or turned.

The picture is reduced to 48 × 48 pixels of equalised grey levels, of which any rising or falling
change of the stored values leaves nearly nothing: gamma, window, bit depth, MONOCHROME1. So a
DICOM file is taken by its stored values, and an EXIF orientation is one of the eight positions
that `near_duplicates` compares. Equalisation is limited in slope, as in CLAHE (Zuiderveld,
"Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994): FracAtlas has many
dark images, in which a full one would turn the noise of the background into half of all contrast.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lucency.configs.errors import ImageError
from lucency.datasets.radiographs import check_size, read_radiograph

SIDE = 48
VERSION = 1  # changes whenever equal files would get another thumbnail

_EQUALISED_SIDE = 64
# libjpeg reduces by 2, 4 or 8 while decoding, to a side no smaller than this.
_DRAFT_SIDE = 256
_ENDS = (0.5, 99.5)  # percentiles that become 0 and 1
_EVEN = 1e-5  # a range below this part of the values is rounding: a blank image
_BINS = 64
_STEEPEST = 2.0  # slope of the equalisation, that of the identity being 1


def perceptual_hash(path: Path) -> NDArray[np.uint8]:
    """The thumbnail (48, 48) of an image file.

    Raises
    ------
    ImageError
        The file cannot be read or decoded.

    """
    pixels = _drafted(path)
    return thumbnail(read_radiograph(path).pixels if pixels is None else pixels)


def thumbnail(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """The equalised thumbnail (48, 48) of stored values (H, W) of any type."""
    side = (_EQUALISED_SIDE, _EQUALISED_SIDE)
    # As a wide image is made square, two that were cut a little differently still are alike.
    small = cv2.resize(pixels.astype(np.float32), side, interpolation=cv2.INTER_AREA)
    low, high = np.percentile(small, _ENDS)
    if high - low <= _EVEN * max(abs(low), abs(high)):
        return np.full((SIDE, SIDE), 128, dtype=np.uint8)
    values = np.clip((small - low) / (high - low), 0.0, 1.0).astype(np.float32)
    counts, edges = np.histogram(values, bins=_BINS, range=(0.0, 1.0))
    heights = np.minimum(counts / values.size, _STEEPEST / _BINS)
    rise = np.concatenate([[0.0], np.cumsum(heights)]) / heights.sum()
    equal = np.interp(values, edges, rise).astype(np.float32) * 255.0
    reduced = cv2.resize(equal, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(np.rint(reduced), dtype=np.uint8)


def _drafted(path: Path) -> NDArray[np.uint8] | None:
    """A JPEG decoded at a fraction of its size; None for what else there is, damage included."""
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            check_size(*image.size, name=str(path))
            image.draft("L", (_DRAFT_SIDE, _DRAFT_SIDE))
            return np.asarray(image.convert("L"))
    except (ImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning):
        return None

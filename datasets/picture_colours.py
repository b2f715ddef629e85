"""How much of a picture is in colours, which a radiograph is not, whatever film it was taken on."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CLEAR = 12.0  # levels of 255; of a grey picture that was saved in colour, JPEG leaves 2 or 3
_SHADES = 16


def coloured_share(pixels: NDArray[Any]) -> float:
    """The share, 0 to 1, of pixels (H, W, 3) uint8 that are in other colours than their shade has.

    Whoever photographs a film on a light box, or scans it, gets it blue or yellow all over: each
    shade of grey has then one tint, the median of its colours, which does not count.
    """
    if _widest(pixels) < _CLEAR:
        return 0.0
    red, green, blue = np.moveaxis(pixels.reshape(-1, 3).astype(np.float32), -1, 0)
    # Opponent colours (Hasler and Süsstrunk, SPIE 5007, 2003).
    chroma = np.stack([red - green, 0.5 * (red + green) - blue], axis=1)
    shades = ((red + green + blue) * (_SHADES / 766)).astype(np.intp)
    for shade in np.unique(shades):
        of_shade = shades == shade
        chroma[of_shade] -= np.median(chroma[of_shade], axis=0)
    return float(np.mean(np.hypot(*chroma.T) > _CLEAR))


def _widest(pixels: NDArray[Any]) -> float:
    """No pixel is further than this from any median: the two that are furthest from each other.

    The same opponent colours in whole numbers, since most pictures in colours are grey ones.
    """
    red, green, blue = (pixels[..., channel].astype(np.int16) for channel in range(3))
    return math.hypot(int(np.ptp(red - green)), int(np.ptp(red + green - 2 * blue)) / 2)

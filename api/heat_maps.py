"""Heat maps of an answer: small grey pictures that lie over the whole stored image."""

import base64
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from lucency.api.schemas import HeatMap
from lucency.classification.class_map import grad_cam
from lucency.classification.classifier import Look
from lucency.configs.bundle import BundleManifest

# The last feature maps have 5 to 8 places a side: a longer picture shows no more.
LONGEST_SIDE = 256


def heat_maps(
    manifest: BundleManifest, look: Look, *, size_wh: tuple[int, int]
) -> Iterator[HeatMap]:
    """The heat map of each label of one classifier; ``size_wh`` is that of the stored image."""
    for label, gradient in zip(manifest.class_names, look.gradients, strict=True):
        heat = over_stored(grad_cam(look.maps, gradient), look.displayed.shown, size_wh=size_wh)
        hottest = float(heat.max())
        levels = np.rint(heat * (255 / hottest if hottest > 0 else 0.0)).astype(np.uint8)
        yield HeatMap(
            model=manifest.name,
            label=label,
            png=base64.b64encode(_png(levels)).decode("ascii"),
            any_heat=hottest > 0,
        )


def over_stored(
    heat: NDArray[np.float32], shown: tuple[int, int, int, int], *, size_wh: tuple[int, int]
) -> NDArray[np.float32]:
    """Bring a map (h, w) of the part ``shown`` to a small copy (H, W) of the whole stored image.

    The longer side becomes `LONGEST_SIDE`. What a crop left out of the model's sight has no heat.
    """
    factor = LONGEST_SIDE / max(size_wh)
    width, height = (max(1, round(side * factor)) for side in size_wh)
    x1, y1, x2, y2 = shown
    left, right = _span(x1 * width / size_wh[0], x2 * width / size_wh[0])
    top, bottom = _span(y1 * height / size_wh[1], y2 * height / size_wh[1])
    whole = np.zeros((height, width), dtype=np.float32)
    part_wh = (right - left, bottom - top)
    whole[top:bottom, left:right] = cv2.resize(heat, part_wh, interpolation=cv2.INTER_LINEAR)
    return whole


def _span(start: float, end: float) -> tuple[int, int]:
    """The nearest whole pixels, one at least."""
    first = round(start)
    return (first, round(end)) if round(end) > first else (int(start), int(start) + 1)


def _png(levels: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".png", levels)
    if not done:
        raise RuntimeError("OpenCV cannot write a PNG")
    return data.tobytes()

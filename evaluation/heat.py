"""Heat maps over radiographs: from a model's coarse map to pixels of the stored image."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from lucency.configs.display import DisplaySpec
from lucency.datasets.display import Displayed, display
from lucency.datasets.radiographs import Radiograph
from lucency.evaluation.pictures import CAPITAL_PX, DESCENT_PX, FONT, INK

# The hottest pixel is covered by so much, so that the bone is still to be seen below.
_OPACITY = 0.6
_PAPER = (236, 239, 244)
_LARGEST_LETTERS = 1.6


def stored_heat(
    heat: NDArray[np.float32], shown: Displayed, radiograph: Radiograph
) -> NDArray[np.float32]:
    """Bring a map (h, w) of what ``shown`` shows to (H, W) of the stored image, the hottest 1.

    What a crop left out of the model's sight has no heat. A map without heat stays so.
    """
    x1, y1, x2, y2 = shown.shown
    stored = np.zeros(radiograph.pixels.shape, dtype=np.float32)
    stored[y1:y2, x1:x2] = cv2.resize(heat, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)
    hottest = float(stored.max())
    return stored / np.float32(hottest) if hottest > 0 else stored


def blend_heat(
    radiograph: Radiograph, heat: NDArray[np.float32], spec: DisplaySpec
) -> NDArray[np.uint8]:
    """The heat (H, W), from 0 to 1, over the whole displayed image: (H, W, 3) RGB."""
    grey = display(radiograph, spec.whole()).image[:, :, None].astype(np.float32)
    levels = np.rint(heat * 255).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[:, :, ::-1]
    opacity = (_OPACITY * np.sqrt(heat))[:, :, None]
    return np.rint(grey * (1 - opacity) + colours * opacity).astype(np.uint8)


def with_title(picture: NDArray[np.uint8], lines: Sequence[str]) -> NDArray[np.uint8]:
    """The picture (H, W, 3) below a strip with ``lines``, as large as its width lets them be."""
    width = picture.shape[1]
    pad = max(2, width // 80)
    widest = max(cv2.getTextSize(line, FONT, 1.0, 1)[0][0] for line in lines)
    scale = min((width - 2 * pad) / widest, max(0.4, width / 900), _LARGEST_LETTERS)
    line_px = round((CAPITAL_PX + 2 * DESCENT_PX) * scale)
    strip = np.full((line_px * len(lines) + pad, width, 3), _PAPER, dtype=np.uint8)
    for number, line in enumerate(lines):
        baseline = round(number * line_px + pad + CAPITAL_PX * scale)
        thickness = max(1, round(1.3 * scale))
        cv2.putText(strip, line, (pad, baseline), FONT, scale, INK, thickness, cv2.LINE_AA)
    return np.concatenate([strip, picture])

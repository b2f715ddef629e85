"""Which parts of an image speak for a detection, by hiding parts: any network, no gradients.

D-RISE (Petsiuk et al., CVPR 2021): hundreds of random masks each hide about half of the image; a
pixel counts as much as the detection stays when it is seen. The detection stays as far as a box of
its class overlaps it, times that box's score. What is hidden is blurred, not blackened (Fong and
Vedaldi, ICCV 2017): a black patch on a radiograph is itself a sight.
"""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.matching import box_iou

Raw = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Progress = Callable[[int, int], None]
BATCH = 8
SEEN = 0.5
_SIGMAS = 2.0
# Sides of a mask's cells: half the box, but neither so small that no mask hides the finding nor
# so large that all hide the same.
_LEAST_CELLS, _MOST_CELLS = 8, 20


def occlusion_map(
    raw: Raw,
    batch: NDArray[np.float32],
    *,
    box_xyxy: NDArray[np.float64],
    class_id: int,
    masks: int,
    seed: int,
    on_progress: Progress | None = None,
) -> NDArray[np.float32]:
    """The map of one detection.

    Parameters
    ----------
    raw
        Gives the raw head (B, 4 + C, N) of inputs (B, 3, h, w).
    batch
        (1, 3, h, w), as `letterbox` makes it.
    box_xyxy, class_id
        The detection (4,) in pixels of the input, and its class.
    masks, seed
        How many masks, and where their random numbers start: the same seed, the same map.
    on_progress
        Told how many masks of how many are done.

    Returns
    -------
    NDArray
        (h, w), 0 or more, its sum 1 unless it is 0 everywhere: by how much the detection stays
        better with the pixel seen than on average, above what chance explains.

    """
    image = batch[0, 0]
    height, width = image.shape
    hidden = cv2.GaussianBlur(image, (0, 0), sigmaX=max(height, width) / 16)
    longer = float(max(box_xyxy[2:] - box_xyxy[:2]))
    cells = int(np.clip(2 * max(height, width) / max(longer, 1.0), _LEAST_CELLS, _MOST_CELLS))
    stays_seen = np.zeros((height, width), dtype=np.float64)
    seen, stays = np.zeros_like(stays_seen), np.zeros(0)
    for some in _masks(masks, (height, width), cells, np.random.default_rng(seed)):
        shown = some * image + (1 - some) * hidden
        inputs = np.repeat(shown[:, None], 3, axis=1)
        kept = _stays(raw(inputs), box_xyxy, class_id)
        stays_seen += np.tensordot(kept, some, axes=1)
        seen += some.sum(axis=0)
        stays = np.concatenate([stays, kept])
        if on_progress is not None:
            on_progress(len(stays), masks)
    # The mean over a pixel's masks varies by chance as well: only what exceeds that is shown.
    noise = stays.std() * np.sqrt((1 - SEEN) / (SEEN * masks))
    gain = stays_seen / np.maximum(seen, 1.0) - stays.mean() - _SIGMAS * noise
    gain = np.maximum(gain, 0.0)
    whole = gain.sum()
    return np.asarray(gain / whole if whole > 0 else gain, dtype=np.float32)


def _masks(
    count: int, size_hw: tuple[int, int], cells: int, rng: np.random.Generator
) -> Iterator[NDArray[np.float32]]:
    """Masks (B, h, w), 1 where seen: coarse random cells, enlarged smoothly, shifted at random."""
    height, width = size_hw
    cell = -(-max(height, width) // cells)
    rows, columns = -(-height // cell) + 1, -(-width // cell) + 1
    for first in range(0, count, BATCH):
        some = np.empty((min(BATCH, count - first), height, width), dtype=np.float32)
        for number in range(len(some)):
            coarse = (rng.random((rows, columns)) < SEEN).astype(np.float32)
            fine = cv2.resize(coarse, (columns * cell, rows * cell), interpolation=cv2.INTER_LINEAR)
            y, x = rng.integers(0, cell, 2)
            some[number] = fine[y : y + height, x : x + width]
        yield some


def _stays(
    heads: NDArray[np.float32], box_xyxy: NDArray[np.float64], class_id: int
) -> NDArray[np.float64]:
    """How far the detection stays in each of B raw heads (B, 4 + C, N), from 0 to 1: (B,)."""
    centre, size = heads[:, :2].astype(np.float64), heads[:, 2:4].astype(np.float64)
    corners = np.concatenate([centre - size / 2, centre + size / 2], axis=1).transpose(0, 2, 1)
    similar = box_iou(corners, box_xyxy) * heads[:, 4 + class_id]
    return np.asarray(similar.max(axis=1))

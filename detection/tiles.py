"""Looking at a large radiograph in overlapping tiles, for findings that its reduction would lose.

After Akyon, Altinuc and Temizel, Slicing aided hyper inference and fine-tuning for small object
detection, ICIP 2022 (arXiv 2202.06934): the whole image and its tiles are looked at alike, and
what they found is merged. What the edge of a tile cuts off is the known weakness: a part of a
finding looks like a finding, with a box of its own.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.configs.inference import TileSpec
from lucency.detection.box_fusion import FUSION_IOU
from lucency.detection.decode import suppress
from lucency.detection.detections import Detections
from lucency.detection.flips import Look

# A box this near to a tile's inner edge, as a share of the tile's side, may be cut off by it.
_EDGE = 0.01
# A part lies in the whole by this share of its own area.
_PART_OF = 0.5

Tile = tuple[int, int, int, int]


@dataclass(frozen=True)
class TileFindings:
    """What was found in one tile: boxes in pixels of the image that was cut into tiles.

    ``tile`` is x1, y1, x2, y2, half-open, in the same pixels.
    """

    tile: Tile
    found: Detections


def tile_grid(size_wh: tuple[int, int], spec: TileSpec) -> list[Tile]:
    """The tiles of an image, row by row, all of one size; none where one would show all of it.

    They are spread evenly, so neighbours share at least ``spec.overlap`` of their side, and none
    reaches over the image's edge.
    """
    width, height = size_wh
    if max(width, height) <= spec.size:
        return []
    tile_width, tile_height = min(width, spec.size), min(height, spec.size)
    return [
        (x, y, x + tile_width, y + tile_height)
        for y, x in itertools.product(_starts(height, spec), _starts(width, spec))
    ]


def _starts(length: int, spec: TileSpec) -> list[int]:
    if length <= spec.size:
        return [0]
    step = max(1, int(spec.size * (1.0 - spec.overlap)))
    count = -(-(length - spec.size) // step) + 1
    return [round(start) for start in np.linspace(0, length - spec.size, count)]


def look_in_tiles(image: NDArray[np.uint8], spec: TileSpec, look: Look) -> list[TileFindings]:
    """Look at each tile of an image (H, W)."""
    tiles = tile_grid((image.shape[1], image.shape[0]), spec)
    views = [np.ascontiguousarray(image[y1:y2, x1:x2]) for x1, y1, x2, y2 in tiles]
    findings = []
    for tile, found in zip(tiles, look(views), strict=True):
        moved = found.boxes_xyxy + np.array(tile[:2] * 2, dtype=np.float32)
        findings.append(TileFindings(tile, found.moved(moved)))
    return findings


def merge_tiles(
    whole: Detections, tiles: Sequence[TileFindings], *, size_wh: tuple[int, int]
) -> Detections:
    """Put what the whole image and its tiles showed into one answer, best first.

    Boxes that an inner edge cuts go where another tile shows that place uncut, and else where
    they lie for the greater part in an uncut box of their class. Of those of one class that
    overlap by more than `FUSION_IOU` the best stays, with its own class vector: a small finding
    may be seen in one tile only, and must not lose by it, so nothing is averaged.

    Parameters
    ----------
    whole
        Boxes in pixels of the image that was cut into tiles.
    tiles
        From `look_in_tiles`.
    size_wh
        Size of that image.

    """
    answers, cut = [whole], [np.zeros(len(whole), dtype=np.bool_)]
    for number, one in enumerate(tiles):
        others = [other.tile for place, other in enumerate(tiles) if place != number]
        touching = _cut_off(one.found.boxes_xyxy, one.tile, size_wh)
        shown_elsewhere = np.zeros_like(touching)
        for other in others:
            shown_elsewhere |= _inside(one.found.boxes_xyxy, other, size_wh)
        stays = ~(touching & shown_elsewhere)
        answers.append(one.found.rows(stays))
        cut.append(touching[stays])
    return _suppressed(_joined(answers), np.concatenate(cut))


def _joined(answers: Sequence[Detections]) -> Detections:
    return Detections(
        np.concatenate([found.boxes_xyxy for found in answers]),
        np.concatenate([found.probabilities for found in answers]),
        answers[0].class_names,
        np.concatenate([found.class_ids for found in answers]),
    )


def _suppressed(found: Detections, cut: NDArray[np.bool_]) -> Detections:
    """One box a finding: uncut ones first, whatever the score of a part of them."""
    kept: list[NDArray[np.intp]] = []
    for group in (np.flatnonzero(~cut), np.flatnonzero(cut)):
        one = found.rows(group)
        kept.append(group[suppress(one.boxes_xyxy, one.scores, one.class_ids, iou=FUSION_IOU)])
    uncut, parts = found.rows(kept[0]), found.rows(kept[1])
    share = _share_inside(parts.boxes_xyxy, uncut.boxes_xyxy)
    share[parts.class_ids[:, None] != uncut.class_ids[None, :]] = 0.0
    rows = np.concatenate([kept[0], kept[1][share.max(axis=1, initial=0.0) < _PART_OF]])
    return found.rows(rows[np.argsort(-found.scores[rows], kind="stable")])


def _cut_off(boxes: NDArray[np.float32], tile: Tile, size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Which boxes (N, 4) touch an edge of their tile that is not an edge of the image."""
    return ~_inside(boxes, tile, size_wh)


def _inside(boxes: NDArray[np.float32], tile: Tile, size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Which boxes (N, 4) a tile shows whole: clear of its edges, but for those of the image."""
    x1, y1, x2, y2 = tile
    margin = _EDGE * max(x2 - x1, y2 - y1)
    low = [-np.inf if start == 0 else start + margin for start in (x1, y1)]
    high = [
        np.inf if end == side else end - margin for end, side in zip((x2, y2), size_wh, strict=True)
    ]
    clear = np.hstack([boxes[:, :2] >= low, boxes[:, 2:] <= high])
    return np.asarray(clear.all(axis=1))


def _share_inside(parts: NDArray[np.float32], wholes: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much of the area of each part (N, 4) lies in each whole (M, 4): (N, M), 0 to 1."""
    upper_left = np.maximum(parts[:, None, :2], wholes[None, :, :2])
    lower_right = np.minimum(parts[:, None, 2:], wholes[None, :, 2:])
    shared = np.clip(lower_right - upper_left, 0.0, None).prod(axis=2, dtype=np.float64)
    area = (parts[:, 2:] - parts[:, :2]).prod(axis=1, dtype=np.float64)[:, None]
    return np.asarray(np.divide(shared, area, out=np.zeros_like(shared), where=area > 0))

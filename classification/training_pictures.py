"""What the network was shown first: the images of the first batch, displayed and augmented.

What is wrong with a set or a recipe is seen there: burnt-out grey levels, rotations that no patient
survives, labels that stand beside the wrong images.
"""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from lucency.datasets.model_input import grey_image
from lucency.evaluation.picture_grid import side_by_side, text_strip
from lucency.evaluation.pictures import draw_boxes, encode_jpeg

MOST_IMAGES = 16
TILE_PX = 240
# Labels that fit below a tile.
_MOST_NAMED = 3


def first_batch_picture(images: Tensor, targets: Tensor, *, labels: Sequence[str]) -> bytes:
    """Up to 16 images of a batch side by side as JPEG, with their labels below.

    ``images`` (N, channels, H, W) as the network takes them; ``targets`` (N, L) 1, 0 or NaN.
    """
    tiles = []
    for inputs, known in zip(images[:MOST_IMAGES], targets[:MOST_IMAGES].tolist(), strict=True):
        tile = draw_boxes(grey_image(inputs.numpy()), (), longest_side=TILE_PX)
        text = text_strip([_said(known, labels)], width=tile.shape[1])
        tiles.append(np.concatenate([tile, text]))
    return encode_jpeg(side_by_side(tiles))


def _said(known: Sequence[float], labels: Sequence[str]) -> str:
    """``tb``, ``no tb``, or nothing where a label is not known; absent ones last."""
    pairs = list(zip(labels, known, strict=True))
    said = [name for name, value in pairs if value == 1]
    said += [f"no {name}" for name, value in pairs if value == 0]
    more = f" +{len(said) - _MOST_NAMED}" if len(said) > _MOST_NAMED else ""
    return ", ".join(said[:_MOST_NAMED]) + more

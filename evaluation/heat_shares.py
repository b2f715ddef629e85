"""Where the heat of a map lies: in a box, in the body, in the lungs, and what chance would give."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.datasets.field import find_crop
from lucency.datasets.lungs import find_lungs
from lucency.datasets.radiographs import Radiograph


@dataclass(frozen=True)
class HeatShare:
    """The share of all heat in a part of an image, and the part's share of the image.

    Heat that knows nothing of the part has the second share in it.
    """

    heat: float
    area: float


def share_in(heat: NDArray[np.float32], part: NDArray[np.bool_]) -> HeatShare:
    """How much of the heat (H, W) lies in the ``part`` (H, W); none where there is no heat."""
    total = max(float(heat.sum(dtype=np.float64)), 1e-12)
    return HeatShare(float(heat[part].sum(dtype=np.float64)) / total, float(part.mean()))


def share_in_box(heat: NDArray[np.float32], box_xyxy: NDArray[np.float64]) -> HeatShare:
    """As `share_in`, for a box of corners (4,) in pixels, as much of it as is in the image."""
    height, width = heat.shape
    x1, y1, x2, y2 = np.rint(np.clip(box_xyxy, 0, [width, height] * 2)).astype(int)
    inside = np.zeros(heat.shape, dtype=np.bool_)
    inside[y1:y2, x1:x2] = True
    return share_in(heat, inside)


def heat_shares(
    radiograph: Radiograph, heat: NDArray[np.float32], *, chest: bool
) -> dict[str, HeatShare | None]:
    """The heat's shares by part: ``body``, the box around it, and of a ``chest`` the ``lungs``.

    ``lungs`` is None where they could not be told (`find_lungs`).
    """
    body = np.array(find_crop(radiograph, "body"), dtype=np.float64)
    shares: dict[str, HeatShare | None] = {"body": share_in_box(heat, body)}
    if chest:
        lungs = find_lungs(radiograph)
        shares["lungs"] = None if lungs is None else share_in(heat, lungs)
    return shares

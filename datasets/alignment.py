"""How alike two pictures are once one is shifted and stretched to lie on the other.

The shift and stretch are found by Gauss and Newton's method (Lucas and Kanade, "An iterative
image registration technique", IJCAI 1981), for many pairs at once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# What lies nearer to a border is not compared: there the blur reached beyond the picture.
_MARGIN = 1 / 24
_FARTHEST = 0.12  # shift, as a part of the side
_MOST_STRETCHED = 0.15
_LEAST_GAIN = 0.3


@dataclass(frozen=True)
class Alignment:
    """The best found of each pair: ``correlation`` (P,) from 0 to 1, and ``warp`` (P, 4).

    A warp is a shift across and down in pixels, then a stretch across and down: the pixel at
    ``x`` from the middle of the fixed picture lies at ``(1 + stretch) · x + shift`` in the other.
    """

    correlation: NDArray[np.float64]
    warp: NDArray[np.float64]

    def inverse_warp(self) -> NDArray[np.float64]:
        """The warps with the two pictures of each pair exchanged."""
        stretched = 1.0 + self.warp[:, 2:]
        return np.concatenate([-self.warp[:, :2] / stretched, 1.0 / stretched - 1.0], axis=1)


def band(images: NDArray[np.float64], *, fine: float, coarse: float) -> NDArray[np.float64]:
    """What of images (N, H, H) is coarser than the sigma ``fine`` and finer than ``coarse``."""
    side = images.shape[-1]
    small, large = _blur_matrix(side, fine), _blur_matrix(side, coarse)
    return np.asarray(small @ images @ small.T - large @ images @ large.T)


def align(
    moved: NDArray[np.float64],
    fixed: NDArray[np.float64],
    warp: NDArray[np.float64],
    *,
    steps: int,
) -> Alignment:
    """Lay ``moved`` (P, H, H) on ``fixed``, starting from ``warp`` (P, 4).

    Both are to be without large, even areas (see `band`). A negative correlation counts as
    much as a positive one. With 0 ``steps`` the warp stays as it is.
    """
    limits = _limits(moved.shape[-1])
    warp = np.clip(warp, -limits, limits)
    side = moved.shape[-1]
    best, chosen = np.full(len(moved), -1.0), warp
    for step in range(steps + 1):
        across, inside_x = _interpolation(side, warp[:, 0], warp[:, 2])
        down, inside_y = _interpolation(side, warp[:, 1], warp[:, 3])
        laid = down @ moved @ across.swapaxes(1, 2)
        mask = inside_y[:, :, None] * inside_x[:, None, :]
        found = _correlation(laid, fixed, mask)
        better = found > best
        best = np.where(better, found, best)
        chosen = np.where(better[:, None], warp, chosen)
        if step < steps:
            warp = _improved(warp, laid, fixed, mask)
    return Alignment(best, chosen)


def _limits(side: int) -> NDArray[np.float64]:
    return np.array([_FARTHEST * side] * 2 + [_MOST_STRETCHED] * 2)


def _blur_matrix(side: int, sigma: float) -> NDArray[np.float64]:
    """The matrix (side, side) of a Gaussian blur along one axis, mirrored at the borders."""
    reach = int(np.ceil(4 * sigma))
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    matrix = np.zeros((side, side))
    for row in range(side):
        # The pixel beyond the border, -1, is the first one again: 0.
        columns = np.floor(np.abs(row + offsets + 0.5)).astype(int)
        columns = np.where(columns >= side, 2 * side - 1 - columns, columns)
        np.add.at(matrix[row], columns, weights / weights.sum())
    return matrix


def _interpolation(
    side: int, shift: NDArray[np.float64], stretch: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrices (P, side, side) of linear interpolation along an axis, and 1 for what is inside."""
    middle, margin = (side - 1) / 2, side * _MARGIN
    place = np.arange(side) - middle
    where = (1 + stretch[:, None]) * place + shift[:, None]
    reach = side / 2 - margin
    inside = (np.abs(where) <= reach) & (np.abs(place) <= reach)
    low = np.clip(np.floor(where + middle).astype(int), 0, side - 2)
    part = np.clip(where + middle - low, 0.0, 1.0)
    pairs, rows = np.indices(where.shape)
    matrix = np.zeros((*where.shape, side))
    matrix[pairs, rows, low] = 1.0 - part
    matrix[pairs, rows, low + 1] = part
    return matrix, inside.astype(np.float64)


def _correlation(
    one: NDArray[np.float64], other: NDArray[np.float64], mask: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The absolute correlation (P,) where the mask (P, H, H) is 1."""
    flat = mask.reshape(len(mask), mask.shape[1] * mask.shape[2])
    size = np.maximum(flat.sum(axis=1), 1.0)
    a, b = (image.reshape(flat.shape) * flat for image in (one, other))
    sum_a, sum_b = a.sum(axis=1), b.sum(axis=1)
    together = np.einsum("pi,pi->p", a, b) - sum_a * sum_b / size
    spread_a = np.einsum("pi,pi->p", a, a) - sum_a**2 / size
    spread_b = np.einsum("pi,pi->p", b, b) - sum_b**2 / size
    return np.asarray(np.abs(together) / np.sqrt(np.maximum(spread_a * spread_b, 1e-9)))


def _improved(
    warp: NDArray[np.float64],
    laid: NDArray[np.float64],
    fixed: NDArray[np.float64],
    mask: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The warp after one step of least squares over shift, stretch, gain and offset."""
    side = laid.shape[-1]
    place = np.arange(side) - (side - 1) / 2
    down, across = np.gradient(laid, axis=(1, 2))
    columns = (across, down, across * place, down * place[:, None], laid, np.ones_like(laid))
    flat = np.stack([c * mask for c in columns], axis=1)
    flat = flat.reshape(len(warp), len(columns), side * side)
    normal = flat @ flat.swapaxes(1, 2) + 1e-6 * np.eye(len(columns))
    aim = flat @ (fixed * mask).reshape(len(warp), side * side, 1)
    solved = np.linalg.solve(normal, aim)[..., 0]
    gain = np.where(solved[:, 4] < 0, -1.0, 1.0) * np.maximum(np.abs(solved[:, 4]), _LEAST_GAIN)
    limits = _limits(side)
    return np.asarray(np.clip(warp + solved[:, :4] / gain[:, None], -limits, limits))

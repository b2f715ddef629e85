"""All pairs of thumbnails that may show the same exposure, among millions, in seconds.

Each thumbnail becomes the low frequencies of its cosine transform (as in the perceptual hash of
Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010, but with the
coefficients themselves instead of their signs), weighted towards edges. What shifting and
stretching do to it to first order are four more such vectors, and a pair is judged by how much of
one lies in the span of the other's five: the tangent distance of Simard, LeCun and Denker
("Efficient pattern recognition using a new transformation distance", NIPS 1992), so that a cut
margin costs little. Mirroring and turning only changes signs and order of the coefficients.

All vectors are rounded to whole numbers whose products float32 adds up exactly, so that neither
machine nor number of threads matters.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lucency.datasets.alignment import band

Pixel = TypeVar("Pixel", bound=np.generic)

GRID = 24  # pixels of the reduced thumbnail
ORIENTATIONS = 8

_WAVES = 16  # frequencies in each direction
_FINE, _COARSE = 0.7, 2.0  # sigmas of the band in pixels of the grid
_LEAST = 0.87  # of a picture's length that must lie in the other's span
_SCALE = 2048.0  # products of two such unit vectors stay below 2^24
_ROWS, _COLUMNS = 128, 2048


@dataclass(frozen=True)
class Candidates:
    """Pairs ``first`` < ``second`` (P,) that may be alike, the second image turned.

    ``orientation`` (P,) is how (see `turned`); ``warp`` (P, 4) an estimate of where in the first
    a pixel of the second lies (see `Alignment`), in pixels of the grid.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    orientation: NDArray[np.int64]
    warp: NDArray[np.float64]

    def chosen(self, keep: NDArray[Any]) -> "Candidates":
        """The pairs that ``keep`` (P,) is true of, or that it numbers."""
        return Candidates(
            self.first[keep], self.second[keep], self.orientation[keep], self.warp[keep]
        )


def find_candidates(thumbnails: NDArray[np.uint8]) -> Candidates:
    """Compare all of the thumbnails (N, 48, 48) with each other in all eight orientations."""
    parts = [_spans(part) for part in _parts(thumbnails)]
    spans = np.concatenate([spans for spans, _ in parts])
    triangles = np.concatenate([triangles for _, triangles in parts])
    found: list[NDArray[np.int64]] = []
    for orientation in range(ORIENTATIONS):
        features = _turned_waves(spans[:, 0], orientation)
        found += [
            np.column_stack([pairs, np.full(len(pairs), orientation)])
            for pairs in _alike(spans, features)
        ]
    rows = np.concatenate([np.zeros((0, 3), dtype=np.int64), *found])
    rows = rows[np.lexsort(rows.T[::-1])]
    first, second, orientation = rows.T
    return Candidates(first, second, orientation, _estimates(spans, triangles, rows))


def turned(images: NDArray[Pixel], orientation: int) -> NDArray[Pixel]:
    """Images (…, H, W): transposed for 4, upside down for 2, mirrored for 1, in this order."""
    if orientation & 4:
        images = images.swapaxes(-1, -2)
    if orientation & 2:
        images = images[..., ::-1, :]
    if orientation & 1:
        images = images[..., ::-1]
    return images


def edges(thumbnails: NDArray[np.uint8], *, fine: float, coarse: float) -> NDArray[np.float32]:
    """The `band` of the thumbnails (N, 48, 48) on the grid (N, 24, 24)."""
    found = [band(_reduced(part), fine=fine, coarse=coarse) for part in _parts(thumbnails)]
    return np.concatenate(found).astype(np.float32)


def _parts(thumbnails: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    # The intermediate arrays are many times the size of the thumbnails.
    return np.array_split(thumbnails, len(thumbnails) // 2048 + 1)


def _reduced(thumbnails: NDArray[np.uint8]) -> NDArray[np.float64]:
    step = thumbnails.shape[-1] // GRID
    shape = (len(thumbnails), GRID, step, GRID, step)
    return np.asarray(thumbnails.reshape(shape).mean(axis=(2, 4), dtype=np.float64))


def _spans(
    thumbnails: NDArray[np.uint8],
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Spans (N, 5, 256) of picture and tangents as whole numbers, and their triangles (N, 5, 5).

    The first vector is the picture's own. A triangle holds what of the raw vectors lies in each.
    """
    images = band(_reduced(thumbnails), fine=_FINE, coarse=_COARSE)
    down, across = (np.asarray(its) for its in np.gradient(images, axis=(1, 2)))
    place = np.arange(GRID) - (GRID - 1) / 2
    raw = (images, across, down, across * place, down * place[:, None])
    basis: list[NDArray[np.float64]] = []
    triangles = np.zeros((len(images), len(raw), len(raw)))
    for column, vectors in enumerate(map(_waves, raw)):
        for row, known in enumerate(basis):
            share = np.einsum("nd,nd->n", known, vectors)
            triangles[:, row, column] = share
            vectors = vectors - share[:, None] * known  # noqa: PLW2901 - Gram and Schmidt
        length = np.sqrt(np.einsum("nd,nd->n", vectors, vectors)) + 1e-6
        triangles[:, column, column] = length
        basis.append(vectors / length[:, None])
    return np.rint(np.stack(basis, axis=1) * _SCALE).astype(np.float32), triangles


def _waves(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """The low frequencies (N, 256) of images (N, 24, 24): DCT-II without the mean."""
    angles = np.outer(np.arange(_WAVES), np.arange(GRID) + 0.5) * np.pi / GRID
    cosines = np.cos(angles) * np.sqrt(2.0 / GRID)
    waves = cosines @ images @ cosines.T
    waves[:, 0, 0] = 0.0
    return np.asarray(waves.reshape(len(images), _WAVES * _WAVES))


def _turned_waves(waves: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """The same as the waves (N, 256) of the turned images."""
    square = waves.reshape(-1, _WAVES, _WAVES)
    if orientation & 4:
        square = square.swapaxes(1, 2)
    alternating = np.where(np.arange(_WAVES) % 2, -1, 1).astype(np.float32)
    if orientation & 2:
        square = square * alternating[:, None]
    if orientation & 1:
        square = square * alternating
    return np.ascontiguousarray(square.reshape(waves.shape))


def _alike(spans: NDArray[np.float32], features: NDArray[np.float32]) -> list[NDArray[np.int64]]:
    """Pairs (P, 2) of images of which the second mostly lies in the span of the first."""
    least = np.float32((_LEAST * _SCALE * _SCALE) ** 2)
    size = spans.shape[-1]
    found = []
    for top in range(0, len(spans), _ROWS):
        rows = spans[top : top + _ROWS]
        flat = np.ascontiguousarray(rows.swapaxes(0, 1)).reshape(-1, size)
        for left in range(top, len(spans), _COLUMNS):
            products = flat @ features[left : left + _COLUMNS].T
            products *= products
            total = products.reshape(5, len(rows), -1).sum(axis=0)
            pairs = np.argwhere(total >= least) + np.array([top, left])
            found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    return found


def _estimates(
    spans: NDArray[np.float32], triangles: NDArray[np.float64], rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Shifts and stretches (P, 4) that bring the first of each pair nearest to the second."""
    warps = np.zeros((len(rows), 4))
    for orientation in range(ORIENTATIONS):
        chosen = np.flatnonzero(rows[:, 2] == orientation)
        features = _turned_waves(spans[:, 0], orientation)
        for part in np.array_split(chosen, len(chosen) // 4096 + 1):
            first, second = rows[part, 0], rows[part, 1]
            shares = np.einsum("pkd,pd->pk", spans[first], features[second]) / _SCALE
            solved = np.linalg.solve(triangles[first], shares[..., None].astype(np.float64))[..., 0]
            size = np.where(np.abs(solved[:, 0]) < 1e-9, 1e-9, solved[:, 0])
            warps[part] = solved[:, 1:] / size[:, None]
    return warps

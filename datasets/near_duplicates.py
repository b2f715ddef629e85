"""Which images of a set show the same exposure, though their files differ.

Public sets hold copies that were encoded again, reduced, cut, mirrored, turned or windowed anew,
and a copy on the other side of a split makes test figures too good. Two exposures of one patient
are no duplicates; keeping those together is what patient ids are for.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import Dataset, ImageRecord
from lucency.datasets.alignment import Alignment, align, band
from lucency.datasets.candidate_pairs import Candidates, edges, find_candidates, turned
from lucency.datasets.fingerprints import fingerprints
from lucency.datasets.parallel import in_order

# Correlations that pairs must reach, one after the other: where the candidate search laid them,
# after a step of alignment, at 48 × 48 and, at last, aligned there. Of different pictures among
# 7,758 real ones the most alike reach 0.93 (TBX11K: two exposures, by the look of them of one
# person); of 13.6 million pairs of children's chests, 0.90.
_LAID, _NEAR, _WHOLE, ALIKE = 0.82, 0.88, 0.75, 0.93
_PART = 128  # pairs at a time


@dataclass(frozen=True)
class NearDuplicates:
    """Groups of two or more images that show the same exposure, sorted by path.

    ``unreadable`` are images of which nothing can be told: path below the root, and why.
    """

    groups: tuple[tuple[ImageRecord, ...], ...]
    unreadable: Mapping[str, str]


def near_duplicates(
    dataset: Dataset,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NearDuplicates:
    """Find all images of a set that show the same exposure, directly or through others.

    Found are files that were encoded again, reduced, windowed anew or inverted, mirrored, turned
    by right angles, cut at the margins by a few percent, or all of this. Thumbnails are kept in
    ``fingerprints.csv``, so that only new images are decoded. ``progress`` is called with the
    number of images looked at and that of all; the comparison comes after that.
    """
    known, unreadable = fingerprints(dataset, workers=workers, progress=progress)
    records = sorted(
        (record for record in dataset.records if record.sha256 in known),
        key=lambda record: (record.sha256, str(record.image)),
    )
    digests = list(dict.fromkeys(record.sha256 for record in records))
    thumbnails = np.array([known[digest] for digest in digests], dtype=np.uint8)
    pairs = alike_pairs(thumbnails, workers=workers) if digests else []
    parent = {digest: digest for digest in digests}

    def root(digest: str) -> str:
        while parent[digest] != digest:
            parent[digest] = parent[parent[digest]]
            digest = parent[digest]
        return digest

    for one, other in pairs:
        parent[root(digests[other])] = root(digests[one])
    groups: dict[str, list[ImageRecord]] = {}
    for record in records:
        groups.setdefault(root(record.sha256), []).append(record)
    found = [tuple(sorted(g, key=_path)) for g in groups.values() if len(g) > 1]
    return NearDuplicates(tuple(sorted(found, key=lambda g: _path(g[0]))), unreadable)


def alike_pairs(
    thumbnails: NDArray[np.uint8], *, workers: int | None = None
) -> list[tuple[int, int]]:
    """The pairs of thumbnails (N, 48, 48) that show the same, sorted."""
    pairs = find_candidates(thumbnails)
    grid = edges(thumbnails, fine=0.5, coarse=1.5)
    for steps, least in ((0, _LAID), (1, _NEAR)):
        laid = _align(grid, pairs, pairs.warp, steps=steps, workers=workers)
        pairs = replace(pairs, warp=laid.warp).chosen(laid.correlation >= least)
    laid = _align(grid, pairs, pairs.warp, steps=3, workers=workers)
    scale = np.array([thumbnails.shape[-1] / grid.shape[-1]] * 2 + [1.0, 1.0])
    best = np.zeros(len(pairs.first))
    # Either picture may be the one that was cut; laying the larger on the smaller works best.
    for warp, exchanged in ((laid.warp * scale, False), (laid.inverse_warp() * scale, True)):
        there = _align(thumbnails, pairs, warp, steps=0, exchanged=exchanged, workers=workers)
        keep = np.flatnonzero(there.correlation >= _WHOLE)
        some = pairs.chosen(keep)
        there = _align(thumbnails, some, warp[keep], steps=3, exchanged=exchanged, workers=workers)
        best[keep] = np.maximum(best[keep], there.correlation)
    same = pairs.chosen(best.round(3) >= ALIKE)
    return sorted({(int(a), int(b)) for a, b in zip(same.first, same.second, strict=True)})


def _align(
    images: NDArray[np.float32] | NDArray[np.uint8],
    pairs: Candidates,
    warp: NDArray[np.float64],
    *,
    steps: int,
    exchanged: bool = False,
    workers: int | None,
) -> Alignment:
    """Align pairs of images (N, H, H), bands or whole thumbnails, the second of each turned."""
    correlation, best = np.zeros(len(warp)), np.zeros((len(warp), 4))

    def laid(part: NDArray[np.int64]) -> Alignment:
        one = images[pairs.first[part]].astype(np.float64)
        orientation = int(pairs.orientation[part[0]])
        two = turned(images[pairs.second[part]], orientation).astype(np.float64)
        if images.dtype == np.uint8:
            one, two = (band(its, fine=0.6, coarse=1.5) for its in (one, two))
        moved, fixed = (two, one) if exchanged else (one, two)
        return align(moved, fixed, warp[part], steps=steps)

    parts = list(_parts(pairs.orientation))
    for part, found in zip(parts, in_order(laid, parts, workers=workers), strict=True):
        correlation[part], best[part] = found.correlation, found.warp
    return Alignment(correlation, best)


def _parts(orientation: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """The numbers of a few pairs each, all of one orientation."""
    for each in np.unique(orientation):
        chosen = np.flatnonzero(orientation == each)
        yield from (chosen[start : start + _PART] for start in range(0, len(chosen), _PART))


def _path(record: ImageRecord) -> str:
    return str(record.image)

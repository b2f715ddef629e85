"""Distributing groups of images over splits so that every stratum has like shares in each.

First iterative stratification: Sechidis, Tsoumakas and Vlahavas, "On the stratification of
multi-label data" (ECML PKDD 2011). Then single groups move or change places as long as that
brings the counts nearer to the shares, since groups of several images leave the first step uneven.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

IMAGES = "images"  # the stratum that every image belongs to

_MOST_ROUNDS = 500
_MOST_SWAPS = 2_000_000  # kinds × kinds × strata; beyond that only single groups move
# Counts are whole numbers; a smaller gain than this is rounding.
_GAIN = 1e-9


def stratify(groups: Sequence[Mapping[str, int]], shares: Mapping[str, float]) -> list[str]:
    """Choose a split for each group.

    ``groups`` count their images by stratum, `IMAGES` among them; their order decides between
    equals. ``shares`` maps each split to its share; they add up to 1.
    """
    placed = _iterative(groups, shares)
    _refine(groups, placed, shares)
    return placed


def _iterative(groups: Sequence[Mapping[str, int]], shares: Mapping[str, float]) -> list[str]:
    """Rarest stratum first, each group to the split that still wants most of that stratum."""
    placed = [""] * len(groups)
    total = _total(groups)
    wanted = {split: {s: n * share for s, n in total.items()} for split, share in shares.items()}
    waiting = list(range(len(groups)))
    while waiting:
        left = _total([groups[index] for index in waiting])
        rarest = min(left, key=lambda stratum: (left[stratum], stratum))
        members = [index for index in waiting if groups[index].get(rarest)]
        waiting = [index for index in waiting if not groups[index].get(rarest)]
        # In the given order. With large groups first, as small ones could then even out what those
        # left, every patient of several images would go to the largest split.
        for index in members:
            placed[index] = max(shares, key=lambda s: _want(wanted[s], rarest))
            for stratum, count in groups[index].items():
                wanted[placed[index]][stratum] -= count
    return placed


def _want(wanted: Mapping[str, float], stratum: str) -> tuple[float, float]:
    # Rounded, so that the order in which fractions were added up never decides.
    return round(wanted[stratum], 6), round(wanted[IMAGES], 6)


def _total(groups: Sequence[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for group in groups:
        total.update(group)
    return total


def _refine(
    groups: Sequence[Mapping[str, int]], placed: list[str], shares: Mapping[str, float]
) -> None:
    """Move or swap groups while the weighted squared distance from the shares gets smaller.

    Groups with equal counts are one kind, so that a thousand like patients cost no more than one.
    The distance is summed over splits and strata, each stratum divided by its number of images.
    """
    splits, strata = list(shares), sorted(_total(groups))
    table = np.array([[group.get(s, 0) for s in strata] for group in groups], dtype=np.float64)
    if len(splits) < 2 or not len(groups):
        return
    kinds, kind_of = np.unique(table, axis=0, return_inverse=True)
    kind_of = kind_of.reshape(-1)
    held: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, split in enumerate(placed):
        held[split, int(kind_of[index])].append(index)
    total = table.sum(axis=0)
    weight = 1.0 / total
    surplus = {split: -shares[split] * total for split in splits}
    for index, split in enumerate(placed):
        surplus[split] = surplus[split] + table[index]
    for _ in range(_MOST_ROUNDS):
        best = min(
            _best_change(kinds, held, surplus, weight, source=a, target=b)
            for a in splits
            for b in splits
            if a != b
        )
        gain, source, target, moved, back = best
        if gain > -_GAIN:
            return
        for kind, a, b in ((moved, source, target), (back, target, source)):
            if kind < 0:
                continue
            index = held[a, kind].pop()
            held[b, kind].append(index)
            placed[index] = b
            surplus[a] = surplus[a] - kinds[kind]
            surplus[b] = surplus[b] + kinds[kind]


def _best_change(
    kinds: NDArray[np.float64],
    held: Mapping[tuple[str, int], list[int]],
    surplus: Mapping[str, NDArray[np.float64]],
    weight: NDArray[np.float64],
    *,
    source: str,
    target: str,
) -> tuple[float, str, str, int, int]:
    """The best move from ``source`` to ``target``: change of distance, splits, kind, kind back.

    The last is -1 where nothing comes back. Moving counts v changes the distance by
    2 w·v·(surplus of target - surplus of source + v).
    """
    out = [kind for kind in range(len(kinds)) if held.get((source, kind))]
    back = [kind for kind in range(len(kinds)) if held.get((target, kind))]
    if not out:
        return 0.0, source, target, -1, -1
    if len(out) * len(back) * kinds.shape[1] > _MOST_SWAPS:
        back = []
    returned = np.vstack([np.zeros((1, kinds.shape[1])), kinds[back]])
    moved = kinds[out][:, None, :] - returned[None, :, :]
    change = 2.0 * moved * (surplus[target] - surplus[source] + moved) @ weight
    place = int(np.argmin(change.round(9)))
    row, column = divmod(place, len(returned))
    kind_back = back[column - 1] if column else -1
    return float(change[row, column].round(9)), source, target, out[row], kind_back

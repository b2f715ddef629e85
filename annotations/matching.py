"""Which box of one reader is which box of another: greedy one-to-one matching, in plain Python.

Labels count: boxes of one label are matched first. What is left over and overlaps all the same
is one place with two labels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from lucency.annotations.findings import Finding
from lucency.annotations.geometry import overlap

DEFAULT_IOU = 0.5

# Row among the first findings, row among the second, and their overlap.
Pair: TypeAlias = tuple[int, int, float]


@dataclass(frozen=True, slots=True)
class Matching:
    """Two lists of findings compared; all numbers are rows of these lists.

    ``same`` are pairs with one label, ``relabelled`` pairs with two, the best overlap first;
    ``only_first`` and ``only_second`` have no partner. Every row stands in one of them, once.
    """

    same: tuple[Pair, ...]
    relabelled: tuple[Pair, ...]
    only_first: tuple[int, ...]
    only_second: tuple[int, ...]


def match(first: Sequence[Finding], second: Sequence[Finding], *, iou: float) -> Matching:
    """Match findings whose boxes overlap by ``iou`` or more; ties go to the earlier rows."""
    pairs = [
        (row, other, share)
        for row, a in enumerate(first)
        for other, b in enumerate(second)
        if (share := overlap(a.box, b.box)) >= iou
    ]
    pairs.sort(key=lambda pair: -pair[2])  # stable, so ties keep the order of the rows
    rows, others = set(range(len(first))), set(range(len(second)))
    one_label = [pair for pair in pairs if first[pair[0]].label == second[pair[1]].label]
    same = _taken(one_label, rows, others)
    relabelled = _taken(pairs, rows, others)
    return Matching(same, relabelled, tuple(sorted(rows)), tuple(sorted(others)))


def _taken(pairs: Iterable[Pair], rows: set[int], others: set[int]) -> tuple[Pair, ...]:
    """The pairs whose two rows are both free when their turn comes; they are free no longer."""
    taken = []
    for pair in pairs:
        if pair[0] in rows and pair[1] in others:
            rows.remove(pair[0])
            others.remove(pair[1])
            taken.append(pair)
    return tuple(taken)

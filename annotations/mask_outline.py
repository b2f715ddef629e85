"""From the spans of a mask to its outline along the edges of pixels.

A mask is a dictionary of its lines (rows, or columns): line number -> ``[start, stop, start,
stop, …]``, ascending, ``stop`` exclusive, and no two spans touch. Only places where one line
differs from the next are visited, so the work grows with the number of spans, not of pixels.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

Corner: TypeAlias = tuple[int, int]  # position along the line, line
Lines: TypeAlias = Mapping[int, Sequence[int]]

# What happens at a position between two lines. Where two pixels meet at a corner alone, this
# order makes them one part: the start of one is met before the stop of the other.
_START_ENDS, _START_BEGINS, _STOP_ENDS, _STOP_BEGINS = range(4)


def outline(lines: Lines) -> list[Corner]:
    """One closed polygon around all parts of a mask, its holes filled; empty if the mask is.

    Parts are pixels that share an edge or a corner. Several parts are joined, from the top down,
    by bridges of no width between near corners, so that the polygon has the area and the box of
    all of them. It turns clockwise where a line is a row and rows go down.
    """
    parts = list(_contours(lines))
    outer = [part for part in parts if _area(part) > 0]
    if len(outer) > 1 and len(outer) < len(parts):
        # A part may lie in the hole of another, where it would be counted twice.
        outer = list(_contours(_filled(outer)))
    return _joined(outer)


def _contours(lines: Lines) -> Iterator[list[Corner]]:
    """Every contour, holes turning the other way; each corner is a turn."""
    departs: list[Corner] = []  # each edge along the lines, by number
    arrives: list[Corner] = []
    follows: dict[int, int] = {}
    down: dict[int, int] = {}  # position of an open edge across lines -> edge that led to it
    up: dict[int, int] = {}  # the same, but -> edge that it leads to

    def meet(position: int, event: int, edge: int) -> None:
        if event == _START_BEGINS:
            up[position] = edge
        elif event == _STOP_BEGINS:
            down[position] = edge
        elif event == _START_ENDS:
            follows[edge] = up.pop(position)
        else:
            follows[down.pop(position)] = edge

    for line, events in _events(lines):
        pairs = iter(events)
        for (left, left_event), (right, right_event) in zip(pairs, pairs, strict=True):
            # A start that begins, or a stop that ends, is left behind: the edge departs there.
            forward = left_event in (_START_BEGINS, _STOP_ENDS)
            departs.append((left, line) if forward else (right, line))
            arrives.append((right, line) if forward else (left, line))
            meet(left, left_event, len(departs) - 1)
            meet(right, right_event, len(departs) - 1)
    while follows:
        first, edge = follows.popitem()
        contour = [departs[first], arrives[first]]
        while edge != first:
            contour += (departs[edge], arrives[edge])
            edge = follows.pop(edge)
        yield contour


def _events(lines: Lines) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Where each line differs from the one before it: pairs of ends of edges, in order."""
    before: Sequence[int] = ()
    last = 0
    for line in sorted(lines):
        if line != last + 1 and before:
            yield last + 1, _changes(before, ())
            before = ()
        if lines[line] != before:
            yield line, _changes(before, lines[line])
        before, last = lines[line], line
    if before:
        yield last + 1, _changes(before, ())


def _changes(before: Sequence[int], after: Sequence[int]) -> list[tuple[int, int]]:
    changes: list[tuple[int, int]] = []
    kinds = ((_START_ENDS, _START_BEGINS), (_STOP_ENDS, _STOP_BEGINS))
    for offset, (ends, begins) in enumerate(kinds):
        old, new = set(before[offset::2]), set(after[offset::2])
        changes += [(position, ends) for position in old - new]
        changes += [(position, begins) for position in new - old]
    return sorted(changes)


def _filled(outer: Sequence[list[Corner]]) -> dict[int, list[int]]:
    """The spans inside of any of these contours."""
    turns: dict[int, list[tuple[int, int]]] = {}
    for contour in outer:
        # Edges across lines go from an odd to the next even corner, the last one to the first.
        for (position, start), (_, end) in zip(
            contour[1::2], contour[2::2] + contour[:1], strict=True
        ):
            step = 1 if end < start else -1
            for line in range(min(start, end), max(start, end)):
                turns.setdefault(line, []).append((position, step))
    lines: dict[int, list[int]] = {}
    for line, steps in turns.items():
        spans: list[int] = []
        depth = 0
        for position, step in sorted(steps, key=lambda turn: (turn[0], -turn[1])):
            if depth == 0 or depth + step == 0:
                spans.append(position)
            depth += step
        lines[line] = spans
    return lines


def _joined(parts: list[list[Corner]]) -> list[Corner]:
    """One polygon: along each part to the corner nearest the next part, and back at the end."""
    if len(parts) < 2:
        return parts[0] if parts else []
    parts = sorted(parts, key=lambda part: min((line, position) for position, line in part))
    joined: list[Corner] = []
    ways_back: list[list[Corner]] = []
    entry = 0
    for part, following in pairwise(parts):
        turned = part[entry:] + part[: entry + 1]
        leave = _nearest(turned[:-1], following[0])
        joined += turned[: leave + 1]
        ways_back.append(turned[leave:])
        entry = _nearest(following, turned[leave])
    joined += parts[-1][entry:] + parts[-1][: entry + 1]
    for way_back in reversed(ways_back):
        joined += way_back
    return joined[:-1]


def _nearest(corners: Sequence[Corner], target: Corner) -> int:
    x, y = target
    distances = [(column - x) ** 2 + (row - y) ** 2 for column, row in corners]
    return distances.index(min(distances))


def _area(contour: Sequence[Corner]) -> int:
    # Green's theorem; edges across the lines add nothing to it.
    edges = zip(contour[::2], contour[1::2], strict=True)
    return sum((start - end) * line for (start, line), (end, _) in edges)

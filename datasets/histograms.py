"""Counts of values in bins, as a survey of a data set tells them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np


@dataclass(frozen=True)
class Histogram:
    """``counts[i]`` values lie from ``edges[i]`` to below ``edges[i + 1]``.

    The last bin holds its upper edge, too; what lies beyond the edges is in the outermost bins.
    ``logarithmic`` edges have equal ratios. ``median`` is that of the values; None without any.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    median: float | None = None
    logarithmic: bool = False


def histogram(
    values: Sequence[float], edges: Sequence[float], *, logarithmic: bool = False
) -> Histogram:
    """Count ``values`` between ``edges``, at least two and ascending."""
    inside = np.clip(np.asarray(values, dtype=np.float64), edges[0], edges[-1])
    counts, _ = np.histogram(inside, bins=np.asarray(edges, dtype=np.float64))
    middle = round(float(median(values)), 4) if len(values) else None
    rounded = tuple(round(float(edge), 6) for edge in edges)
    return Histogram(rounded, tuple(counts.tolist()), middle, logarithmic)


def even_edges(low: float, high: float, bins: int) -> list[float]:
    """``bins`` bins of one width from ``low`` to ``high``."""
    return [float(edge) for edge in np.linspace(low, high, bins + 1)]


def log_edges(low: float, high: float, bins: int) -> list[float]:
    """``bins`` bins of one ratio from ``low``, above 0, to ``high``."""
    return [float(edge) for edge in np.geomspace(low, high, bins + 1)]


def whole_numbers(values: Iterable[int], *, most: int) -> dict[str, int]:
    """How often each whole number occurs, from the smallest to the largest.

    ``most`` and above are one entry (``10+``); those in between that do not occur are there
    with 0.
    """
    capped = [min(value, most) for value in values]
    if not capped:
        return {}
    return {
        f"{number}+" if number == most else str(number): capped.count(number)
        for number in range(min(capped), max(capped) + 1)
    }

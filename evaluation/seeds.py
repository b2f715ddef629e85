"""The same training with several seeds: how much of a figure is chance.

A difference between two recipes that is smaller than the spread between seeds shows nothing. The
folder holds a run folder for each seed and ``seeds.json``.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Generic, TypeVar

from lucency.configs import atomic
from lucency.configs.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

SEEDS = "seeds.json"

Summary = TypeVar("Summary")


@dataclass(frozen=True)
class Spread:
    """A figure over several seeds: ``sd`` is the sample's, None of a single one."""

    mean: float
    sd: float | None
    low: float
    high: float


@dataclass(frozen=True)
class SeedsSummary(Generic[Summary]):
    """What trainings with several seeds gave: the runs in the seeds' order, and each figure."""

    runs: Mapping[int, Summary]
    figures: Mapping[str, Spread]


def over_seeds(
    train_one: Callable[[int, Path], Summary],
    folder: Path,
    *,
    first: int,
    seeds: int,
    resume: bool,
    figures: Sequence[str],
    measured: str,
) -> SeedsSummary[Summary]:
    """Call ``train_one`` with each of ``seeds`` seeds from ``first`` on and its folder ``seedN``.

    ``figures`` are the attributes of a summary whose spread is told, and ``measured`` says in
    ``seeds.json`` how they were. ``train_one`` itself takes up what was interrupted.

    Raises
    ------
    ConfigError
        ``seeds`` is below 1, or ``folder`` is in use and ``resume`` was not asked for.

    """
    if seeds < 1:
        raise ConfigError(f"seeds: must be at least 1, got {seeds}")
    if not resume and folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: exists already; name a new folder, or add --resume to go on")
    runs = {seed: train_one(seed, folder / f"seed{seed}") for seed in range(first, first + seeds)}
    rows = {seed: {name: getattr(run, name) for name in figures} for seed, run in runs.items()}
    spreads = {name: _spread([float(row[name]) for row in rows.values()]) for name in figures}
    text = {
        "runs": {str(seed): row for seed, row in rows.items()},
        "figures": {
            name: {"mean": s.mean, "sd": s.sd, "low": s.low, "high": s.high}
            for name, s in spreads.items()
        },
        "measured": measured,
    }
    atomic.write_text(folder / SEEDS, json.dumps(text, indent=2) + "\n")
    return SeedsSummary(runs, spreads)


def spread_table(summary: SeedsSummary[Summary], labels: Mapping[str, str]) -> "Table":
    """A table for the terminal: each figure by seed, its mean, deviation and range.

    ``labels`` are the figures' names for people; whole numbers are shown as such.
    """
    from rich import box
    from rich.table import Table

    from lucency.evaluation.report import format_cell

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("at the best epoch")
    for seed in summary.runs:
        table.add_column(f"seed {seed}", justify="right")
    for column in ("mean", "SD", "range"):
        table.add_column(column, justify="right")
    for name, spread in summary.figures.items():
        values = [getattr(run, name) for run in summary.runs.values()]
        if all(isinstance(value, int) for value in values):
            *cells, low, high = (str(int(value)) for value in (*values, spread.low, spread.high))
            middle, sd = (f"{value or 0:.1f}" for value in (spread.mean, spread.sd))
        else:
            *cells, low, high = map(format_cell, (*values, spread.low, spread.high))
            middle, sd = format_cell(spread.mean), format_cell(spread.sd)
        table.add_row(labels[name], *cells, middle, sd, f"{low} to {high}")
    return table


def _spread(values: list[float]) -> Spread:
    sd = stdev(values) if len(values) > 1 else None
    return Spread(mean(values), sd, min(values), max(values))

"""What the service does under eight times the load that it can bear.

Part of `service_speed.py`. The peak is the most that some numbers of clients get whom the service
can bear. Then comes eight times that, in three ways: requests by the clock, at eight times the
peak's rate, whatever becomes of them; eight times the clients that `analyses_at_once` says, 64 at
least, who come again when `Retry-After` tells them; and as many who come again at once, which is a
hundred times the peak, and is told without a bound.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from service_load import Load, Outcome, put_load
from service_process import MEGABYTE, Row, Served, percentile, spread

from lucency.api.settings import Settings

TIMES = 8
LEAST_CLIENTS = 64
KEPT = 0.9
SHED_MS = 50.0
FLAT = 0.05


@dataclass
class Way:
    """One way to overload, and what came of it in each round; ``bound``: it is to be borne."""

    what: str
    load: Load
    bound: bool
    outcomes: list[Outcome] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)


def overload_rows(
    service: Served, requests: Sequence[bytes], *, seconds: float, rounds: int
) -> Iterator[Row]:
    """Goodput, refusals and memory, each way; the service is warm."""
    at_once = Settings().at_once
    least = Load(service.port, tuple(requests), clients=at_once, seconds=seconds)
    bearable = (least, replace(least, clients=2 * at_once), replace(least, clients=8))
    crowd = replace(least, clients=max(LEAST_CLIENTS, TIMES * at_once))
    ways = (
        Way(f"{TIMES} times the peak's rate", replace(crowd, rate=1.0), True),
        Way(f"{crowd.clients} clients that wait as told", crowd, True),
        Way(f"{crowd.clients} clients that do not", replace(crowd, patient=False), False),
    )
    peaks: list[float] = []
    memory: list[int] = []
    for _ in range(rounds):
        peak = max(put_load(load).goodput for load in bearable)
        peaks.append(peak)
        memory.append(service.memory())
        for way in ways:
            by_clock = way.load.rate is not None
            outcome = put_load(replace(way.load, rate=TIMES * peak if by_clock else None))
            way.outcomes.append(outcome)
            way.kept.append(outcome.goodput / peak)
            memory.append(service.memory())
    clients = ", ".join(str(load.clients) for load in bearable)
    yield Row(f"peak, images in a second (clients: the best of {clients})", spread(peaks))
    for way in ways:
        yield from _way_rows(way)
    yield memory_row(memory)


def _way_rows(way: Way) -> Iterator[Row]:
    replies = [reply for outcome in way.outcomes for reply in outcome.replies]
    refused = [reply for reply in replies if reply.status == 503]
    kept = statistics.median(way.kept)
    bound = (f"≥ {KEPT}", kept >= KEPT) if way.bound else ("", None)
    yield Row(f"{way.what}: goodput to the peak", spread(way.kept), *bound)
    times = [reply.seconds * 1000 for reply in refused]
    shed = percentile(times, 99)
    told = f"{percentile(times, 50):.1f}, {shed:.1f}, {max(times, default=float('nan')):.1f}"
    soon = bool(refused) and shed <= SHED_MS
    bound = (f"p99 ≤ {SHED_MS:g}", soon) if way.bound else ("", None)
    yield Row(f"{way.what}: {len(refused)} times 503, ms: median, p99, longest", told, *bound)
    lacking = sum(not reply.retry_after for reply in refused)
    yield Row(f"{way.what}: 503 without Retry-After", str(lacking), "0", lacking == 0)
    broken = sum(sum(outcome.broken.values()) for outcome in way.outcomes)
    other = sum(reply.status not in (200, 503) for reply in replies) + broken
    counts = "; ".join(outcome.statuses for outcome in way.outcomes)
    yield Row(f"{way.what}: neither 200 nor 503", f"{other} ({counts})", "0", other == 0)
    latency = [reply.seconds * 1000 for reply in replies if reply.status == 200]
    yield Row(
        f"{way.what}: 200, ms: median, p99",
        f"{percentile(latency, 50):.0f}, {percentile(latency, 99):.0f}",
    )
    yield Row(
        f"{way.what}: the generator's share of a core, its lag in ms at p99",
        f"{spread([outcome.cpu for outcome in way.outcomes])}; "
        f"{spread([outcome.late * 1000 for outcome in way.outcomes], 1)}",
    )


def memory_row(memory: Sequence[int]) -> Row:
    """Memory after the first load against that at the end, and its range."""
    first, last = memory[0], memory[-1]
    change = last / first - 1
    told = f"{first / MEGABYTE:.0f}, {last / MEGABYTE:.0f}; most {max(memory) / MEGABYTE:.0f}"
    figure = "resident memory, service and children, MB: before, after"
    return Row(figure, f"{told} ({change:+.1%})", f"±{FLAT:.0%}", abs(change) <= FLAT)

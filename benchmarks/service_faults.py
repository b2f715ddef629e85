"""Slow sockets and the end of the process: what others must not notice.

    python benchmarks/service_faults.py [--sockets 300] [--rounds 3] [--data FOLDER]

Against a real service process with the shipped bundles. In each round a third of the sockets say
nothing, a third stop within the head of a request, a third within its body. While they hang,
`/healthz` is asked every 50 ms by one who connects anew each time, and an image is analysed. Noted
is when the service closed each of them. Then eight images are sent, and SIGTERM while they are in
the works: each must be answered, and the process must have ended within 10 s. Prints Markdown
tables.
"""

import argparse
import asyncio
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from service_images import DATA, hands
from service_load import Load, Outcome, analyze_request, put_load
from service_process import Row, Served, percentile, print_rows, served, spread

HEALTH_MS = 50.0
STALL_SECONDS = 10.0
# For noticing it, and for the round of the clock by which the service looks.
GRACE_SECONDS = 1.5
WATCH_SECONDS = STALL_SECONDS + 5
EXIT_SECONDS = 10.0
IN_FLIGHT = 8
HEAD = b"POST /v1/analyze HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; "
STALLS = {
    "nothing said": b"",
    "stalled in the head": HEAD,
    "stalled in the body": HEAD
    + b"boundary=x\r\nContent-Length: 100000\r\n\r\n--x\r\nContent-Disp",
}


@dataclass
class Stalls:
    """What became of slow sockets: seconds until each was closed, by kind, and `/healthz` in ms."""

    closed: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in STALLS})
    left: int = 0
    health: list[float] = field(default_factory=list)
    unhealthy: int = 0
    analysis: str = ""


async def stalled(port: int, kind: str, found: Stalls) -> None:
    """One socket that stops somewhere; notes when the service closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(STALLS[kind])
    begin = time.perf_counter()
    try:
        async with asyncio.timeout(WATCH_SECONDS):
            while await reader.read(4096):
                pass
        found.closed[kind].append(time.perf_counter() - begin)
    except ConnectionError:
        found.closed[kind].append(time.perf_counter() - begin)
    except TimeoutError:
        found.left += 1
    finally:
        writer.transport.abort()


async def healthy(port: int, found: Stalls) -> None:
    """Ask `/healthz`, each time by a new connection, as long as the sockets may hang."""
    end = time.perf_counter() + WATCH_SECONDS
    while time.perf_counter() < end:
        begin = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = await reader.read(4096)
        found.health.append((time.perf_counter() - begin) * 1000)
        found.unhealthy += not answer.startswith(b"HTTP/1.1 200")
        writer.close()
        await asyncio.sleep(0.05)


async def slow_sockets(port: int, sockets: int, image: bytes) -> Stalls:
    """Open them all, and look meanwhile whether the service is there for others."""
    found = Stalls()
    kinds = list(STALLS)
    hanging = [stalled(port, kinds[number % 3], found) for number in range(sockets)]

    async def analysis() -> None:
        await asyncio.sleep(1)  # by then all of them hang
        load = Load(port, (analyze_request(image),), count=1)
        outcome = await asyncio.to_thread(put_load, load)
        found.analysis = outcome.statuses + "".join(f", {r.seconds:.2f} s" for r in outcome.replies)

    await asyncio.gather(healthy(port, found), analysis(), *hanging)
    return found


def slow_rows(rounds: Sequence[Stalls]) -> Iterator[Row]:
    """How `/healthz` fared, and when the sockets were closed."""
    worst = [max(found.health) for found in rounds]
    p99 = [percentile(found.health, 99) for found in rounds]
    yield Row("`/healthz` meanwhile, ms: p99", spread(p99, 1), f"≤ {HEALTH_MS:g}",
              max(p99) <= HEALTH_MS)  # fmt: skip
    yield Row("`/healthz` meanwhile, ms: longest", spread(worst, 1))
    bad = sum(found.unhealthy for found in rounds)
    yield Row("`/healthz` not 200", str(bad), "0", bad == 0)
    # Those that stalled in their bodies have been let in, so the service may be full of them.
    told = "; ".join(found.analysis for found in rounds)
    yield Row("an analysis meanwhile: its status", told)
    for kind in STALLS:
        seconds = [one for found in rounds for one in found.closed[kind]]
        latest = max(seconds, default=float("inf"))
        bound = f"≤ {STALL_SECONDS:g} + {GRACE_SECONDS:g}"
        held = latest <= STALL_SECONDS + GRACE_SECONDS
        yield Row(f"{kind}: {len(seconds)} sockets closed after s", spread(seconds, 1), bound, held)
    left = sum(found.left for found in rounds)
    yield Row(f"sockets still open after {WATCH_SECONDS:g} s", str(left), "0", left == 0)


@dataclass
class Ending:
    """What SIGTERM did: the answers to what was in the works, and the process's end."""

    outcome: Outcome
    seconds: float
    status: int


def ended(service: Served, images: Sequence[bytes]) -> Ending:
    """Send SIGTERM while images are in the works."""
    requests = tuple(analyze_request(image) for image in images)
    load = Load(service.port, requests, clients=IN_FLIGHT, count=IN_FLIGHT)
    outcomes: list[Outcome] = []
    sending = threading.Thread(target=lambda: outcomes.append(put_load(load)))
    sending.start()
    wait_until_busy(service)
    service.process.send_signal(signal.SIGTERM)
    begin = time.monotonic()
    status = service.process.wait(60)
    seconds = time.monotonic() - begin
    sending.join()
    return Ending(outcomes[0], seconds, status)


def wait_until_busy(service: Served) -> None:
    """Until the first of the images was taken: the service uses the processor."""
    stat = Path(f"/proc/{service.process.pid}/stat")

    def ticks() -> int:
        parts = stat.read_text().rpartition(")")[2].split()
        return int(parts[11]) + int(parts[12])

    begin, end = ticks(), time.monotonic() + 10
    while ticks() < begin + 3 and time.monotonic() < end:
        time.sleep(0.002)


def ending_rows(endings: Sequence[Ending]) -> Iterator[Row]:
    """Whether anything was lost, and how soon the process had ended."""
    told = "; ".join(ending.outcome.statuses for ending in endings)
    lost = sum(IN_FLIGHT - len(ending.outcome.of(200)) for ending in endings)
    yield Row(f"SIGTERM with {IN_FLIGHT} images in the works: lost", f"{lost} ({told})", "0",
              lost == 0)  # fmt: skip
    seconds = [ending.seconds for ending in endings]
    held = max(seconds) <= EXIT_SECONDS
    yield Row("from SIGTERM to the end, s", spread(seconds), f"≤ {EXIT_SECONDS:g}", held)
    statuses = {ending.status for ending in endings}
    yield Row("exit status", ", ".join(map(str, statuses)), "0", statuses == {0})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Disturb the service.")
    parser.add_argument("--sockets", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    images = hands(given.data, IN_FLIGHT)
    stalls: list[Stalls] = []
    endings: list[Ending] = []
    for _ in range(given.rounds):
        with served() as service:
            service.wait_until_ready()
            put_load(Load(service.port, (analyze_request(images[0]),), count=2))
            stalls.append(asyncio.run(slow_sockets(service.port, given.sockets, images[0])))
            endings.append(ended(service, images))
    print_rows(f"{given.sockets} slow sockets, {given.rounds} rounds", list(slow_rows(stalls)))
    print_rows("SIGTERM", list(ending_rows(endings)))


if __name__ == "__main__":
    main()

"""Whether the service holds out: thousands of requests, the same answers, the same memory.

    python benchmarks/service_soak.py [--requests 20000] [--minutes 10] [--clients 8]
        [--images 24] [--data FOLDER]

A real service process with the shipped bundles takes hands, chests, one DICOM file and one file
that is no image, in turn. First 200 mixed requests at the same time, whose answers must be those
that the same files got one by one, bit for bit but for `timings_ms`. Then --requests, and for
--minutes at least: every answer is that same one again, and the resident memory of the service and
its children is noted every second. It is flat if, after a first tenth to warm up, the median of
every further tenth is within 5% of the median of all. Prints Markdown tables.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from service_images import DATA, chests, hands
from service_load import Load, Outcome, analyze_request, put_load
from service_process import MEGABYTE, Row, Served, print_rows, served, spread

MIXED = 200
FLAT = 0.05
SAMPLE_SECONDS = 1.0
PARTS = 10
NO_IMAGE = b"Dear colleague,"
DICOM = "dicom/*.dcm"


class MemoryWatch(threading.Thread):
    """Notes the resident memory of a service every second, until told that it is done."""

    def __init__(self, service: Served) -> None:
        super().__init__(daemon=True)
        self.samples: list[int] = []
        self.done = threading.Event()
        self._service = service

    def run(self) -> None:
        """Look."""
        while not self.done.wait(SAMPLE_SECONDS):
            self.samples.append(self._service.memory())


def same_rows(load: Load) -> Iterator[Row]:
    """Mixed requests at the same time get the answers that they get one by one."""
    one_by_one = put_load(replace(load, clients=1, count=len(load.requests)))
    expected = answers(one_by_one)
    at_once = put_load(replace(load, clients=20, count=MIXED))
    different = others(at_once, expected)
    kinds = len({answer for of_request in expected.values() for answer in of_request})
    yield Row(
        f"{len(at_once.replies)} of {MIXED} mixed requests, {len(load.requests)} files, "
        f"{kinds} different answers; others than one by one",
        f"{different} ({at_once.statuses})",
        "0",
        different == 0 and len(at_once.replies) == MIXED,
    )


def answers(outcome: Outcome) -> dict[int, set[tuple[int, bytes]]]:
    """What each request was answered with."""
    found: dict[int, set[tuple[int, bytes]]] = {}
    for reply in outcome.replies:
        found.setdefault(reply.request, set()).add((reply.status, reply.kept))
    return found


def others(outcome: Outcome, expected: dict[int, set[tuple[int, bytes]]]) -> int:
    """How many answers are not the expected ones."""
    return sum((one.status, one.kept) not in expected[one.request] for one in outcome.replies)


def soak_rows(service: Served, load: Load, *, requests: int, minutes: float) -> Iterator[Row]:
    """Failures, changed answers and memory over many requests."""
    expected = answers(put_load(replace(load, clients=1, count=len(load.requests))))
    watch = MemoryWatch(service)
    watch.start()
    begin = time.monotonic()
    sent = failed = changed = 0
    rates: list[float] = []
    while sent < requests or time.monotonic() - begin < minutes * 60:
        count = min(2000, requests - sent) if sent < requests else 200
        outcome = put_load(replace(load, count=count))
        rates.append(len(outcome.replies) / outcome.seconds)
        failed += sum(outcome.broken.values()) + failures(outcome)
        changed += others(outcome, expected)
        sent += count
    watch.done.set()
    watch.join()
    took = time.monotonic() - begin
    yield Row(f"requests in {took / 60:.1f} minutes, {load.clients} clients", str(sent))
    yield Row("answers in a second", spread(rates, 1))
    yield Row("requests that failed", str(failed), "0", failed == 0)
    yield Row("answers that were not the first one", str(changed), "0", changed == 0)
    alive = service.process.poll() is None and service.is_ready()
    yield Row("ready at the end", "yes" if alive else "no", "yes", alive)
    yield memory_row(watch.samples)


def failures(outcome: Outcome) -> int:
    """Answers that say that the service could not."""
    return sum(reply.status >= 500 for reply in outcome.replies)


def memory_row(samples: Sequence[int]) -> Row:
    """Medians of each tenth of the time, the first left out, against the median of all."""
    size = max(1, len(samples) // PARTS)
    parts = [
        statistics.median(samples[first : first + size])
        for first in range(size, len(samples) - size + 1, size)
    ]
    if not parts:
        return Row("resident memory", "too short to tell", f"±{FLAT:.0%}", False)
    middle = statistics.median(parts)
    most = max(abs(part / middle - 1) for part in parts)
    told = f"{middle / MEGABYTE:.0f} MB; {min(parts) / MEGABYTE:.0f} to {max(parts) / MEGABYTE:.0f}"
    figure = f"resident memory, service and children; {len(parts)} medians of {size} samples"
    return Row(figure, f"{told} (±{most:.1%})", f"±{FLAT:.0%}", most <= FLAT)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Let the service work for long.")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--images", type=int, default=24, help="of hands, and of chests")
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    files = [*hands(given.data, given.images), *chests(given.data, given.images), NO_IMAGE]
    files += [path.read_bytes() for path in sorted(given.data.glob(DICOM))[:1]]
    with served() as service:
        service.wait_until_ready()
        requests = tuple(analyze_request(image) for image in files)
        load = Load(service.port, requests, clients=given.clients, keep="digests")
        print_rows("The same answers", list(same_rows(load)))
        rows = soak_rows(service, load, requests=given.requests, minutes=given.minutes)
        print_rows("Holding out", list(rows))


if __name__ == "__main__":
    main()

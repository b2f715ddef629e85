"""Real service processes for the benchmarks, their memory, and the Markdown that they print."""

import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from pathlib import Path

PROGRAM = str(Path(sys.executable).parent / "lucency")
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
START_SECONDS = 120
STOP_SECONDS = 30
PAGE = os.sysconf("SC_PAGE_SIZE")
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Served:
    """A process that serves on 127.0.0.1; ``started`` is the `time.monotonic` of its start."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path
    started: float

    def get(self, path: str, *, timeout: float = 10.0) -> tuple[int, bytes]:
        """Status and body of one GET."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def is_ready(self, path: str = "/readyz") -> bool:
        """Whether ``path`` is answered with 200."""
        try:
            return self.get(path)[0] == 200
        except (OSError, HTTPException):
            return False

    def wait_until_ready(self, path: str = "/readyz") -> float:
        """Wait; returns the seconds since the start of the process."""
        while not self.is_ready(path):
            if self.process.poll() is not None:
                raise RuntimeError(f"the service ended: {self.log.read_text()[-2000:]}")
            if time.monotonic() - self.started > START_SECONDS:
                raise RuntimeError(f"the service is not ready: {self.log.read_text()[-2000:]}")
            time.sleep(0.005)
        return time.monotonic() - self.started

    def memory(self) -> int:
        """Resident bytes of the process and its children; pages that they share count for each."""
        return sum(_resident(pid) for pid in family(self.process.pid))


@contextmanager
def served(*options: str, settings: Mapping[str, object] | None = None) -> Iterator[Served]:
    """`lucency serve` on a free port; ``settings`` are fields of `Settings`."""
    given = {f"LUCENCY_{name.upper()}": str(value) for name, value in (settings or {}).items()}
    with running([PROGRAM, "serve", "--port", "0", *options], environment=given) as service:
        yield service


@contextmanager
def running(
    command: Sequence[str], *, port: int | None = None, environment: Mapping[str, str]
) -> Iterator[Served]:
    """A server in a process of its own; without a ``port`` its log tells it. Stopped at the end."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("LUCENCY_")}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        started = time.monotonic()
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=out, env={**outside, **environment}
            )
        try:
            yield Served(process, port or _port(process, log), log, started)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if found := ADDRESS.search(log.read_text()):
            return int(found[1])
        time.sleep(0.005)
    raise RuntimeError(f"the service did not start: {log.read_text()[-2000:]}")


def family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name stands in parentheses and may hold anything, spaces and parentheses too.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
        parents.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0


def machine() -> str:
    """The machine and its load, one line."""
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cores} cores, load {load}, Python {platform.python_version()}, "
        f"onnxruntime {version('onnxruntime')}, lucency {version('lucency')}"
    )


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median and range: ``3.10 (2.90 to 3.40)``."""
    if not values:
        return "–"
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that ``percent`` % of the values do not exceed; nan where there is none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def verdict(held: bool) -> str:
    """How a bound fared."""
    return "held" if held else "missed"


@dataclass(frozen=True)
class Row:
    """A line of a table of figures; without a ``bound`` it is only told."""

    figure: str
    value: str
    bound: str = ""
    held: bool | None = None


def print_rows(title: str, rows: Sequence[Row]) -> None:
    """Print a Markdown table: figure, value, bound, whether it was held."""
    print(f"\n### {title}\n\n{machine()}\n\n| figure | value | bound | |\n|---|---|---|---|")
    for row in rows:
        told = "" if row.held is None else verdict(row.held)
        print(f"| {row.figure} | {row.value} | {row.bound} | {told} |", flush=True)

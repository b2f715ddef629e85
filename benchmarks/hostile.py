"""What becomes of hostile images: each is decoded in a sandbox, and the answers are counted.

    python benchmarks/hostile.py [--files 1600] [--seed 0] [--real FOLDER]

The files are those of ``hostile_classes.py``, one a class, and random damage to good ones, to
DICOM files below FOLDER too if it is given. Prints Markdown tables: answers by fault, times,
memory of the decoding processes. Ends with status 1 if an answer is neither a radiograph nor an
error with a fault, a class has another fault than it must, or one took more than its time.
"""

import argparse
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hostile_classes import CLASSES
from hostile_files import DAMAGE, HostileFile, damaged_files

from lucency.configs.errors import ImageError
from lucency.datasets.radiographs import decode_radiograph
from lucency.datasets.sandbox import DEFAULT_MEMORY_BYTES, DEFAULT_SECONDS, Sandbox

READ = "read"
# For killing a process and waiting for it, on a machine that has other work.
GRACE_SECONDS = 0.2
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Outcome:
    """What a hostile file was answered with: a fault, or that it was read."""

    what: str
    answer: str
    seconds: float


class Watch(threading.Thread):
    """Notes the highest memory of the sandbox's processes, in bytes: resident and addressed."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(daemon=True)
        self.peaks = {"VmHWM": 0, "VmPeak": 0}
        self._sandbox = sandbox
        self.done = threading.Event()

    def run(self) -> None:
        """Look every few milliseconds until told that it is done."""
        while not self.done.wait(0.02):
            for pid in self._sandbox.pids():
                self._look(pid)

    def _look(self, pid: int) -> None:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            return
        for line in lines:
            name, _, value = line.partition(":")
            if name in self.peaks:
                self.peaks[name] = max(self.peaks[name], int(value.split()[0]) * 1024)


def decode_all(sandbox: Sandbox, files: Iterable[HostileFile]) -> Iterator[Outcome]:
    for file in files:
        start = time.perf_counter()
        try:
            sandbox.decode(file.data, name="hostile")
            answer = READ
        except ImageError as error:
            answer = error.fault.value
        yield Outcome(file.what, answer, time.perf_counter() - start)


def class_files() -> Iterator[HostileFile]:
    for name, (make, _) in CLASSES.items():
        yield HostileFile(name, make())


def real_files(folder: Path, count: int, *, seed: int) -> Iterator[HostileFile]:
    rng = np.random.default_rng(seed)
    paths = sorted(folder.rglob("*.dcm"))
    for number in range(count if paths else 0):
        path = paths[number % len(paths)]
        damage = DAMAGE[int(rng.integers(len(DAMAGE)))]
        yield HostileFile(f"{path.stem}, {damage.__name__}", damage(rng, path.read_bytes()))


def wrong_classes(outcomes: Iterable[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        if outcome.what in CLASSES:
            wanted = CLASSES[outcome.what][1] or READ
            if outcome.answer != wanted:
                yield f"{outcome.what}: {outcome.answer}, must be {wanted}"


def print_tables(outcomes: Sequence[Outcome], watch: Watch) -> None:
    print(f"\n{len(outcomes)} files\n\n| answer | files | slowest, s |\n|---|---|---|")
    for answer, count in Counter(each.answer for each in outcomes).most_common():
        slowest = max(each.seconds for each in outcomes if each.answer == answer)
        print(f"| {answer} | {count} | {slowest:.2f} |")
    times = sorted(each.seconds for each in outcomes)
    slowest = max(outcomes, key=lambda each: each.seconds)
    print("\n| figure | |\n|---|---|")
    print(f"| median, 99th percentile | {times[len(times) // 2] * 1000:.1f} ms, "
          f"{times[int(len(times) * 0.99)] * 1000:.0f} ms |")  # fmt: skip
    print(f"| slowest | {slowest.seconds:.2f} s ({slowest.what}) |")
    crashed = sum(each.answer == "decoder-crashed" for each in outcomes)
    print(f"| processes that died | {crashed} |")
    print(f"| peak resident memory of a process | {watch.peaks['VmHWM'] // MEGABYTE} MB |")
    print(f"| peak address space (limit {DEFAULT_MEMORY_BYTES // MEGABYTE}) | "
          f"{watch.peaks['VmPeak'] // MEGABYTE} MB |")  # fmt: skip


def compare_speed(sandbox: Sandbox, path: Path, *, rounds: int = 25) -> None:
    """Decode one file in this process and in the sandbox, by turns."""
    data = path.read_bytes()
    here, there = [], []
    for _ in range(rounds + 1):
        for decode, times in ((decode_radiograph, here), (sandbox.decode, there)):
            start = time.perf_counter()
            decode(data, name="x")
            times.append(time.perf_counter() - start)
    own, other = (sorted(times[1:])[rounds // 2] * 1000 for times in (here, there))
    print(f"| {path.name} | {own:.1f} | {other:.1f} | {other / own:.2f} |")


def main() -> int:
    parser = argparse.ArgumentParser(description="Decode hostile images in a sandbox.")
    parser.add_argument("--files", type=int, default=1600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--real", type=Path)
    given = parser.parse_args()
    left = max(0, given.files - len(CLASSES))
    of_real = left // 5 if given.real else 0
    # With two processes the next image need not wait for a new one after one was killed.
    with Sandbox(workers=2) as sandbox:
        watch = Watch(sandbox)
        watch.start()
        outcomes = list(decode_all(sandbox, class_files()))
        outcomes += decode_all(sandbox, damaged_files(left - of_real, seed=given.seed))
        if given.real:
            outcomes += decode_all(sandbox, real_files(given.real, of_real, seed=given.seed))
        watch.done.set()
        print_tables(outcomes, watch)
        if given.real:
            print("\n| file | in process, ms | sandbox, ms | ratio |\n|---|---|---|---|")
            for name in ("extremity_RG3_J2KR.dcm", "extremity_RG3_JPLL.dcm"):
                compare_speed(sandbox, given.real / name)
    wrong = [*wrong_classes(outcomes)]
    wrong += [f"{each.what}: {each.seconds:.2f} s" for each in outcomes
              if each.seconds > DEFAULT_SECONDS + GRACE_SECONDS]  # fmt: skip
    for line in wrong:
        print("wrong:", line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""Inputs of many requests that wait for a network, and which of them are run together.

A core is best used by one run of one thread; so there are as many workers as cores, each takes what
waits longest, and with it others of the same model and shape if more wait than there are free
workers. An input that is alone is run by all cores, since nobody else wants them. `Ways` says what
of this leaves every bit of an answer as it is; nothing else is done.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from lucency.configs.errors import LucencyError

Feed = Mapping[str, NDArray[Any]]
# A model and the shapes and types of its inputs: what can be run together.
Kind = tuple[str, tuple[tuple[str, tuple[int, ...], str], ...]]


class DeadlineError(LucencyError):
    """The answer would come too late, so the work that was not yet begun was dropped."""


@dataclass(frozen=True)
class Ways:
    """How inputs of one kind may be run: as many together as in ``sizes``, rising; ``wide``ly."""

    sizes: tuple[int, ...] = (1,)
    wide: bool = False


@dataclass(eq=False)
class Job:
    """One input (1, …) that a network is to be run on.

    ``deadline`` is a value of `time.monotonic`, after which nobody waits any more. ``outputs``
    holds the arrays (1, …) once they are there; ``began`` and ``ended``, of `time.perf_counter`,
    say when the network ran.
    """

    model: str
    feed: Feed
    deadline: float | None = None
    outputs: "Future[list[NDArray[Any]]]" = field(default_factory=Future)
    came: float = field(default_factory=time.perf_counter)
    began: float = 0.0
    ended: float = 0.0

    def __post_init__(self) -> None:
        self.kind: Kind = kind_of(self.model, self.feed)


@dataclass(frozen=True)
class Batch:
    """What a worker is to run together; no jobs: there is nothing to do, for some time already."""

    jobs: tuple[Job, ...] = ()
    wide: bool = False


class JobQueue:
    """Jobs that wait, first come, first served; for ``workers`` threads.

    A worker takes a batch, and says `done` when it has run it. ``window_s`` is how long a job may
    wait for others to be run with, beyond those that wait already.
    """

    def __init__(self, *, workers: int, window_s: float, ways: Callable[[Kind], Ways]) -> None:
        self._workers = workers
        self._window_s = window_s
        self._ways = ways
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._running = 0
        self._wide = False
        self._closed = False

    def put(self, jobs: Sequence[Job]) -> None:
        """Add jobs, all at the same moment; raises `RuntimeError` if the queue is closed."""
        with self._changed:
            if self._closed:
                raise RuntimeError("the models are closed")
            self._waiting.extend(jobs)
            self._changed.notify_all()

    def take(self, *, patience_s: float | None = None) -> Batch | None:
        """The next batch for a worker; an empty one if none came in time; None at the end.

        After `close` what waits is still handed out.
        """
        bored = None if patience_s is None else time.perf_counter() + patience_s
        left: float | None
        with self._changed:
            while True:
                self._drop_late()
                if self._waiting and not self._wide:
                    left = self._window_left()
                    if left <= 0.0:
                        return self._begin()
                elif self._closed and not self._waiting:
                    return None
                else:
                    left = None if bored is None else bored - time.perf_counter()
                    if left is not None and left <= 0.0:
                        self._running += 1
                        return Batch()
                self._changed.wait(left)

    def done(self, batch: Batch) -> None:
        """What `take` gave has been run."""
        with self._changed:
            self._running -= 1
            if batch.wide:
                self._wide = False
            if self._waiting or self._closed:
                self._changed.notify_all()

    def close(self) -> None:
        """Take no more jobs."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _drop_late(self) -> None:
        """Leave out jobs whose deadline has passed or that nobody waits for any more."""
        now = time.monotonic()
        for job in [job for job in self._waiting if job.deadline is not None]:
            if job.outputs.cancelled() or now >= (job.deadline or 0.0):
                self._waiting.remove(job)
                if job.outputs.set_running_or_notify_cancel():
                    job.outputs.set_exception(DeadlineError("the network was not run in time"))

    def _window_left(self) -> float:
        """For how many seconds the first job may still wait for others."""
        first = self._waiting[0]
        most = self._ways(first.kind).sizes[-1]
        if self._closed or not self._window_s or len(self._alike(first, most)) >= most:
            return 0.0
        return first.came + self._window_s - time.perf_counter()

    def _begin(self) -> Batch:
        first = self._waiting[0]
        ways = self._ways(first.kind)
        if ways.wide and not self._running and len(self._waiting) == 1:
            chosen, wide = [first], True
        else:
            wide = False
            free = max(1, self._workers - self._running)
            share = -(-len(self._waiting) // free)
            alike = self._alike(first, min(share, ways.sizes[-1]))
            chosen = alike[: max(size for size in ways.sizes if size <= len(alike))]
        for job in chosen:
            self._waiting.remove(job)
        # One whose caller has left at this very moment is not run.
        begun = tuple(job for job in chosen if job.outputs.set_running_or_notify_cancel())
        self._wide = wide and bool(begun)
        self._running += 1
        return Batch(begun, wide=self._wide)

    def _alike(self, first: Job, most: int) -> list[Job]:
        """The first jobs that wait and could be run together with ``first``, itself among them."""
        found: list[Job] = []
        for job in self._waiting:
            if job.kind == first.kind:
                found.append(job)
            if len(found) >= most:
                break
        return found


def kind_of(model: str, feed: Feed) -> Kind:
    """What inputs have to have in common to be run together: all but their number."""
    shapes = ((name, array.shape[1:], array.dtype.str) for name, array in feed.items())
    return model, tuple(shapes)

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lucency.api.batching import Batch, DeadlineError, Job, JobQueue, Kind, Ways

FOURS = Ways(sizes=(1, 2, 4), wide=True)


def job(model: str = "a", side: int = 4, **values: float) -> Job:
    return Job(model, {"image": np.zeros((1, 1, side, side), np.float32)}, **values)


def queue(workers: int = 1, *, ways: Ways = FOURS, window_s: float = 0.0) -> JobQueue:
    def ways_of(kind: Kind) -> Ways:
        return ways

    return JobQueue(workers=workers, window_s=window_s, ways=ways_of)


def taken(one: JobQueue) -> Batch:
    batch = one.take(patience_s=0.0)
    assert batch is not None
    return batch


def test_an_input_that_is_alone_gets_all_cores() -> None:
    waiting = queue(workers=2)
    first, second = job(), job()
    waiting.put([first])
    assert taken(waiting) == Batch((first,), wide=True)
    waiting.put([second])
    # The cores are taken.
    assert taken(waiting) == Batch()
    waiting.done(Batch())
    waiting.done(Batch((first,), wide=True))
    assert taken(waiting) == Batch((second,), wide=True)


def test_what_is_not_known_to_be_identical_runs_alone_in_one_thread() -> None:
    waiting = queue(ways=Ways())
    jobs = [job() for _ in range(3)]
    waiting.put(jobs)
    for one in jobs:
        batch = taken(waiting)
        assert batch == Batch((one,), wide=False)
        waiting.done(batch)


@pytest.mark.parametrize(
    ("workers", "count", "sizes"),
    [(1, 2, [2]), (1, 3, [2, 1]), (1, 7, [4, 2, 1]), (2, 2, [1, 1]), (2, 6, [2, 4])],
    ids=str,
)
def test_as_many_run_together_as_there_are_more_than_free_workers(
    workers: int, count: int, sizes: list[int]
) -> None:
    waiting = queue(workers)
    waiting.put([job() for _ in range(count)])
    found = []
    for number in range(len(sizes)):
        batch = taken(waiting)
        found.append(len(batch.jobs))
        if workers == 1 or number:
            waiting.done(batch)
    assert found == sizes


@pytest.mark.parametrize("other", [job("b"), job(side=8)], ids=["model", "shape"])
def test_others_are_not_run_together(other: Job) -> None:
    waiting = queue()
    first, second = job(), job()
    waiting.put([first, other, second])
    batch = taken(waiting)
    assert batch.jobs == (first, second)
    waiting.done(batch)
    assert taken(waiting).jobs == (other,)


def test_a_job_whose_deadline_has_passed_is_not_run() -> None:
    waiting = queue()
    late, left, other = (job(deadline=time.monotonic() + wait) for wait in (-1.0, 60.0, 60.0))
    left.outputs.cancel()
    waiting.put([late, left, other])
    assert taken(waiting).jobs == (other,)
    with pytest.raises(DeadlineError, match="not run in time"):
        late.outputs.result(0)


def test_a_window_waits_for_others_but_not_for_long() -> None:
    waiting = queue(window_s=0.05)
    waiting.put([job()])
    start = time.perf_counter()
    assert len(taken_after_waiting(waiting).jobs) == 1
    assert time.perf_counter() - start >= 0.04
    waiting.done(Batch(wide=True))
    waiting.put([job() for _ in range(4)])
    start = time.perf_counter()
    assert len(taken_after_waiting(waiting).jobs) == 4
    assert time.perf_counter() - start < 0.04


def taken_after_waiting(one: JobQueue) -> Batch:
    batch = one.take()
    assert batch is not None
    return batch


def test_what_waits_when_the_queue_is_closed_is_still_run() -> None:
    waiting = queue()
    waiting.put([job()])
    waiting.close()
    with pytest.raises(RuntimeError, match="closed"):
        waiting.put([job()])
    batch = taken(waiting)
    assert len(batch.jobs) == 1
    waiting.done(batch)
    assert waiting.take() is None


def test_every_job_is_taken_once_by_many_workers() -> None:
    waiting = queue(workers=4)
    jobs = [job(side=4 + number % 3) for number in range(400)]
    seen: list[Job] = []
    lock = threading.Lock()

    def work() -> None:
        while (batch := waiting.take()) is not None:
            with lock:
                seen.extend(batch.jobs)
            waiting.done(batch)

    with ThreadPoolExecutor(8) as threads:
        workers = [threads.submit(work) for _ in range(4)]
        list(threads.map(lambda one: waiting.put([one]), jobs))
        waiting.close()
        for worker in workers:
            worker.result(10)
    assert len(seen) == len(jobs)
    assert {id(one) for one in seen} == {id(one) for one in jobs}


def test_all_workers_end_where_the_last_job_came_too_late() -> None:
    """One waits for a run with all cores to end; meanwhile another drops the only job."""
    waiting = queue(workers=3)
    first, late = job(), job(deadline=time.monotonic() + 0.1)
    waiting.put([first])
    running = taken(waiting)
    assert running.wide
    waiting.put([late])
    waiting.close()
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(waiting.take)
        assert waiting.take(patience_s=0.3) is None
        waiting.done(running)
        assert other.result(5) is None

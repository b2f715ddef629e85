"""The owner of the ONNX Runtime sessions: nobody else runs them.

There is one of one thread for each model, in which the workers, as many as cores, run it side by
side, and one of all cores for an input that is alone; `lucency.api.batching` says which. How a
model may be run is tried as soon as there is time (`lucency.api.identical_runs`); until then one
input is run at a time, in one thread.
"""

import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from lucency.api.batching import Batch, Feed, Job, JobQueue, Kind, Ways, kind_of
from lucency.api.identical_runs import split, stacked, try_ways
from lucency.configs.bundle import Bundle
from lucency.configs.session import Session, cores_of_this_process, open_session

# Without requests for so long, what is still to be tried is tried.
_QUIET_S = 0.05
# So often at least, however many requests there are.
_NOW_AND_THEN_S = 0.5
_FLOATS = "tensor(float)"
# Kinds that are tried; images of ever new shapes must not fill the memory.
_MOST_KINDS = 512


class ModelSessions:
    """Runs the models of ``bundles`` on so many ``cores`` (0: all), from any number of threads.

    Up to ``batch_size`` inputs are run together, for which one waits ``batch_window_ms`` at most.

    Raises
    ------
    BundleError
        ONNX Runtime refuses a model.

    """

    def __init__(
        self,
        bundles: Sequence[Bundle],
        *,
        cores: int = 0,
        batch_size: int = 1,
        batch_window_ms: float = 0.0,
    ) -> None:
        cores = cores or cores_of_this_process()
        # All at the start: while ONNX Runtime opens one, no other thread of Python goes on.
        narrow, wide = (
            {each.manifest.name: open_session(each, threads=threads) for each in bundles}
            if threads
            else {}
            for threads in (1, cores if cores > 1 else 0)
        )
        self._narrow = narrow
        work = _Work(narrow, wide, batch_size=batch_size)
        for model, session in narrow.items():
            if (kind := _only_kind(model, session)) is not None:
                work.meet(kind)
        self._work = work
        self._queue = JobQueue(workers=cores, window_s=batch_window_ms / 1000, ways=work.ways_of)
        self._threads = [
            threading.Thread(target=work.go_on, args=(self._queue,), name="model", daemon=True)
            for _ in range(cores)
        ]
        for thread in self._threads:
            thread.start()
        # Also where nobody closed it: when it is collected, or the interpreter ends.
        self._end = weakref.finalize(self, _end, self._queue, self._threads)

    def session(self, model: str) -> Session:
        """The session of one thread, to be asked what it takes and gives, not to be run."""
        return self._narrow[model]

    def submit(
        self, wanted: Sequence[tuple[str, Feed]], *, deadline: float | None
    ) -> tuple[Job, ...]:
        """Ask for all outputs of several models, each by its name and with its input (1, …).

        ``deadline`` is a value of `time.monotonic`. Those that wait together are run at once as
        far as there are cores. Raises `RuntimeError` if the sessions are closed.
        """
        jobs = tuple(Job(model, feed, deadline) for model, feed in wanted)
        for job in jobs:
            self._work.meet(job.kind)
        self._queue.put(jobs)
        return jobs

    @property
    def trying(self) -> bool:
        """Whether ways of running what was asked so far are still to be tried."""
        return bool(self._work.to_try)

    def ways(self, model: str, feed: Feed) -> Ways:
        """How such an input may be run, as far as it was tried."""
        return self._work.ways_of(kind_of(model, feed))

    def close(self) -> None:
        """Run what waits, and end; then nothing can be run any more."""
        self._end()


class _Work:
    """What the workers share; it knows nothing of its owner, who may be collected."""

    def __init__(
        self, narrow: dict[str, Session], wide: dict[str, Session], *, batch_size: int
    ) -> None:
        self._narrow = narrow
        self._wide = wide
        self._batch_size = batch_size
        self._ways: dict[Kind, Ways] = {}
        self._met = threading.Lock()
        self._trying = threading.Lock()
        self.to_try: list[Iterator[None]] = []
        self._tried_at = time.monotonic()

    def ways_of(self, kind: Kind) -> Ways:
        return self._ways.get(kind, Ways())

    def meet(self, kind: Kind) -> None:
        """Have a kind of input tried that was not seen before."""
        if kind in self._ways or (self._batch_size == 1 and not self._wide):
            return
        with self._met:
            if kind in self._ways or len(self._ways) >= _MOST_KINDS:
                return
            self._ways[kind] = Ways()
            model = kind[0]
            self.to_try.append(
                try_ways(
                    kind,
                    narrow=self._narrow[model],
                    wide=self._wide.get(model),
                    most=self._batch_size,
                    found=partial(self._ways.__setitem__, kind),
                )
            )

    def go_on(self, queue: JobQueue) -> None:
        """Work until the queue is closed: what each worker does."""
        while True:
            batch = queue.take(patience_s=_QUIET_S if self.to_try else None)
            if batch is None:
                return
            try:
                if batch.jobs:
                    self._run(batch)
                if not batch.jobs or time.monotonic() - self._tried_at > _NOW_AND_THEN_S:
                    self._try()
            finally:
                queue.done(batch)

    def _run(self, batch: Batch) -> None:
        model = batch.jobs[0].model
        session = self._wide[model] if batch.wide else self._narrow[model]
        began = time.perf_counter()
        try:
            outputs = session.run(None, stacked([job.feed for job in batch.jobs]))
            answered = list(zip(batch.jobs, split(outputs), strict=True))
        except Exception as error:  # whatever it is, it is the callers' to tell
            for job in batch.jobs:
                job.outputs.set_exception(error)
            return
        ended = time.perf_counter()
        for job, answer in answered:
            job.began, job.ended = began, ended
            job.outputs.set_result(answer)

    def _try(self) -> None:
        """Take one step with what is still to be tried, if nobody else is at it."""
        if not self.to_try or not self._trying.acquire(blocking=False):
            return
        try:
            next(self.to_try[0])
        except Exception:  # at its end, or noise is nothing for the model: what was found holds
            self.to_try.pop(0)
        finally:
            self._tried_at = time.monotonic()
            self._trying.release()


def _only_kind(model: str, session: Session) -> Kind | None:
    """The kind of input that a model takes, if it takes but one."""
    inputs = [(each.name, tuple(each.shape[1:]), each.type) for each in session.get_inputs()]
    sides = [side for _, shape, _ in inputs for side in shape]
    if not all(
        isinstance(side, int) and kind == _FLOATS for _, _, kind in inputs for side in sides
    ):
        return None
    return model, tuple((name, shape, np.dtype(np.float32).str) for name, shape, _ in inputs)


def _end(queue: JobQueue, threads: Sequence[threading.Thread]) -> None:
    queue.close()
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join()

"""The network runs of one request: where they are asked for, and how long they took."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucency.api.batching import DeadlineError, Feed, Job
from lucency.api.model_sessions import ModelSessions
from lucency.configs.session import Session

Outputs = list[NDArray[Any]]


class ModelRuns:
    """Runs models for one request, of whose image ``name`` leads error messages.

    ``deadline`` is a value of `time.monotonic`. ``network_s`` is the time in which a network ran
    for the request while it waited for that, ``wait_s`` that in which it waited and none did.
    """

    def __init__(
        self, sessions: ModelSessions, *, deadline: float | None = None, name: str = "image"
    ) -> None:
        self._sessions = sessions
        self._deadline = deadline
        self._name = name
        self._spans: dict[str, list[tuple[float, float]]] = {}
        self.network_s = 0.0
        self.wait_s = 0.0

    def run(
        self,
        wanted: Sequence[tuple[str, Feed]],
        *,
        meanwhile: Callable[[], None] | None = None,
    ) -> list[Outputs]:
        """All outputs of several models, each by its name and with its input (1, …).

        ``meanwhile`` is done while they run.

        Raises
        ------
        DeadlineError
            The deadline came first.

        """
        start = time.perf_counter()
        jobs = self._sessions.submit(wanted, deadline=self._deadline)
        submitted = time.perf_counter()
        if meanwhile is not None:
            meanwhile()
        worked = time.perf_counter() - submitted
        answers = [self._wait_for(job, jobs) for job in jobs]
        for job in jobs:
            self._spans.setdefault(job.model, []).append((job.began, job.ended))
        ran = _covered([(job.began, job.ended) for job in jobs])
        self.network_s += ran
        self.wait_s += max(0.0, time.perf_counter() - start - max(ran, worked))
        return answers

    def session(self, model: str) -> Session:
        """A session of the model whose runs belong to this request."""
        return _SharedSession(self, model, self._sessions.session(model))

    def took_ms(self) -> dict[str, float]:
        """How long each model's network ran, also where it did for other requests at once."""
        return {model: round(1000 * _covered(spans), 2) for model, spans in self._spans.items()}

    def _wait_for(self, job: Job, jobs: Sequence[Job]) -> Outputs:
        left = None if self._deadline is None else self._deadline - time.monotonic()
        try:
            return job.outputs.result(None if left is None else max(0.0, left))
        except (TimeoutError, DeadlineError):
            for other in jobs:
                other.outputs.cancel()
            raise too_late(self._name) from None


class _SharedSession:
    """A session that passes each input (1, …) of a batch on by itself, to be run with others'."""

    def __init__(self, runs: ModelRuns, model: str, narrow: Session) -> None:
        self._runs = runs
        self._model = model
        self.get_inputs = narrow.get_inputs
        self.get_outputs = narrow.get_outputs
        self._names = [output.name for output in narrow.get_outputs()]

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], /) -> Outputs:
        count = len(next(iter(input_feed.values())))
        feeds = [
            {name: array[row : row + 1] for name, array in input_feed.items()}
            for row in range(count)
        ]
        answers = self._runs.run([(self._model, feed) for feed in feeds])
        wanted = [self._names.index(name) for name in output_names or self._names]
        return [np.concatenate([answer[place] for answer in answers]) for place in wanted]


def too_late(name: str) -> DeadlineError:
    """The error of an image, named ``name``, whose time is over."""
    return DeadlineError(f"{name}: was not analysed in time; try again later")


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """The seconds that are in at least one of the spans."""
    total, reached = 0.0, 0.0
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total

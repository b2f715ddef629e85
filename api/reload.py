"""The loaded models of a running service, which may be replaced while requests use them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lucency.api.pipeline import Pipeline
from lucency.configs.errors import LucencyError


class NotReadyError(LucencyError):
    """There are no models yet, or no more."""


class LoadedModels:
    """The pipeline in use; a former one is closed when its last user has left it.

    All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: Pipeline | None = None
        self._users: dict[Pipeline, int] = {}

    @property
    def ready(self) -> bool:
        """Whether there is a pipeline to use."""
        return self._current is not None

    @contextmanager
    def use(self) -> Iterator[Pipeline]:
        """The pipeline of now, which stays open until the caller leaves it.

        Raises
        ------
        NotReadyError
            There is none yet, or it was closed.

        """
        with self._lock:
            pipeline = self._current
            if pipeline is None:
                raise NotReadyError("the models are still being loaded; try again in a few seconds")
            self._users[pipeline] += 1
        try:
            yield pipeline
        finally:
            self._leave(pipeline)

    def replace(self, pipeline: Pipeline) -> None:
        """Give this pipeline to all who ask from now on."""
        self._swap(pipeline)

    def close(self) -> None:
        """Give no pipeline any more; that of now is closed when its last user has left."""
        self._swap(None)

    def _swap(self, pipeline: Pipeline | None) -> None:
        with self._lock:
            former, self._current = self._current, pipeline
            if pipeline is not None:
                self._users[pipeline] = self._users.get(pipeline, 0) + 1  # it has itself for one
        if former is not None:
            self._leave(former)

    def _leave(self, pipeline: Pipeline) -> None:
        with self._lock:
            self._users[pipeline] -= 1
            last = not self._users[pipeline]
            if last:
                del self._users[pipeline]
        if last:
            pipeline.close()

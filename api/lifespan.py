"""A service from start to end: what it opens, how it loads and reloads models, what it closes."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from lucency.api.loading import load_bundles
from lucency.api.logs import LOG, type_and_places
from lucency.api.pipeline import Pipeline
from lucency.api.service import Service
from lucency.configs.bundle import Bundle
from lucency.configs.errors import LucencyError
from lucency.datasets.sandbox import Sandbox


class ModelLoading:
    """Opens models in the background, and opens them again when told to."""

    def __init__(self, service: Service, sandbox: Sandbox) -> None:
        self._service = service
        self._sandbox = sandbox
        self._tasks: set[asyncio.Task[None]] = set()
        self._again = False

    def load(self, bundles: Sequence[Bundle], *, on_failure: Callable[[Exception], None]) -> None:
        """Open verified bundles; ``on_failure`` is called if ONNX Runtime refuses one."""
        self._begin(self._load(bundles, on_failure))

    def reload(self) -> None:
        """Read, verify and open the bundles anew; those in use stay until that has succeeded."""
        if self._tasks:
            self._again = True  # what is being read may have been changed since
        elif not self._service.draining:
            self._begin(self._reload())

    async def close(self) -> None:
        """Wait for what is being opened."""
        self._again = False
        await asyncio.gather(*self._tasks)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if self._again:
            self._again = False
            self.reload()

    async def _load(
        self, bundles: Sequence[Bundle], on_failure: Callable[[Exception], None]
    ) -> None:
        try:
            await asyncio.to_thread(self._open, bundles)
        except Exception as error:  # whatever it is, the process would never be ready
            on_failure(error)

    async def _reload(self) -> None:
        metrics = self._service.metrics
        try:
            await asyncio.to_thread(self._read_and_open)
        except LucencyError as error:
            LOG.error("the models were not reloaded", reason=str(error))
            metrics.reloaded(False)
        except Exception as error:
            LOG.error("the models were not reloaded", **type_and_places(error))
            metrics.reloaded(False)
        else:
            metrics.reloaded(True)

    def _read_and_open(self) -> None:
        self._open(load_bundles(self._service.settings.bundles))

    def _open(self, bundles: Sequence[Bundle]) -> None:
        settings, service = self._service.settings, self._service
        pipeline = Pipeline(
            bundles,
            cores=settings.cores,
            batch_size=settings.batch_size,
            batch_window_ms=settings.batch_window_ms,
            sandbox=self._sandbox,
            options=settings.options,
            ensemble=settings.ensemble,
        )
        _settle()
        service.models.replace(pipeline)
        service.metrics.models(pipeline.model_facts())
        service.metrics.ready(not service.draining)
        digests = {bundle.manifest.name: bundle.digest for bundle in bundles}
        LOG.info("ready", models=digests)


def _settle() -> None:
    """Have the garbage collector pass over what stays for good.

    Else it looks through all of it again every few requests, which takes milliseconds.
    """
    gc.unfreeze()  # what a former reload has left behind
    gc.collect()
    gc.freeze()


@asynccontextmanager
async def lifespan(
    app: FastAPI,
    *,
    service: Service,
    bundles: Sequence[Bundle],
    on_failure: Callable[[Exception], None],
) -> AsyncIterator[None]:
    """Run the service while the application runs; ``app.state`` gets ``service`` and ``loading``.

    ``bundles`` were verified when they were loaded; ONNX Runtime opens them in the background,
    and `/readyz` answers 503 until then.
    """
    settings = service.settings
    sandbox = service.sandbox = Sandbox(
        workers=min(settings.at_once, settings.cores_used), timeout_s=settings.decode_timeout_s
    )
    app.state.service = service
    loading = app.state.loading = ModelLoading(service, sandbox)
    loading.load(bundles, on_failure=on_failure)
    try:
        yield
    finally:
        service.draining = True
        service.metrics.ready(False)
        await loading.close()
        service.models.close()
        # What still waits has nobody any more who waits for it.
        await asyncio.to_thread(service.threads.shutdown, cancel_futures=True)
        sandbox.close()
        if service.audit is not None:
            service.audit.close()

"""One request's way through the analysis threads: its deadline, and whether anyone still waits."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request

from lucency.api.batching import DeadlineError
from lucency.api.limits import Refusal
from lucency.api.logs import CLIENT_GONE
from lucency.api.service import Service, service_of

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Errand:
    """Who asks the service, and until when an answer is of use.

    ``deadline`` is a value of `time.monotonic`; ``gone`` is done once the client has gone.
    """

    service: Service
    request_id: str
    client: str
    deadline: float
    gone: asyncio.Task[None]


@asynccontextmanager
async def errand_of(request: Request) -> AsyncIterator[Errand]:
    """Follow the client of a request whose body has been read."""
    # From the middleware: the deadline counts from the first byte (`lucency.api.limits`).
    state = request.scope["state"]
    gone = asyncio.create_task(_until_gone(request))
    try:
        yield Errand(
            service=service_of(request),
            request_id=state["request_id"],
            client=state["client"],
            deadline=state["deadline"],
            gone=gone,
        )
    finally:
        gone.cancel()


async def run(errand: Errand, work: Callable[[], Answer]) -> Answer:
    """Have ``work`` done in an analysis thread; drop it if nobody waits for it before it begins.

    What has begun is waited for: it knows the deadline itself, and its thread is not free before.

    Raises
    ------
    DeadlineError
        Its turn did not come in time.
    Refusal
        The client left before its turn.

    """
    remaining = errand.deadline - time.monotonic()
    if remaining > 0 and not errand.gone.done():
        job = errand.service.threads.submit(work)
        answer = asyncio.wrap_future(job)
        await asyncio.wait(
            (answer, errand.gone), timeout=remaining, return_when=asyncio.FIRST_COMPLETED
        )
        if answer.done() or not job.cancel():
            return await answer
    if errand.gone.done():
        raise Refusal(CLIENT_GONE, code="client_gone", message="The client did not wait.")
    raise DeadlineError("image: could not be analysed in time; try again later")


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

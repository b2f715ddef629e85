"""What the routes of one service process share."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import Request

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from lucency.api.audit import AuditLog
    from lucency.api.feedback import FeedbackStore
    from lucency.api.metrics import Metrics
    from lucency.api.reload import LoadedModels
    from lucency.api.settings import Settings
    from lucency.datasets.sandbox import Sandbox


@dataclass
class Service:
    """The models, the threads that analyse, and what is recorded.

    ``audit`` and ``feedback`` are None where nobody asked for them. ``draining`` is true from the
    moment that the process is told to end: it answers what has arrived and is not ready any more.
    ``sandbox`` decodes uploads; it is there while the service runs.
    """

    settings: "Settings"
    models: "LoadedModels"
    threads: "ThreadPoolExecutor"
    metrics: "Metrics"
    audit: "AuditLog | None" = None
    feedback: "FeedbackStore | None" = None
    draining: bool = False
    sandbox: "Sandbox" = field(init=False)


def service_of(request: Request) -> Service:
    """The state that the application's lifespan made."""
    service = request.app.state.service
    if not isinstance(service, Service):
        raise TypeError("the application's lifespan has not started")
    return service

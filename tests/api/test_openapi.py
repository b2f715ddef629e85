"""The service against its own description: whatever is sent, it answers as it says it does."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks

from lucency.api.app import create_app
from lucency.api.error_examples import ERRORS
from lucency.api.routes import routers
from lucency.api.schemas import Report
from lucency.api.settings import Settings
from lucency.configs.bundle import RESEARCH_USE, Bundle
from lucency.configs.errors import ImageFault

load_all_checks()
EXAMPLES = int(os.environ.get("LUCENCY_FUZZ_EXAMPLES", "12"))  # for each route


@pytest.fixture(scope="module")
def description(client: Any) -> Any:
    return client.get("/openapi.json").json()


@pytest.fixture(scope="module")
def address(
    detector_bundle: Bundle,
    classifier_bundle: Bundle,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A service behind a real socket, with all that it may be started with."""
    folder = tmp_path_factory.mktemp("service")
    given = Settings(
        feedback_folder=folder / "feedback",
        audit_file=folder / "audit.jsonl",
        analyses_at_once=2,
        port=0,
    )
    app = create_app(given, (detector_bundle, classifier_bundle), on_failure=_fail)
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not (server.started and app.state.service.models.ready):
        assert time.monotonic() < deadline, "the service did not become ready"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


def _fail(error: Exception) -> None:
    raise error


@pytest.fixture(scope="module")
def interface(address: str, description: Any) -> Any:
    schema = schemathesis.openapi.from_dict(description)
    schema.config.update(base_url=address)
    return schema


ROUTES = [
    (method, route.path) for router in routers for route in router.routes for method in route.methods
]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[" ".join(route) for route in ROUTES])
def test_every_answer_is_one_that_is_described(
    interface: Any, method: str, path: str, mode: GenerationMode
) -> None:
    operation = interface[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate),
    )
    def ask(case: Any) -> None:
        case.call_and_validate(timeout=10)

    ask()


def test_zz(interface):
    import traceback
    from hypothesis.errors import UnsatisfiedAssumption
    from unittest import mock
    import schemathesis.specs.openapi._hypothesis as h
    with mock.patch.object(h, "reject", side_effect=RuntimeError("rejected")):
        op = interface["/v1/analyze"]["POST"]
        @given(case=op.as_strategy(generation_mode=GenerationMode.POSITIVE))
        @settings(max_examples=3, database=None, deadline=None)
        def f(case):
            try:
                case.call_and_validate()
            except UnsatisfiedAssumption:
                traceback.print_exc()
        f()

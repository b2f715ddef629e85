import threading
from collections.abc import Callable
from typing import Any

import pytest

import lucency.api.lifespan as lifespan_module
from lucency.api.pipeline import Pipeline
from lucency.configs.bundle import Bundle

Check = Callable[..., str]
READY_PATHS = ("/readyz", "/v2/health/ready", "/v2/models/stand-in-detector/ready")


def test_alive_and_ready(client: Any) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}


def test_not_ready_until_the_models_are_loaded(
    run_service: Callable[..., Any],
    detector_bundle: Bundle,
    png: Callable[..., bytes],
    check_error: Check,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()

    def slow(bundles: Any, **given: Any) -> Pipeline:
        gate.wait(20)
        return Pipeline(bundles, **given)

    monkeypatch.setattr(lifespan_module, "Pipeline", slow)
    with run_service(detector_bundle) as service:
        try:
            assert service.get("/healthz").status_code == 200
            assert service.get("/v2/health/live").status_code == 200
            batch = service.request("POST", "/v1/analyze/batch", files={"file": png()})
            paths = (*READY_PATHS, "/v1/models", "/v1/models/stand-in-detector")
            for answer in (service.analyze(png()), batch, *map(service.get, paths)):
                check_error(answer, 503, "not_ready")
                assert answer.headers["retry-after"] == "2"
        finally:
            gate.set()
        service.wait_until_ready()
        assert service.analyze(png()).status_code == 200


def test_not_ready_while_it_drains_but_still_answering(
    run_service: Callable[..., Any],
    detector_bundle: Bundle,
    png: Callable[..., bytes],
    check_error: Check,
) -> None:
    with run_service(detector_bundle) as service:
        service.wait_until_ready()
        service.app.state.service.draining = True
        for path in READY_PATHS:
            check_error(service.get(path), 503, "not_ready")
        assert service.get("/healthz").status_code == 200
        assert service.analyze(png()).status_code == 200


def test_metrics(client: Any) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "lucency_build_info" in answer.text


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/healthz", "/readyz", "/metrics", "/v1/models", "/v2/health/live"]
)
def test_the_head_alone_may_be_asked_for(client: Any, path: str) -> None:
    answer, whole = client.request("HEAD", path), client.get(path)
    assert answer.status_code == 200
    if path != "/metrics":
        assert answer.headers["content-length"] == whole.headers["content-length"]
    assert answer.headers["content-type"] == whole.headers["content-type"]

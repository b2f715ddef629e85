import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lucency.api.pipeline import Pipeline
from lucency.configs.bundle import Bundle

Png = Callable[..., bytes]
Check = Callable[..., str]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Analyses wait until it is set."""
    opened = threading.Event()
    analyze = Pipeline.analyze

    def slow(self: Pipeline, *given: Any, **named: Any) -> Any:
        opened.wait(20)
        return analyze(self, *given, **named)

    monkeypatch.setattr(Pipeline, "analyze", slow)
    return opened


def test_work_whose_turn_does_not_come_in_time_is_dropped(
    run_service: Callable[..., Any],
    detector_bundle: Bundle,
    png: Png,
    check_error: Check,
    gate: threading.Event,
    tmp_path: Path,
) -> None:
    audit = tmp_path / "audit.jsonl"
    settings: dict[str, Any] = {"analyses_at_once": 1, "deadline_s": 1.0, "audit_file": audit}
    with run_service(detector_bundle, **settings) as service:
        service.wait_until_ready()
        threading.Timer(1.4, gate.set).start()
        start = time.monotonic()
        answers = service.analyze_all([png(), png()])
        assert time.monotonic() - start < 5
        # One had begun and learnt of its deadline as it went on, one never began.
        for answer in answers:
            check_error(answer, 503, "deadline")
            assert answer.headers["retry-after"] == "1"
        metrics = service.get("/metrics").text
        assert 'lucency_requests_shed_total{reason="deadline"} 2.0' in metrics
    outcomes = [json.loads(line)["outcome"] for line in audit.read_text().splitlines()]
    assert outcomes == [{"error": "deadline"}] * 2


def test_work_is_dropped_if_the_client_leaves_before_its_turn(
    run_service: Callable[..., Any], detector_bundle: Bundle, png: Png, gate: threading.Event
) -> None:
    with run_service(detector_bundle, analyses_at_once=1) as service:
        service.wait_until_ready()
        analysed = service.portal.call(_leave_early, service.app, png())
        gate.set()
        service.wait_until_ready()
        assert analysed == [b"HTTP 499"]


async def _leave_early(app: Any, image: bytes) -> list[bytes]:
    """Occupy the only thread, then ask and leave; what the second request was answered."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = head + image + b"\r\n--x--\r\n"
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": "/v1/analyze", "raw_path": b"/v1/analyze", "root_path": "",
        "query_string": b"", "server": ("localhost", 80), "client": ("127.0.0.1", 1),
        "headers": [
            (b"host", b"localhost"), (b"content-type", b"multipart/form-data; boundary=x"),
        ],
    }  # fmt: skip

    async def ask(leaves: bool) -> bytes:
        messages: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]
        answers: list[bytes] = []

        async def receive() -> Any:
            if messages:
                return messages.pop()
            if not leaves:
                await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answers.append(b"HTTP %d" % message["status"])

        await app(dict(scope, state={}), receive, send)
        return answers[0]

    first = asyncio.create_task(ask(False))
    await asyncio.sleep(0.3)
    answered = [await asyncio.wait_for(ask(True), 5)]
    assert not first.done()
    first.cancel()
    await asyncio.wait([first])
    return answered

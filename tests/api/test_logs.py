import asyncio
import io
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from lucency.api.logs import RequestLog, configure_logging
from lucency.api.metrics import Metrics

Ask = Callable[..., Any]


def logged(app: Any, *, metrics: Metrics | None = None) -> RequestLog:
    return RequestLog(app, metrics=metrics or Metrics(), routes=("/v1/analyze",))


async def fine(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def fail(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("CANARY^PATIENT")


async def fail_late(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise ValueError("CANARY^PATIENT")


def test_one_line_a_request(ask: Ask) -> None:
    with capture_logs() as lines:
        ask(logged(fine), "POST", "/v1/analyze?patient=CANARY", headers={"X-Request-ID": "a" * 8})
    (line,) = lines
    assert line.pop("ms") >= 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "request_id": "a" * 8,
        "client": "",
        "method": "POST",
        "route": "/v1/analyze",
        "status": 204,
        "bytes": 0,
    }


def test_paths_that_are_no_routes_stay_out(ask: Ask) -> None:
    metrics = Metrics()
    with capture_logs() as lines:
        ask(logged(fine, metrics=metrics), "GET", "/CANARY/scan.dcm")
    assert lines[0]["route"] == ""
    assert b"CANARY" not in metrics.render()[0]


def test_templates_stand_for_paths(client: Any) -> None:
    with capture_logs() as lines:
        client.get("/v1/models/CANARY")
        client.get("/v1/CANARY")
        client.request("CANARY", "/v1/models")
        client.analyze(b"x" * 1000, name="CANARY.dcm")
    requests = [line for line in lines if line["event"] == "request"]
    assert [line["route"] for line in requests] == [
        "/v1/models/{name}", "", "/v1/models", "/v1/analyze",
    ]  # fmt: skip
    assert [line["status"] for line in requests] == [404, 404, 405, 415]
    assert requests[3]["bytes"] > 1000
    assert [line["method"] for line in requests] == ["GET", "GET", "other", "POST"]
    assert "CANARY" not in json.dumps(lines)


def test_unforeseen_errors_keep_their_message(ask: Ask) -> None:
    with capture_logs() as lines:
        answer = ask(logged(fail))
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    error, request = lines
    assert (error["type"], error["request_id"]) == ("ValueError", request["request_id"])
    assert "test_logs.py" in error["places"][0]
    assert request["status"] == 500
    assert "CANARY" not in json.dumps(lines) + answer.text


def test_an_answer_that_has_begun_is_not_answered_again() -> None:
    sent = asyncio.run(messages(logged(fail_late)))
    assert [message["type"] for message in sent] == ["http.response.start"]


async def messages(app: Any) -> list[Any]:
    """What the application sends to a GET."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "http", "method": "GET", "path": "/", "headers": []}, None, send)
    return sent


def test_a_request_that_is_cut_off_is_told_so() -> None:
    sent: list[Any] = []

    async def wait(*_: Any) -> None:
        await asyncio.sleep(10)

    async def send(message: Any) -> None:
        sent.append(message)

    async def scenario() -> None:
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        task = asyncio.create_task(logged(wait)(scope, wait, send))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with capture_logs() as lines:
        asyncio.run(scenario())
    assert sent[0]["status"] == lines[0]["status"] == 503
    assert json.loads(sent[1]["body"])["error"]["code"] == "stopping"


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the configured logs of this process write."""
    written = io.StringIO()
    monkeypatch.setattr("warnings.simplefilter", lambda *_: None)
    names = ("", "uvicorn", "asyncio", "pydicom", "PIL")
    loggers = [logging.getLogger(name) for name in names]
    before = [(one.handlers[:], one.level, one.propagate) for one in loggers]
    try:
        yield written
    finally:
        structlog.reset_defaults()
        for one, (handlers, level, propagate) in zip(loggers, before, strict=True):
            one.handlers[:], one.level, one.propagate = handlers, level, propagate


def test_lines_are_json(stream: io.StringIO) -> None:
    configure_logging(stream)
    structlog.get_logger().info("request", status=200, client="ä\n")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    try:
        raise ValueError("CANARY")
    except ValueError as error:
        logging.getLogger("asyncio").error("never retrieved\nfuture: %r", error, exc_info=error)
    for name in ("pydicom", "PIL.Image", "python_multipart", ""):
        logging.getLogger(name).warning("CANARY")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [list(line)[:3] for line in lines] == [["time", "level", "event"]] * 3
    assert [line["event"] for line in lines] == [
        "request", "Invalid HTTP request received.", "never retrieved",
    ]  # fmt: skip
    assert lines[0]["client"] == "ä\n"
    assert lines[0]["time"].endswith("Z")
    assert lines[2]["type"] == "ValueError"
    assert "CANARY" not in stream.getvalue()


def test_a_terminal_gets_readable_lines(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "isatty", lambda: True)
    configure_logging(stream)
    structlog.get_logger().info("request", status=200)
    assert "request" in stream.getvalue()
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(stream.getvalue())


def test_a_line_costs_little(stream: io.StringIO, ask: Ask) -> None:
    configure_logging(stream)
    app = logged(fine)
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}

    async def nothing(message: Any = None) -> Any:
        return message

    async def many() -> float:
        await app(dict(scope), nothing, nothing)
        start = time.process_time()
        for _ in range(500):
            await app(dict(scope), nothing, nothing)
        return (time.process_time() - start) / 500

    assert asyncio.run(many()) < 200e-6
    assert stream.getvalue().count("\n") == 501

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lucency.api.limits import BodyLimit, Refusal, refusal_messages
from lucency.configs.bundle import Bundle
from lucency.configs.errors import ImageFault

LIMIT = 100_000
FORM = {"Content-Type": "multipart/form-data; boundary=frame"}


@pytest.fixture(scope="module")
def small(run_service: Callable[..., Any], detector_bundle: Bundle) -> Iterator[Any]:
    with run_service(
        detector_bundle, max_upload_bytes=LIMIT, body_timeout_s=0.3, deadline_s=0.9
    ) as service:
        service.wait_until_ready()
        yield service


def check_too_large(answer: Any) -> None:
    assert answer.status_code == 413, answer.text
    assert answer.json()["error"]["code"] == "too_large"
    assert str(LIMIT) in answer.json()["error"]["message"]


def test_announced_length_is_refused_before_the_body_is_read(
    small: Any, chunks: Callable[..., Any]
) -> None:
    body, taken = chunks(10, 50_000)
    headers = {**FORM, "Content-Length": "500000"}
    check_too_large(small.request("POST", "/v1/analyze", content=body, headers=headers))
    assert taken == []


def test_unannounced_length_is_refused_while_it_streams(
    small: Any, chunks: Callable[..., Any]
) -> None:
    body, taken = chunks(1000, 30_000)
    check_too_large(small.request("POST", "/v1/analyze", content=body, headers=FORM))
    assert taken == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("spare", "status"), [(0, 415), (-1, 413)], ids=["exactly-the-limit", "one-byte-more"]
)
def test_limit_is_exact(small: Any, spare: int, status: int) -> None:
    head = b'--frame\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    tail = b"\r\n--frame--\r\n"
    body = head + b"x" * (LIMIT - len(head) - len(tail) - spare) + tail
    answer = small.request("POST", "/v1/analyze", content=body, headers=FORM)
    assert len(body) == LIMIT - spare
    assert answer.status_code == status


def test_false_length_does_not_help(small: Any, chunks: Callable[..., Any]) -> None:
    body, _ = chunks(10, 50_000)
    headers = {**FORM, "Content-Length": "10"}
    check_too_large(small.request("POST", "/v1/analyze", content=body, headers=headers))


def test_next_request_is_served(small: Any, png: Callable[..., bytes]) -> None:
    assert small.analyze(png()).status_code == 200
    assert small.analyze(b"x" * 2 * LIMIT).status_code == 413
    assert small.analyze(png()).status_code == 200


def test_routes_without_a_body_do_not_care(small: Any) -> None:
    assert small.request("GET", "/healthz", headers={"Content-Length": "999999"}).is_success


@pytest.mark.parametrize(
    ("pause", "parts", "problem", "within"),
    [(5.0, 2, "No part", 0.8), (0.2, 50, "did not arrive within 0.9 s", 1.5)],
    ids=["stalls", "trickles"],
)
def test_a_body_that_does_not_come_is_refused(
    small: Any, pause: float, parts: int, problem: str, within: float
) -> None:
    async def body() -> Any:
        yield b"--frame\r\n"
        for _ in range(parts):
            await asyncio.sleep(pause)
            yield b"x"

    start = time.monotonic()
    answer = small.request("POST", "/v1/analyze", content=body(), headers=FORM)
    assert time.monotonic() - start < within
    assert answer.status_code == 408
    assert answer.json()["error"]["code"] == "timeout"
    assert problem in answer.json()["error"]["message"]
    assert answer.headers["connection"] == "close"


def test_the_limit_counts_the_body_and_waits_for_the_client_afterwards() -> None:
    """A route may wait for a client to go for longer than a body may stall."""
    left = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not left.is_set():
            left.set()
            return {"type": "http.request", "body": b"12345", "more_body": False}
        await asyncio.sleep(0.2)
        return {"type": "http.disconnect"}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"

    scope: dict[str, Any] = {"type": "http", "headers": []}
    limit = BodyLimit(app, max_bytes=10, stall_s=0.05, deadline_s=5)
    before = time.monotonic()
    asyncio.run(limit(scope, receive, receive))  # type: ignore[arg-type]
    assert scope["state"]["bytes"] == 5
    assert 4.5 < scope["state"]["deadline"] - before <= 5.5


def test_a_refusal_in_full() -> None:
    refusal = Refusal(
        422,
        code="odd",
        message="So\nit is.",
        fault=ImageFault.COLOUR,
        headers={"Retry-After": "3"},
    )
    start, body = refusal_messages(refusal)
    assert start["status"] == 422
    headers = dict(start["headers"])
    assert headers[b"retry-after"] == b"3"
    assert headers[b"content-type"] == b"application/json"
    assert int(headers[b"content-length"]) == len(body["body"])
    error = {"code": "odd", "message": "So it is.", "fault": "colour"}
    assert json.loads(body["body"]) == {"error": error}

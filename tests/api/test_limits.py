from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lucency.configs.bundle import Bundle

LIMIT = 100_000
FORM = {"Content-Type": "multipart/form-data; boundary=frame"}


@pytest.fixture(scope="module")
def small(run_service: Callable[..., Any], detector_bundle: Bundle) -> Iterator[Any]:
    with run_service(detector_bundle, max_upload_bytes=LIMIT) as service:
        service.wait_until_ready()
        yield service


def check_too_large(answer: Any) -> None:
    assert answer.status_code == 413, answer.text
    assert answer.json()["error"]["code"] == "too_large"
    assert str(LIMIT) in answer.json()["error"]["message"]
    assert answer.headers["connection"] == "close"


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

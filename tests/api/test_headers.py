from collections.abc import Callable
from typing import Any

import pytest

from lucency.api.headers import SECURITY_HEADERS, SecurityHeaders
from lucency.api.logs import RequestLog
from lucency.api.metrics import Metrics
from lucency.configs.bundle import Bundle


def answering(*headers: tuple[bytes, bytes]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        await send({"type": "http.response.body", "body": b""})

    return RequestLog(SecurityHeaders(app), metrics=Metrics(), routes=())


def test_every_answer_has_them(ask: Callable[..., Any]) -> None:
    headers = ask(answering()).headers
    for name, value in SECURITY_HEADERS:
        assert headers[name.decode()] == value.decode()
    assert not [name for name in headers if name.startswith("access-control")]


def test_a_page_keeps_its_own(ask: Callable[..., Any]) -> None:
    app = answering(
        (b"Content-Security-Policy", b"default-src 'self'"), (b"cache-control", b"max-age=60")
    )
    headers = ask(app).headers
    assert headers.get_list("content-security-policy") == ["default-src 'self'"]
    assert headers.get_list("cache-control") == ["max-age=60"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("given", ["abcdefgh", "A-1" * 20, "0" * 64, "6ba7b810-9dad-11d1"])
def test_a_harmless_request_id_is_kept(ask: Callable[..., Any], given: str) -> None:
    assert ask(answering(), headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize(
    "given", ["", "short", "0" * 65, "CANARY DOE JOHN", "abcdefgh\t", "abcdefg_h", "abcdefgé"]
)
def test_any_other_is_replaced(ask: Callable[..., Any], given: str) -> None:
    answers = [
        ask(answering(), headers={"X-Request-ID": given.encode()}).headers["x-request-id"]
        for _ in range(2)
    ]
    assert answers[0] != answers[1]
    assert {len(answer) for answer in answers} == {32}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/absent", 404),
        ("GET", "/v1/analyze", 405),
        ("POST", "/v1/analyze", 422),
        ("GET", "/metrics", 200),
    ],
)
def test_all_routes_and_errors_have_them(client: Any, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert len(answer.headers["x-request-id"]) == 32


def test_refusals_before_the_routes_have_them(
    run_service: Callable[..., Any], detector_bundle: Bundle
) -> None:
    with run_service(detector_bundle) as service:
        answer = service.get("/healthz", headers={"Host": "evil.example"})
    assert answer.status_code == 421
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-request-id"]

from collections.abc import Callable
from typing import Any

import pytest

from lucency.api.origins import OwnOriginOnly


async def fine(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


APP = OwnOriginOnly(fine, host="xray.local")


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:8000", "127.9.9.9", "[::1]",
     "[::1]:8000", "xray.local", "XRAY.local:80"],
)  # fmt: skip
def test_names_of_this_machine(ask: Callable[..., Any], host: str) -> None:
    assert ask(APP, "POST", "/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000", "10.0.0.1",
     "[::]", "[2001:db8::1]:8000", "localhost:8000:9", "[::1", ":8000", "2130706433",
     "evil.example#localhost"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_names_are_refused(ask: Callable[..., Any], host: str, method: str) -> None:
    answer = ask(APP, method, "/", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["error"]["code"] == "wrong_host"


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "https://evil.example:8000", "null", "", "http://localhost:3000",
     "http://127.0.0.1:8000", "http://localhost:8000.evil.example"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_pages_of_others_may_not_send(ask: Callable[..., Any], origin: str, method: str) -> None:
    headers = {"Host": "localhost:8000", "Origin": origin}
    answer = ask(APP, method, "/", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "cross_origin"
    assert ask(APP, "GET", "/", headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000"])
def test_its_own_page_may(ask: Callable[..., Any], host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert ask(APP, "POST", "/", headers=headers).status_code == 200

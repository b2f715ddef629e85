from collections.abc import Callable
from typing import Any

import pytest

Png = Callable[..., bytes]
Check = Callable[..., str]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"files": {"image": b"x"}},
        {"files": [("file", b"x"), ("CANARY", b"CANARY")]},
        {"data": {"file": "CANARY"}},
        {"content": b"CANARY", "headers": {"Content-Type": "application/json"}},
        {"content": b"CANARY", "headers": {"Content-Type": "image/png"}},
    ],
    ids=["no-body", "other-field", "field-too-many", "text-field", "json", "bare-image"],
)
@pytest.mark.parametrize("path", ["/v1/analyze", "/v1/analyze/batch", "/v1/pixels"])
def test_no_file(client: Any, check_error: Check, path: str, given: dict[str, Any]) -> None:
    message = check_error(client.request("POST", path, **given), 422, "invalid_request")
    assert "file" in message
    assert "CANARY" not in message


def test_two_files(client: Any, png: Png, check_error: Check) -> None:
    files = [("file", png()), ("file", png())]
    answer = client.request("POST", "/v1/analyze", files=files)
    assert "one image" in check_error(answer, 422, "invalid_request")


PART = b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


@pytest.mark.parametrize(
    ("boundary", "body"),
    [
        ("", b"--x"),
        ("; boundary=x", b""),
        ("; boundary=x", b"--y\r\n" + PART + b"data\r\n--y--\r\n"),
        ("; boundary=x", b"--x\r\n" + PART + b"data"),
        ("; boundary=x", b"--x\r\n" + PART + b"data\r\n--x"),
        ("; boundary=x", b"--x\r\n" + b"A: b\r\n" * 50 + PART + b"data\r\n--x--\r\n"),
        ("; boundary=x", b"--x\r\n" + b"A: " + b"b" * 9000 + b"\r\n" + PART + b"\r\n--x--\r\n"),
        ("; boundary=x", b"\0" * 500),
        ("; boundary=" + "x" * 300, b"--x"),
    ],
    ids=[
        *("no-boundary", "empty", "other-boundary", "cut-in-data", "cut-in-boundary"),
        *("many-headers", "long-header", "zeros", "long-boundary"),
    ],
)
def test_broken_form(client: Any, check_error: Check, boundary: str, body: bytes) -> None:
    headers = {"Content-Type": f"multipart/form-data{boundary}"}
    answer = client.request("POST", "/v1/analyze", content=body, headers=headers)
    check_error(answer, 400, "invalid_body")


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Type: image/png\r\ncontent-disposition: FORM-DATA; name=file\r\n\r\n",
        b'Content-Disposition: form-data; filename="x;name=y"; name="file"\r\n\r\n',
    ],
    ids=["lower-case", "name-in-file-name"],
)
def test_forms_as_clients_write_them(client: Any, png: Png, headers: bytes) -> None:
    body = b"--x\r\n" + headers + png() + b"\r\n--x--\r\n"
    given = {"Content-Type": 'multipart/form-data; boundary="x"'}
    answer = client.request("POST", "/v1/analyze", content=body, headers=given)
    assert answer.status_code == 200, answer.text


def test_a_body_in_small_pieces(client: Any, png: Png) -> None:
    whole = b"--x\r\n" + PART + png() + b"\r\n--x--\r\n"

    async def pieces() -> Any:
        for place in range(0, len(whole), 3):
            yield whole[place : place + 3]

    given = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = client.request("POST", "/v1/analyze", content=pieces(), headers=given)
    assert answer.status_code == 200, answer.text


def test_many_empty_parts_are_refused_at_the_first_too_many(
    client: Any, check_error: Check
) -> None:
    body = b"".join(b"--x\r\n" + PART + b"\r\n" for _ in range(40)) + b"--x--\r\n"
    given = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = client.request("POST", "/v1/analyze/batch", content=body, headers=given)
    assert "more than 32 images" in check_error(answer, 422, "too_many_images")

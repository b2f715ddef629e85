import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from lucency.api import connections
from lucency.api.connections import MAX_HEAD_BYTES, MAX_UNREAD_BYTES, Connection

STALL_S = 0.3
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def answer_unread(scope: Any, receive: Any, send: Any) -> None:
    """Answers 503 without a look at the body, as `Admission` does."""
    await send(
        {"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"2")]}
    )
    await send({"type": "http.response.body", "body": b"no"})


async def answer_slowly(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(3 * STALL_S)
    await answer_unread(scope, receive, send)


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[tuple[Callable[..., Awaitable[Any]], ServerState]]:
    """A server with short limits; gives what connects to it, and its state."""
    config = uvicorn.Config(app, ws="none", log_config=None, access_log=False)
    config.load()
    state = ServerState()
    kind = type("Connection", (Connection,), {"stall_s": STALL_S})
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: kind(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    streams: list[asyncio.StreamWriter] = []

    async def connect(sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        streams.append(writer)
        writer.write(sent)
        return reader, writer

    try:
        yield connect, state
    finally:
        server.close()
        for writer in streams:
            writer.close()
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(scenario(), 20)  # type: ignore[arg-type]

    asyncio.run(limited())


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers["content-length"]))
    return int(head[0].split()[1]), headers, body


async def closed_after(reader: asyncio.StreamReader) -> float:
    start = asyncio.get_running_loop().time()
    try:
        while await reader.read(65536):
            pass
    except ConnectionResetError:
        pass
    return asyncio.get_running_loop().time() - start


@pytest.mark.parametrize(
    "sent",
    [b"", b"G", b"GET / HTTP/1.1\r\n", GET[:-2], b"\r\n", GET + b"GET /"],
    ids=["nothing", "a-letter", "a-line", "half", "empty-line", "a-second"],
)
def test_heads_that_do_not_come_are_closed(sent: bytes) -> None:
    async def scenario() -> None:
        async with served(answer_unread) as (connect, state):
            reader, _ = await connect(sent)
            if sent.startswith(GET):
                assert (await read_answer(reader))[0] == 503
            assert await closed_after(reader) < 2 * STALL_S
            assert not state.connections

    run(scenario)


def test_heads_that_trickle_are_closed() -> None:
    async def scenario() -> None:
        async with served(answer_unread) as (connect, _):
            reader, writer = await connect(b"GET / HTTP/1.1\r\n")

            async def trickle() -> None:
                while not writer.is_closing():
                    writer.write(b"a: b\r\n")
                    await asyncio.sleep(STALL_S / 10)

            writing = asyncio.create_task(trickle())
            assert await closed_after(reader) < 3 * STALL_S
            writing.cancel()

    run(scenario)


def test_many_requests_on_one_connection() -> None:
    async def scenario() -> None:
        async with served(answer_unread) as (connect, _):
            reader, writer = await connect(GET)
            for _ in range(3):
                assert (await read_answer(reader))[0] == 503
                await asyncio.sleep(STALL_S / 2)
                writer.write(GET[:20])
                await asyncio.sleep(STALL_S / 2)
                writer.write(GET[20:])

    run(scenario)


def test_an_answer_may_take_longer_than_a_head() -> None:
    async def scenario() -> None:
        async with served(answer_slowly) as (connect, _):
            reader, _ = await connect(GET + b"\r\n")
            assert (await read_answer(reader))[0] == 503

    run(scenario)


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\nx: " + b"y" * MAX_HEAD_BYTES + b"\r\n\r\n", 431, "head_too_large"),
        (b"GET /" + b"y" * MAX_HEAD_BYTES + b" HTTP/1.1\r\n\r\n", 431, "head_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n", 431, "head_too_large"),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 4 * MAX_HEAD_BYTES, 431, "head_too_large"),
        (b"\x16\x03\x01\x02\x00\x01", 400, "invalid_http"),
        (b"GET / HTTP/1.1\r\nx y\r\n\r\n", 400, "invalid_http"),
        (GET[:-2] + b"Content-Length: CANARY\r\n\r\n", 400, "invalid_http"),
    ],
    ids=["value", "url", "many", "endless", "tls", "no-colon", "length"],
)
def test_broken_heads_are_told_so(head: bytes, status: int, code: str) -> None:
    async def scenario() -> None:
        async with served(answer_unread) as (connect, state):
            reader, _ = await connect(head)
            found, headers, body = await read_answer(reader)
            assert (found, json.loads(body)["error"]["code"]) == (status, code)
            assert b"CANARY" not in body
            assert headers["x-content-type-options"] == "nosniff"
            assert await closed_after(reader) < STALL_S
            assert not state.connections

    run(scenario)


def test_a_head_of_the_largest_size_is_taken() -> None:
    async def scenario() -> None:
        async with served(answer_unread) as (connect, _):
            head = GET[:-2] + b"x: " + b"y" * (MAX_HEAD_BYTES - 100) + b"\r\n\r\n"
            reader, _ = await connect(head)
            assert (await read_answer(reader))[0] == 503

    run(scenario)


def post(length: int, *more: bytes) -> bytes:
    lines = (b"POST / HTTP/1.1", b"Host: a", b"Content-Length: %d" % length, *more)
    return b"\r\n".join(lines) + b"\r\n\r\n"


@pytest.mark.parametrize("length", [10, 300_000, 4_000_000])
def test_a_refused_body_is_thrown_away_and_the_connection_goes_on(length: int) -> None:
    async def scenario() -> None:
        async with served(answer_unread) as (connect, _):
            reader, writer = await connect(b"")
            for _ in range(3):
                writer.write(post(length))
                assert (await read_answer(reader))[0] == 503
                writer.write(b"x" * length)
                await writer.drain()

    run(scenario)


@pytest.mark.parametrize("more", [b"Connection: close", b"Accept: */*"], ids=["close", "keep"])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_the_answer_to_a_refused_body_is_not_lost_in_a_reset(more: bytes, version: bytes) -> None:
    """The client sends all before it reads, as most do."""

    async def scenario() -> None:
        async with served(answer_unread) as (connect, state):
            length = 3_000_000
            head = post(length, more).replace(b"HTTP/1.1", b"HTTP/" + version)
            reader, writer = await connect(head)
            for _ in range(30):
                writer.write(b"x" * (length // 30))
                await writer.drain()
                await asyncio.sleep(0.005)
            assert (await read_answer(reader))[0] == 503
            if b"close" in more:
                assert await closed_after(reader) < STALL_S
                assert not state.connections

    run(scenario)


def test_a_refused_body_is_not_read_for_ever() -> None:
    async def scenario() -> None:
        async with served(answer_unread) as (connect, state):
            reader, writer = await connect(post(10**12))
            assert (await read_answer(reader))[0] == 503
            sent = 0
            with pytest.raises(ConnectionError):
                while sent < 20 * MAX_UNREAD_BYTES:
                    writer.write(b"x" * 2**20)
                    await writer.drain()
                    sent += 2**20
            assert not state.connections

    run(scenario)


def test_a_refused_body_that_stalls_is_closed() -> None:
    async def scenario() -> None:
        async with served(answer_unread) as (connect, state):
            reader, writer = await connect(post(1000))
            assert (await read_answer(reader))[0] == 503
            writer.write(b"x")
            assert await closed_after(reader) < 2 * STALL_S
            assert not state.connections

    run(scenario)


def test_an_answer_that_nobody_reads_is_given_up() -> None:
    async def large(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"30000000"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x" * 30_000_000})

    async def scenario() -> None:
        async with served(large) as (connect, state):
            reader, _ = await connect(GET)
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(3 * STALL_S)
            assert not state.connections

    run(scenario)


def test_a_request_that_is_on_its_way_as_the_service_ends_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "LAST_REQUEST_S", 0.3)

    async def scenario() -> None:
        async with served(answer_unread) as (connect, state):
            idle, writer = await connect(GET)
            assert (await read_answer(idle))[0] == 503
            unused, _ = await connect(b"")
            await asyncio.sleep(0.05)
            for connection in list(state.connections):
                connection.shutdown()
            await asyncio.sleep(0.05)
            writer.write(GET)
            status, headers, _ = await read_answer(idle)
            assert (status, headers["connection"]) == (503, "close")
            assert await closed_after(idle) < 0.1
            assert await closed_after(unused) < 0.4
            assert not state.connections

    run(scenario)


def test_who_asks_for_another_protocol_is_answered_in_this_one() -> None:
    async def scenario() -> None:
        async with served(answer_unread) as (connect, _):
            more = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            reader, writer = await connect(GET[:-2] + more)
            assert (await read_answer(reader))[0] == 503
            writer.write(GET)
            assert (await read_answer(reader))[0] == 503

    run(scenario)


async def echo_headers(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body, then answers with the headers that it sees."""
    while (await receive()).get("more_body"):
        pass
    seen = json.dumps([name.decode() for name, _ in scope["headers"]]).encode()
    headers = [(b"content-length", b"%d" % len(seen))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": seen})


CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"


def test_a_trailer_is_no_header() -> None:
    async def scenario() -> None:
        async with served(echo_headers) as (connect, _):
            reader, _ = await connect(CHUNKED + b"X-API-Key: later\r\n\r\n")
            assert json.loads((await read_answer(reader))[2]) == ["host", "transfer-encoding"]

    run(scenario)


@pytest.mark.parametrize("line", [b"a: b\r\n" * 10_000, b"a" * 60_000], ids=["many", "one-long"])
def test_trailers_are_not_taken_for_ever(line: bytes) -> None:
    async def scenario() -> None:
        async with served(echo_headers) as (connect, state):
            _, writer = await connect(CHUNKED + b"b: ")
            sent = 0
            with pytest.raises(ConnectionError):
                while sent < 4 * MAX_UNREAD_BYTES:
                    writer.write(line)
                    await writer.drain()
                    sent += len(line)
            assert not state.connections

    run(scenario)


LARGE = 30_000_000


async def answer_at_length(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-length", b"%d" % LARGE)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"x" * LARGE})


def test_who_reads_no_answer_holds_no_further_request() -> None:
    """The second answer cannot be sent before the first is taken."""

    async def scenario() -> None:
        async with served(answer_at_length) as (connect, state):
            await connect(GET + GET)
            await asyncio.sleep(3 * STALL_S)
            assert not state.connections
            assert not state.tasks

    run(scenario)


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"], ids=["keep", "close"])
def test_who_reads_an_answer_slowly_gets_all_of_it(more: bytes) -> None:
    async def scenario() -> None:
        async with served(answer_at_length) as (connect, _):
            reader, _ = await connect(GET[:-2] + more + b"\r\n")
            await reader.readuntil(b"\r\n\r\n")
            for _ in range(10):
                await reader.readexactly(LARGE // 10)
                await asyncio.sleep(STALL_S / 2)

    run(scenario)

import asyncio
import time
from typing import Any

import httpx
import pytest

from lucency.api import admission
from lucency.api.admission import IMAGE_ROUTES, LONG_ANSWER_BYTES, Admission
from lucency.api.limits import Refusal
from lucency.api.metrics import Metrics


class Gate:
    """An application that answers when it is opened, and reads the body only then."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.entered = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.entered += 1
        await self.opened.wait()
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})


class Reader(Gate):
    """An application that reads the body at once."""

    def __init__(self) -> None:
        super().__init__()
        self.opened.set()


def client_of(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def settle(gate: Gate, entered: int) -> None:
    while gate.entered < entered:
        await asyncio.sleep(0)


def gauge(metrics: Metrics, name: str) -> float:
    text = metrics.render()[0].decode()
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


@pytest.mark.parametrize("path", sorted(IMAGE_ROUTES))
def test_more_than_fit_are_refused_before_their_body_is_read(path: str) -> None:
    taken: list[int] = []

    async def body() -> Any:
        for part in range(100):
            taken.append(part)
            yield b"x" * 1000

    async def scenario() -> None:
        metrics, gate = Metrics(), Gate()
        async with client_of(Admission(gate, at_once=2, queue_size=1, metrics=metrics)) as client:
            inside = [asyncio.create_task(client.post(path)) for _ in range(3)]
            await settle(gate, 3)
            assert gauge(metrics, "lucency_requests_in_flight") == 3
            assert gauge(metrics, "lucency_requests_queued") == 1
            refused = await client.post(path, content=body())
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "1"
            assert refused.json()["error"]["code"] == "overloaded"
            assert taken == []
            gate.opened.set()
            assert [answer.status_code for answer in await asyncio.gather(*inside)] == [200] * 3
            assert gauge(metrics, "lucency_requests_in_flight") == 0
            assert (await client.post(path)).status_code == 200
        assert b'lucency_requests_shed_total{reason="overloaded"} 1.0' in metrics.render()[0]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/healthz"), ("GET", "/v1/models"), ("GET", "/v1/analyze"), ("POST", "/v1/other")],
)
def test_what_brings_no_image_is_let_in(method: str, path: str) -> None:
    async def scenario() -> None:
        gate = Gate()
        app = Admission(gate, at_once=1, queue_size=0, metrics=Metrics())
        async with client_of(app) as client:
            inside = asyncio.create_task(client.post("/v1/analyze"))
            await settle(gate, 1)
            beside = asyncio.create_task(client.request(method, path))
            await settle(gate, 2)
            gate.opened.set()
            assert {(await inside).status_code, (await beside).status_code} == {200}

    asyncio.run(scenario())


def test_silent_bodies_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "SILENT_S", 0.05)
    going_on = asyncio.Event()

    async def slow() -> Any:
        yield b"x"
        await going_on.wait()
        yield b"x"

    async def scenario() -> None:
        metrics, reader = Metrics(), Reader()
        app = Admission(reader, at_once=1, queue_size=0, metrics=metrics)
        async with client_of(app) as client:
            silent = asyncio.create_task(client.post("/v1/analyze", content=slow()))
            await asyncio.sleep(0)
            await settle(reader, 1)
            assert (await client.post("/v1/analyze")).status_code == 503
            await asyncio.sleep(0.1)
            assert gauge(metrics, "lucency_requests_in_flight") == 0
            assert (await client.post("/v1/analyze")).status_code == 200
            going_on.set()
            assert (await silent).status_code == 200
            assert gauge(metrics, "lucency_requests_in_flight") == 0

            going_on.clear()
            silent = asyncio.create_task(client.post("/v1/analyze", content=slow()))
            await asyncio.sleep(0.1)
            other = asyncio.create_task(client.post("/v1/analyze", content=slow()))
            await settle(reader, 4)
            going_on.set()
            with pytest.raises(Refusal):  # its place is taken
                await silent
            assert (await other).status_code == 200
            assert gauge(metrics, "lucency_requests_in_flight") == 0

    asyncio.run(scenario())


def test_what_silent_bodies_hold_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "SILENT_S", 0.05)
    monkeypatch.setattr(admission, "MOST_SILENT_BYTES", 1000)
    going_on = asyncio.Event()

    async def slow() -> Any:
        yield b"x" * 400
        await going_on.wait()
        yield b"x"

    async def scenario() -> None:
        metrics, reader = Metrics(), Reader()
        app = Admission(reader, at_once=5, queue_size=0, metrics=metrics)
        async with client_of(app) as client:
            silent = [
                asyncio.create_task(client.post("/v1/analyze", content=slow())) for _ in range(5)
            ]
            await asyncio.sleep(0.2)
            assert gauge(metrics, "lucency_requests_in_flight") == 3
            going_on.set()
            assert {answer.status_code for answer in await asyncio.gather(*silent)} == {200}
            assert gauge(metrics, "lucency_requests_in_flight") == 0
            going_on.clear()
            silent = [asyncio.create_task(client.post("/v1/analyze", content=slow()))]
            await asyncio.sleep(0.2)
            assert gauge(metrics, "lucency_requests_in_flight") == 0  # all was given back
            silent[0].cancel()

    asyncio.run(scenario())


@pytest.mark.parametrize(("size", "held"), [(1000, 0), (2 * LONG_ANSWER_BYTES, 1)], ids=str)
def test_a_long_answer_counts_until_it_is_taken(size: int, held: int) -> None:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * size})

    async def scenario() -> None:
        metrics = Metrics()
        app = Admission(answer, at_once=1, queue_size=0, metrics=metrics)
        written, read, sent = 0, asyncio.Event(), []

        async def send(message: Any) -> None:
            # As uvicorn: waits until what was written before has left.
            nonlocal written
            if written > LONG_ANSWER_BYTES:
                await read.wait()
            written += len(message.get("body", b""))
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {"type": "http", "method": "POST", "path": "/v1/analyze", "headers": []}
        asked = asyncio.create_task(app(scope, receive, send))
        await asyncio.sleep(0.01)
        assert gauge(metrics, "lucency_requests_in_flight") == held
        read.set()
        await asked
        assert gauge(metrics, "lucency_requests_in_flight") == 0
        assert b"".join(message.get("body", b"") for message in sent) == b"x" * size
        assert [message.get("more_body", False) for message in sent[1:]] == [True, False][
            -len(sent) + 1 :
        ]

    asyncio.run(scenario())


def test_a_failed_request_gives_its_place_back() -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("no")

    async def scenario() -> None:
        app = Admission(fail, at_once=1, queue_size=0, metrics=Metrics())
        async with client_of(app) as client:
            for _ in range(3):
                with pytest.raises(RuntimeError):
                    await client.post("/v1/analyze")

    asyncio.run(scenario())


def test_a_refusal_costs_next_to_nothing() -> None:
    async def scenario() -> float:
        gate = Gate()
        app = Admission(gate, at_once=1, queue_size=0, metrics=Metrics())
        scope = {"type": "http", "method": "POST", "path": "/v1/analyze", "headers": []}

        async def nothing(*_: Any) -> Any:
            return {"type": "http.disconnect"}

        inside = asyncio.create_task(app(scope, nothing, nothing))
        await settle(gate, 1)
        start = time.process_time()
        for _ in range(1000):
            await app(scope, nothing, nothing)
        took = time.process_time() - start
        gate.opened.set()
        await inside
        return took / 1000

    assert asyncio.run(scenario()) < 200e-6

"""Load on a service, from a process of its own that costs little: ready bytes over raw sockets.

The clients of `put_load` run in one asyncio loop; nothing is built, parsed or stored there beyond
the head of an answer. `Outcome.cpu` and `Outcome.late` tell whether the generator kept up.
"""

import asyncio
import hashlib
import itertools
import json
import pickle
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

TIMINGS = re.compile(rb'"timings_ms":\{.*?\}.*?\}')
ANSWER_SECONDS = 120.0
DRAIN_SECONDS = 60.0


@dataclass(frozen=True)
class Load:
    """What is sent: ``requests`` in turn, by ``clients`` that each wait for their answer.

    With a ``rate`` the loop is open instead: so many requests begin every second, whatever becomes
    of those before. It lasts ``seconds``, or until ``count`` requests were begun. A client that
    is told to come again later does so after the time in Retry-After where it is ``patient``, and
    at once where not. ``keep``: bodies are returned (``bodies``) or the digest of each without
    its timings (``digests``).
    """

    port: int
    requests: tuple[bytes, ...]
    clients: int = 1
    seconds: float | None = None
    count: int | None = None
    rate: float | None = None
    patient: bool = True
    keep: str = ""


@dataclass(frozen=True)
class Reply:
    """One answer: which request, status, seconds from the wish to send to the last byte."""

    request: int
    status: int
    seconds: float
    end: float
    retry_after: bool
    kept: bytes = b""


@dataclass
class Outcome:
    """All answers; ``broken`` counts requests without one, by the error's name.

    ``seconds`` is the wall-clock time from the first request on, to the last one's begin; ``cpu``
    the generator's share of a core in it; ``late`` by how many seconds the open loop began each
    request after its time, at the 99th percentile.
    """

    replies: list[Reply] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)
    begin: float = 0.0
    seconds: float = 0.0
    cpu: float = 0.0
    late: float = 0.0

    def of(self, status: int) -> list[Reply]:
        """The answers with that status."""
        return [reply for reply in self.replies if reply.status == status]

    @property
    def goodput(self) -> float:
        """Answers with status 200 in each second of the load; later ones do not count."""
        end = self.begin + self.seconds
        return sum(reply.end <= end for reply in self.of(200)) / self.seconds

    @property
    def statuses(self) -> str:
        """How often each status came, for people."""
        counts = Counter(str(reply.status) for reply in self.replies) + self.broken
        return ", ".join(f"{status}: {count}" for status, count in sorted(counts.items()))


def put_load(load: Load) -> Outcome:
    """Run the load in a process of its own, and wait for it."""
    done = subprocess.run(
        [sys.executable, __file__], input=pickle.dumps(load), stdout=subprocess.PIPE, check=True
    )
    outcome = pickle.loads(done.stdout)
    assert isinstance(outcome, Outcome)
    return outcome


def analyze_request(image: bytes, *, query: str = "", path: str = "/v1/analyze") -> bytes:
    """The bytes of a multipart POST of one image, head and body."""
    return post_request(path + (f"?{query}" if query else ""), [("image", image)])


def post_request(target: str, files: Sequence[tuple[str, bytes]], *, head: str = "") -> bytes:
    """The bytes of a multipart POST of several parts named ``file``."""
    frame = b"lucency-benchmark-boundary"
    body = b"".join(
        b'--%b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n%b\r\n" % (frame, name.encode(), data)
        for name, data in files
    )
    body += b"--%b--\r\n" % frame
    lines = (
        f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}"
        f"Content-Type: multipart/form-data; boundary={frame.decode()}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return lines.encode() + body


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection: sends ready bytes, gives back status, head and body."""

    def __init__(self) -> None:
        self._got = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes, bytes]] | None = None
        self.transport: Any = None
        self.usable = False

    def connection_made(self, transport: Any) -> None:
        """Keep the transport: uvloop's is of no class of asyncio's."""
        self.transport, self.usable = transport, True

    async def exchange(self, request: bytes) -> tuple[int, bytes, bytes]:
        """Send a request and wait for the answer: status, head in small letters, body."""
        self._got.clear()
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        """Give the answer to who waits for it as soon as it is complete."""
        self._got += data
        end = self._got.find(b"\r\n\r\n")
        if end < 0 or self._answer is None or self._answer.done():
            return
        head = bytes(self._got[:end]).lower() + b"\r\n"
        found = re.search(rb"content-length: *(\d+)", head)
        length = int(found[1]) if found else 0
        if len(self._got) < end + 4 + length:
            return
        # An answer that came before the request was all sent leaves the rest of it behind.
        if b"connection: close" in head or self.transport.get_write_buffer_size():
            self.usable = False
            self.transport.abort()
        body = bytes(self._got[end + 4 : end + 4 + length])
        self._answer.set_result((int(head[9:12]), head, body))

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who waits that nothing will come."""
        self.usable = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionAbortedError("closed"))


class Generator:
    """The state of one load in the generator's process."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.outcome = Outcome()
        self._idle: list[Connection] = []
        self._order: Iterator[int] = itertools.cycle(range(len(load.requests)))
        self._begun = 0
        self._waits = random.Random(0)

    def may_begin(self, since: float) -> bool:
        """Whether there is time, and a request left."""
        if self.load.count is not None and self._begun >= self.load.count:
            return False
        return self.load.seconds is None or time.perf_counter() - since < self.load.seconds

    async def one(self, wished: float) -> Reply | None:
        """Send the next request; None where there was no answer."""
        number = next(self._order)
        self._begun += 1
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                status, head, body = await self._sent(self.load.requests[number])
        except (OSError, TimeoutError) as error:
            self.outcome.broken[type(error).__name__] += 1
            return None
        end = time.perf_counter()
        kept = kept_of(body, self.load.keep)
        reply = Reply(number, status, end - wished, end, b"retry-after:" in head, kept)
        self.outcome.replies.append(reply)
        if status == 503 and self.load.patient and self.load.rate is None:
            found = re.search(rb"retry-after: *(\d+)", head)
            # Not all at once again.
            await asyncio.sleep(int(found[1] if found else 1) * self._waits.uniform(1.0, 1.5))
        return reply

    async def _sent(self, request: bytes) -> tuple[int, bytes, bytes]:
        while self._idle:
            if (connection := self._idle.pop()).usable:
                break
        else:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(Connection, "127.0.0.1", self.load.port)
        answer = await connection.exchange(request)
        if connection.usable:
            self._idle.append(connection)
        return answer

    async def closed(self) -> None:
        """Each client waits for its answer before it sends again."""
        begin = time.perf_counter()

        async def client() -> None:
            while self.may_begin(begin):
                await self.one(time.perf_counter())

        await asyncio.gather(*(client() for _ in range(self.load.clients)))

    async def open(self) -> None:
        """Requests begin by the clock."""
        assert self.load.rate is not None
        begin = time.perf_counter()
        tasks: set[asyncio.Task[Reply | None]] = set()
        delays: list[float] = []
        for number in itertools.count():
            wished = begin + number / self.load.rate
            await asyncio.sleep(max(0.0, wished - time.perf_counter()))
            if not self.may_begin(begin):
                break
            delays.append(time.perf_counter() - wished)
            task = asyncio.create_task(self.one(wished))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        self.outcome.late = sorted(delays)[int(len(delays) * 0.99)]
        if tasks:
            await asyncio.wait(tasks, timeout=DRAIN_SECONDS)

    async def run(self) -> Outcome:
        """Put the load."""
        work: Callable[[], Awaitable[None]] = self.closed if self.load.rate is None else self.open
        begin, cpu = time.perf_counter(), time.process_time()
        await work()
        elapsed = time.perf_counter() - begin
        self.outcome.begin = begin
        self.outcome.seconds = self.load.seconds or elapsed
        self.outcome.cpu = (time.process_time() - cpu) / elapsed
        return self.outcome


def kept_of(body: bytes, keep: str) -> bytes:
    """What of an answer goes back: all, the digest of what may not differ, or nothing."""
    if keep == "digests":
        return hashlib.sha256(TIMINGS.sub(b"", body, count=1)).digest()
    return body if keep == "bodies" else b""


def reports(outcome: Outcome) -> Iterator[tuple[Reply, dict[str, object]]]:
    """The answers that were kept as bodies, parsed."""
    for reply in outcome.of(200):
        yield reply, json.loads(reply.kept)


def main() -> None:
    """Put the load that stands on the input; the outcome goes to the output."""
    # `put_load` knows these classes by the name of this module, not as __main__.
    import service_load
    import uvloop

    load = pickle.loads(sys.stdin.buffer.read())
    outcome = uvloop.run(service_load.Generator(load).run())
    # Not sys.stdout, which writes once and perhaps a part where PYTHONUNBUFFERED is set.
    with open(1, "wb", closefd=False) as out:
        out.write(pickle.dumps(outcome))


if __name__ == "__main__":
    main()

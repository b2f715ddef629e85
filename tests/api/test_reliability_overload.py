"""Eight times more clients than a real process can serve: some must come again, none is lost.

`benchmarks/service_speed.py --parts overload` measures goodput, times and memory.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lucency.configs.bundle import Bundle

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("service process")]

Benchmark = Callable[[str], Any]
AT_ONCE, QUEUE = 2, 2
CLIENTS = 8 * (AT_ONCE + QUEUE)
REQUESTS = 200


@pytest.fixture(scope="module")
def service(benchmark: Benchmark, detector_bundle: Bundle) -> Iterator[Any]:
    settings = {"analyses_at_once": AT_ONCE, "queue_size": QUEUE}
    served = benchmark("service_process").served
    with served(f"--bundle={detector_bundle.path}", settings=settings) as service:
        service.wait_until_ready()
        yield service


@pytest.fixture(scope="module")
def request_bytes(benchmark: Benchmark) -> bytes:
    """An image that takes a while to decode: noise of six megapixels."""
    noise = np.random.default_rng(0).integers(0, 256, (2000, 3000), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", quality=90)
    return benchmark("service_load").analyze_request(file.getvalue())


def test_what_is_too_much_is_refused_at_once_and_told_when_to_come_again(
    benchmark: Benchmark, service: Any, request_bytes: bytes
) -> None:
    load = benchmark("service_load")
    borne = load.Load(service.port, (request_bytes,), clients=AT_ONCE, count=4 * AT_ONCE)
    alone = load.put_load(borne)
    assert len(alone.of(200)) == len(alone.replies) == borne.count
    crowd = replace(borne, clients=CLIENTS, count=REQUESTS, patient=False, keep="bodies")
    outcome = load.put_load(crowd)
    # Every request has an answer, also those that were refused before their body was read.
    assert outcome.broken == {}
    assert len(outcome.replies) == REQUESTS
    assert {reply.status for reply in outcome.replies} == {200, 503}
    refused = outcome.of(503)
    assert all(reply.retry_after for reply in refused)
    assert all(b'"overloaded"' in reply.kept for reply in refused)
    # As many as fit were served all the same, and a refusal waits for none of them.
    assert len(outcome.of(200)) >= AT_ONCE + QUEUE
    percentile = benchmark("service_process").percentile
    soon = percentile([reply.seconds for reply in refused], 50)
    assert soon < percentile([reply.seconds for reply in outcome.of(200)], 50)


def test_afterwards_all_is_as_before(
    benchmark: Benchmark, service: Any, request_bytes: bytes
) -> None:
    load = benchmark("service_load")
    after = load.put_load(
        load.Load(service.port, (request_bytes,), clients=AT_ONCE + QUEUE, count=3 * AT_ONCE)
    )
    assert len(after.of(200)) == len(after.replies) == 3 * AT_ONCE
    assert service.is_ready()
    text = service.get("/metrics")[1].decode()
    (waiting,) = [line for line in text.splitlines() if "in_flight" in line and line[0] != "#"]
    assert float(waiting.split()[-1]) == 0

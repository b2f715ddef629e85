"""The same bytes get the same answer from real networks, whoever else asks at the same time.

`benchmarks/service_soak.py` does it with real radiographs, over 20,000 requests.
"""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("service process")]

IMAGES = 4
REQUESTS = 40


def images() -> list[bytes]:
    """Pictures of several sizes and depths: bright shapes on a dark ground, with noise."""
    made = []
    for number in range(IMAGES):
        rng = np.random.default_rng(number)
        height, width = 300 + 70 * number, 420 - 30 * number
        across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
        shape = np.exp(-4 * ((across - 0.1 * number) ** 2 + down**2))
        values = 0.8 * shape + rng.normal(0.1, 0.02, (height, width))
        deep = np.clip(values * 65535, 0, 65535).astype(np.uint16)
        file = io.BytesIO()
        Image.fromarray(deep if number % 2 else (deep >> 8).astype(np.uint8)).save(file, "PNG")
        made.append(file.getvalue())
    return made


@pytest.mark.parametrize("window_ms", [0.0, 20.0], ids=["no window", "window"])
def test_mixed_requests_get_the_answers_that_they_get_alone(
    benchmark: Callable[[str], Any], window_ms: float
) -> None:
    load = benchmark("service_load")
    bundles = ("--bundle", "fracture", "--bundle", "tb", "--bundle", "router")
    settings = {"batch_window_ms": window_ms}
    with benchmark("service_process").served(*bundles, settings=settings) as service:
        service.wait_until_ready()
        # The lowest thresholds, so that there are boxes to compare, whatever is shown.
        query = "kind=any&conf=0.002&max_detections=30"
        requests = tuple(load.analyze_request(image, query=query) for image in images())
        one_by_one = load.Load(service.port, requests, count=2 * IMAGES, keep="bodies")
        alone = load.put_load(one_by_one)
        together = load.put_load(replace(one_by_one, clients=12, count=REQUESTS))
    assert len(alone.of(200)) == 2 * IMAGES
    assert len(together.of(200)) == REQUESTS
    expected = answers(load, alone)
    assert [len(same) for same in expected.values()] == [1] * IMAGES
    assert answers(load, together) == expected
    assert sum(len(report["findings"]) for _, report in load.reports(alone)) > 0


def answers(load: Any, outcome: Any) -> dict[int, set[bytes]]:
    """The different answers to each request, without their timings."""
    found: dict[int, set[bytes]] = {}
    for reply in outcome.replies:
        found.setdefault(reply.request, set()).add(load.kept_of(reply.kept, "digests"))
    return found

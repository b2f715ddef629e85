"""How soon the command line answers and the service is ready.

    python benchmarks/startup.py [BUNDLE…] [--rounds 5]

Prints a Markdown table with the median and the range of `lucency --help`, of `lucency serve` until
/readyz answers 200 with these bundles, those that are loaded by default if none is named, of its
memory then, and of one analysis of an 8-bit image of noise through HTTP.
"""

import argparse
import io
import statistics
import subprocess
import time
from collections.abc import Sequence

import numpy as np
from PIL import Image
from service_load import Load, analyze_request, put_load
from service_process import MEGABYTE, PROGRAM, Row, print_rows, served, spread

HELP_SECONDS = 0.3
READY_SECONDS = 3.0
ANALYSES = 5


def help_seconds() -> float:
    start = time.perf_counter()
    subprocess.run([PROGRAM, "--help"], check=True, capture_output=True)
    return time.perf_counter() - start


def serve_seconds(bundles: Sequence[str], analyses: list[float], memory: list[float]) -> float:
    """Start the service, wait until it is ready, time a few analyses, stop it."""
    options = [part for bundle in bundles for part in ("--bundle", bundle)]
    with served(*options) as service:
        seconds = service.wait_until_ready()
        memory.append(service.memory() / MEGABYTE)
        # Noise is no radiograph, so the router, if there is one, would refuse it.
        request = analyze_request(picture(), query="kind=any")
        outcome = put_load(Load(service.port, (request,), count=ANALYSES))
        if len(outcome.of(200)) < ANALYSES:
            raise SystemExit(f"the image was not analysed: {outcome.statuses}")
        analyses += [reply.seconds * 1000 for reply in outcome.replies]
    return seconds


def picture() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (800, 600), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how soon everything is there.")
    parser.add_argument("bundles", nargs="*")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    analyses: list[float] = []
    memory: list[float] = []
    help_seconds()
    helps = [help_seconds() for _ in range(given.rounds)]
    serve_seconds(given.bundles, [], [])
    ready = [serve_seconds(given.bundles, analyses, memory) for _ in range(given.rounds)]
    which = f"bundles: {len(given.bundles) or 'the default ones'}"
    rows = [
        Row("`lucency --help`, s", spread(helps, 3), f"≤ {HELP_SECONDS}",
            statistics.median(helps) <= HELP_SECONDS),
        Row(f"`lucency serve` until `/readyz` is 200, s ({which})", spread(ready, 3),
            f"≤ {READY_SECONDS:g}", statistics.median(ready) <= READY_SECONDS),
        Row("resident memory then, service and children, MB", spread(memory, 0)),
        Row("one analysis over HTTP, ms", spread(analyses, 1)),
    ]  # fmt: skip
    print_rows("Start", rows)


if __name__ == "__main__":
    main()

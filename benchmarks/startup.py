"""How soon the command line answers and the service is ready.

    python benchmarks/startup.py BUNDLE BUNDLE

Prints the median and the range of `lucency --help`, of `lucency serve` until /readyz answers 200
with both bundles, and of one analysis of an 8-bit image of noise through HTTP.
"""

import io
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

PORT = 8766
ROUNDS = 9
PROGRAM = str(Path(sys.executable).parent / "lucency")


def help_seconds() -> float:
    start = time.perf_counter()
    subprocess.run([PROGRAM, "--help"], check=True, capture_output=True)
    return time.perf_counter() - start


def ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def serve_seconds(bundles: list[str], analyses: list[float]) -> float:
    """Start the service, wait until it is ready, time a few analyses, stop it."""
    options = [part for bundle in bundles for part in ("--bundle", bundle)]
    start = time.perf_counter()
    server = subprocess.Popen(
        [PROGRAM, "serve", *options, "--port", str(PORT)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=30) as client:
            while not ready(client):
                time.sleep(0.01)
            seconds = time.perf_counter() - start
            for _ in range(5):
                begun = time.perf_counter()
                client.post("/v1/analyze", files={"file": picture()}).raise_for_status()
                analyses.append(time.perf_counter() - begun)
    finally:
        server.terminate()
        server.wait(timeout=20)
    return seconds


def picture() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (800, 600), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def show(name: str, seconds: list[float]) -> None:
    middle = statistics.median(seconds)
    print(f"{name:<34} {middle:.3f} s  ({min(seconds):.3f} to {max(seconds):.3f})")


def main() -> None:
    """Measure and print."""
    bundles = sys.argv[1:]
    help_seconds()
    show("lucency --help", [help_seconds() for _ in range(ROUNDS)])
    analyses: list[float] = []
    serve_seconds(bundles, analyses)
    analyses.clear()
    times = [serve_seconds(bundles, analyses) for _ in range(ROUNDS)]
    show(f"serve ready, {len(bundles)} bundles", times)
    show("one analysis over HTTP", analyses)


if __name__ == "__main__":
    main()

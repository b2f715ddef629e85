"""Our service beside a plain FastAPI endpoint with `ultralytics.YOLO`, the same weights and size.

Part of `service_speed.py`. Both get the same files, uploaded by the same clients, by turns; the
one that is not asked rests. Each does what it does: the peer (`service_plain_peer.py`) decodes in
its own process and answers with boxes; ours decodes in a limited process, displays the stored
pixels, and answers with the whole report, every box with the probability of every class.
"""

import os
import socket
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from service_load import Load, Outcome, analyze_request, put_load
from service_process import Row, Served, running, served, spread

from lucency.configs.bundle import load_bundle
from lucency.detection.weights import starting_weights

HERE = Path(__file__).resolve().parent
BUNDLE = HERE.parent / "detection" / "bundles" / "fracture"
PEER_MODELS = {"torch": "start.pt", "ONNX Runtime": "model.onnx"}
TIMES_FASTER = 1.5
CLIENTS = 8


def peer_rows(images: Sequence[bytes], *, seconds: float, rounds: int) -> Iterator[Row]:
    """Throughput of ours, of the peer with torch and with ONNX Runtime, and the ratios."""
    with tempfile.TemporaryDirectory() as folder:
        models = peer_models(Path(folder))
        with (
            served("--bundle", str(BUNDLE)) as ours,
            plain_peer(models["torch"]) as torch,
            plain_peer(models["ONNX Runtime"]) as onnx,
        ):
            ours.wait_until_ready()
            loads = {"ours": load_of(ours, images, "/v1/analyze", seconds)}
            for name, peer in (("torch", torch), ("ONNX Runtime", onnx)):
                peer.wait_until_ready("/health")
                loads[name] = load_of(peer, images, "/predict", seconds)
            for load in loads.values():
                put_load(Load(load.port, load.requests, clients=2, count=2 * len(images)))
            yield from compared(loads, rounds=rounds)


def compared(loads: Mapping[str, Load], *, rounds: int) -> Iterator[Row]:
    rates: dict[str, list[float]] = {name: [] for name in loads}
    for number in range(rounds):
        names = list(loads)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            outcome = put_load(loads[name])
            check(name, outcome)
            rates[name].append(outcome.goodput)
    for name, values in rates.items():
        what = "ours, bundle `fracture`" if name == "ours" else f"plain endpoint, {name}"
        yield Row(f"{what}: images in a second, {CLIENTS} clients", spread(values))
    for name in PEER_MODELS:
        ratios = [ours / peer for ours, peer in zip(rates["ours"], rates[name], strict=True)]
        held = statistics.median(ratios) >= TIMES_FASTER if name == "torch" else None
        bound = f"≥ {TIMES_FASTER}" if name == "torch" else ""
        yield Row(f"ours to the plain endpoint, {name}", spread(ratios), bound, held)


def peer_models(folder: Path) -> dict[str, Path]:
    """The weights of our bundle as Ultralytics takes them: a checkpoint, and the ONNX file."""
    checkpoint = starting_weights(str(BUNDLE), folder=folder)
    (folder / "model.onnx").write_bytes(load_bundle(BUNDLE).model)
    return {"torch": checkpoint, "ONNX Runtime": folder / "model.onnx"}


@contextmanager
def plain_peer(weights: Path) -> Iterator[Served]:
    """The plain endpoint in a process of its own."""
    size = load_bundle(BUNDLE).manifest.input_size
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "uvicorn", "--app-dir", str(HERE), "service_plain_peer:app"),
        *("--host", "127.0.0.1", "--port", str(port), "--no-access-log"),
    ]
    environment = {
        "PEER_WEIGHTS": str(weights),
        "PEER_IMAGE_SIZE": str(size),
        "YOLO_AUTOINSTALL": "false",
        "YOLO_CONFIG_DIR": str(weights.parent),
        "YOLO_OFFLINE": "true",
        "OMP_NUM_THREADS": str(len(os.sched_getaffinity(0))),
    }
    with running(command, port=port, environment=environment) as peer:
        yield peer


def load_of(service: Served, images: Sequence[bytes], path: str, seconds: float) -> Load:
    requests = tuple(analyze_request(image, path=path) for image in images)
    return Load(service.port, requests, clients=CLIENTS, seconds=seconds)


def check(name: str, outcome: Outcome) -> None:
    """Only complete rounds are compared."""
    if len(outcome.of(200)) < len(outcome.replies) or outcome.broken:
        raise SystemExit(f"{name}: not every image was analysed: {outcome.statuses}")

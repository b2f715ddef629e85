"""Stand-in bundles, real ONNX graphs with fixed answers, and a client without a socket."""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from lucency.api.app import create_app
from lucency.api.settings import Settings
from lucency.configs.bundle import Bundle, BundleManifest, write_bundle
from lucency.configs.display import DisplaySpec

SIDE = 64
CLASSES = ("fracture", "lesion")
POINTS = {
    "screening": {"fracture": 0.3, "lesion": 0.3},
    "balanced": {"fracture": 0.5, "lesion": 0.5},
    "specific": {"fracture": 0.95, "lesion": 0.55},
}
# Centre x, centre y, width, height in input pixels, then one probability for each class.
RAW_BOXES = [
    (16, 16, 16, 16, 0.9, 0.1),
    (48, 48, 16, 16, 0.2, 0.6),
    (48, 16, 8, 8, 0.35, 0.05),
]


def constant_model(values: np.ndarray, *, source: tuple[str, list[Any]], output: str) -> bytes:
    """A graph that answers ``values`` (1, …) for each input (B, 3, h, w), which it does read."""
    name, shape = source
    rank = values.ndim
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMax", [name], ["part"], axes=[*range(rank, 4)], keepdims=0),
            helper.make_node("ReduceMax", ["part"], ["peak"], axes=[*range(1, rank)], keepdims=1),
            helper.make_node("Mul", ["peak", "zero"], ["nothing"]),
            helper.make_node("Add", ["answer", "nothing"], [output]),
        ],
        "stand-in",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", *values.shape[1:]])],
        [
            numpy_helper.from_array(values.astype(np.float32), "answer"),
            numpy_helper.from_array(np.float32(0.0), "zero"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def with_maps(data: bytes, *, classes: int) -> bytes:
    """A classifier's graph with the outputs that explanations are drawn from: the image itself."""
    model = onnx.load_model_from_string(data)
    model.graph.node.extend(
        [
            helper.make_node("ReduceMean", ["image"], ["maps"], axes=[1], keepdims=1),
            helper.make_node("ReduceMean", ["maps"], ["mean"], axes=[1, 2], keepdims=0),
            helper.make_node("ReduceMax", ["mean"], ["most"], axes=[1], keepdims=1),
            helper.make_node("Unsqueeze", ["most", "last"], ["whole"]),
            helper.make_node("Mul", ["whole", "none"], ["nought"]),
            helper.make_node("Add", ["nought", "ones"], ["gradients"]),
        ]
    )
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array([2], dtype=np.int64), "last"),
            numpy_helper.from_array(np.float32(0.0), "none"),
            numpy_helper.from_array(np.ones((1, classes, 1), dtype=np.float32), "ones"),
        ]
    )
    for name, shape in (("maps", [1, SIDE, SIDE]), ("gradients", [classes, 1])):
        info = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
        model.graph.output.append(info)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def make_bundle(
    path: Path, *, task: str, classes: tuple[str, ...], model: bytes, **manifest_values: Any
) -> Bundle:
    display = DisplaySpec()
    points = {
        point: {name: values.get(name, 0.5) for name in classes} for point, values in POINTS.items()
    }
    manifest = BundleManifest(
        name=path.name,
        task=task,  # type: ignore[arg-type]
        architecture="stand-in",
        class_names=classes,
        input_size=SIDE,
        input_channels=3,
        display=display,
        display_digest=display.digest(),
        operating_points=points,
        default_operating_point="balanced",
        metrics={},
        metrics_split="test",
        parity={},
        training_data={},
        libraries={},
        licence="AGPL-3.0-or-later",
        created="2025-01-01T00:00:00Z",
        files={},
    )
    manifest = manifest.model_copy(update=manifest_values)
    return write_bundle(path, manifest, {"model.onnx": model, "MODEL_CARD.md": b"# stand-in\n"})


@pytest.fixture(scope="session")
def make_detector() -> Callable[..., Bundle]:
    """Makes a detector that finds ``boxes``, RAW_BOXES if none are given, in every image."""

    def make(
        path: Path,
        *,
        boxes: Any = None,
        model: bytes | None = None,
        classes: tuple[str, ...] = CLASSES,
        **values: Any,
    ) -> Bundle:
        model = model or constant_model(
            np.array(RAW_BOXES if boxes is None else boxes, dtype=np.float32).T[None],
            source=("images", ["batch", 3, "height", "width"]),
            output="output0",
        )
        return make_bundle(path, task="detection", classes=classes, model=model, **values)

    return make


@pytest.fixture(scope="session")
def make_classifier() -> Callable[..., Bundle]:
    """Makes a classifier that says ``probability`` of every image."""

    def make(
        path: Path,
        *,
        probability: float = 0.75,
        model: bytes | None = None,
        label: str = "tb",
        **values: Any,
    ) -> Bundle:
        model = model or constant_model(
            np.array([[probability]]),
            source=("image", ["batch", 3, SIDE, SIDE]),
            output="probabilities",
        )
        model = with_maps(model, classes=1)
        return make_bundle(path, task="classification", classes=(label,), model=model, **values)

    return make


@pytest.fixture(scope="session")
def make_router() -> Callable[..., Bundle]:
    """Makes a router that gives every image the probabilities ``chest``, ``bone`` and ``other``."""

    def make(
        path: Path, *, chest: float = 0.0, bone: float = 0.0, other: float = 0.0, **values: Any
    ) -> Bundle:
        model = constant_model(
            np.array([[chest, bone, other]]),
            source=("image", ["batch", 3, SIDE, SIDE]),
            output="probabilities",
        )
        classes = ("chest", "bone", "other")
        role = {"role": "router", "exclusive": True, **values}
        return make_bundle(
            path,
            task="classification",
            classes=classes,
            model=with_maps(model, classes=len(classes)),
            **role,
        )

    return make


@pytest.fixture(scope="session")
def detector_bundle(
    tmp_path_factory: pytest.TempPathFactory, make_detector: Callable[..., Bundle]
) -> Bundle:
    """Finds the boxes of RAW_BOXES in every image."""
    return make_detector(tmp_path_factory.mktemp("bundles") / "stand-in-detector")


@pytest.fixture(scope="session")
def classifier_bundle(
    tmp_path_factory: pytest.TempPathFactory, make_classifier: Callable[..., Bundle]
) -> Bundle:
    """Says 0.75 for tb of every image."""
    return make_classifier(tmp_path_factory.mktemp("bundles") / "stand-in-classifier")


@pytest.fixture(scope="session")
def png() -> Callable[..., bytes]:
    """Makes the PNG of a grey ramp, ``width`` × ``height`` pixels."""

    def encode(width: int = SIDE, height: int = SIDE, *, kind: str = "PNG") -> bytes:
        ramp = np.linspace(0, 255, width * height).reshape(height, width).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(ramp).save(file, kind)
        return file.getvalue()

    return encode


class Client:
    """Speaks to an application in its own event loop, the lifespan running."""

    def __init__(self, app: Any, portal: BlockingPortal) -> None:
        self.app = app
        self._portal = portal

    def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        return self._portal.call(lambda: self._send(method, path, **given))

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.request("GET", path, **given)

    def analyze(self, data: bytes, *, name: str = "image.png", **params: Any) -> httpx.Response:
        return self.request("POST", "/v1/analyze", files={"file": (name, data)}, params=params)

    def analyze_all(self, images: list[bytes]) -> list[httpx.Response]:
        """All at the same time."""

        async def send() -> list[httpx.Response]:
            return await asyncio.gather(
                *(self._send("POST", "/v1/analyze", files={"file": data}) for data in images)
            )

        return self._portal.call(send)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 20
        while self.get("/readyz").status_code != 200:
            assert time.monotonic() < deadline, "the service did not become ready"
            time.sleep(0.01)

    async def _send(self, method: str, path: str, **given: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.request(method, path, **given)


@contextmanager
def running(app: Any) -> Iterator[Client]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
    ):
        yield Client(app, portal)


@pytest.fixture(scope="session")
def run_service() -> Callable[..., Any]:
    """Runs a service with bundles and settings: a context manager that gives a `Client`."""

    def run(*bundles: Bundle, on_failure: Any = None, **settings: Any) -> Any:
        def fail(error: Exception) -> None:
            raise error

        app = create_app(Settings(**settings), bundles, on_failure=on_failure or fail)
        return running(app)

    return run


@pytest.fixture(scope="session")
def client(
    run_service: Callable[..., Any], detector_bundle: Bundle, classifier_bundle: Bundle
) -> Iterator[Client]:
    """A ready service with a detector and a classifier."""
    with run_service(detector_bundle, classifier_bundle) as service:
        service.wait_until_ready()
        yield service


@pytest.fixture
def chunks() -> Callable[..., Any]:
    """Makes a body that is sent in pieces, without a length, and counts those that were taken."""

    def make(count: int, size: int) -> tuple[AsyncIterator[bytes], list[int]]:
        taken: list[int] = []

        async def body() -> AsyncIterator[bytes]:
            yield (
                b'--frame\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
                b"Content-Type: image/png\r\n\r\n"
            )
            for number in range(count):
                taken.append(number)
                yield b"\0" * size

        return body(), taken

    return make

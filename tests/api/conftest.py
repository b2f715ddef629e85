"""Stand-in bundles, real ONNX graphs with fixed answers, and a client without a socket."""

import asyncio
import importlib
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
from lucency.api.schemas import (
    AppliedThresholds,
    Flag,
    FoundBox,
    ImageClassification,
    ImageFacts,
    ModelUsed,
    Report,
    Tier,
    Timings,
    WireBox,
)
from lucency.api.settings import Settings
from lucency.configs.bundle import RESEARCH_USE, Bundle, BundleManifest, write_bundle
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


@pytest.fixture(scope="session")
def check_error() -> Callable[..., str]:
    """Checks that an answer has the one form of errors, and gives its sentence."""

    def check(answer: Any, status: int, code: str, *, fault: str | None = None) -> str:
        assert answer.status_code == status, answer.text
        body = answer.json()
        assert set(body) == {"error"}
        assert set(body["error"]) == {"code", "message"} | ({"fault"} if fault else set())
        assert (body["error"]["code"], body["error"].get("fault")) == (code, fault)
        message = body["error"]["message"]
        assert message
        assert "\n" not in message
        return str(message)

    return check


class Client:
    """Speaks to an application in its own event loop, the lifespan running."""

    def __init__(self, app: Any, portal: BlockingPortal) -> None:
        self.app = app
        self.portal = portal

    def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        return self.portal.call(lambda: self._send(method, path, **given))

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

        return self.portal.call(send)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 20
        while self.get("/readyz").status_code != 200:
            assert time.monotonic() < deadline, "the service did not become ready"
            time.sleep(0.01)

    async def _send(self, method: str, path: str, **given: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
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


@pytest.fixture(scope="session")
def make_report() -> Callable[..., Report]:
    """Makes a report of a 200 × 100 image: ``boxes`` are x1, y1, x2, y2, label and score."""

    def make(
        *boxes: tuple[float, float, float, float, str, float],
        classes: tuple[str, ...] = CLASSES,
        tb: float | None = None,
        detector: bool = True,
        **values: Any,
    ) -> Report:
        width, height = 200, 100
        used = [("finder", "detection")] * detector + [("net", "classification")] * (tb is not None)
        answers = ImageClassification(
            model="net",
            probabilities={"tb": tb or 0.0},
            raw_probabilities={"tb": tb or 0.0},
            thresholds={"tb": 0.5},
            verdicts={"tb": (tb or 0.0) >= 0.5},
        )
        report = Report(
            id="0123456789abcdef",
            image=ImageFacts(
                width=width, height=height, bits=8, sha256="0" * 64, kind="png", body_part=None
            ),
            route=None,
            findings=tuple(
                FoundBox(
                    box=WireBox(x1=x1, y1=y1, x2=x2, y2=y2),
                    box_normalised=WireBox(
                        x1=x1 / width, y1=y1 / height, x2=x2 / width, y2=y2 / height
                    ),
                    label=label,
                    score=score,
                    probabilities={name: score if name == label else 0.01 for name in classes},
                    raw_probabilities=None,
                    threshold=0.25,
                    tier="sure" if score >= 0.5 else "doubtful",
                    model="finder",
                )
                for x1, y1, x2, y2, label, score in boxes
            ),
            classifications=() if tb is None else (answers,),
            flags=(),
            heatmaps=None,
            operating_point="balanced",
            thresholds=tuple(
                AppliedThresholds(
                    model=name,
                    operating_point="balanced",
                    thresholds=dict.fromkeys(classes if task == "detection" else ("tb",), 0.25),
                )
                for name, task in used
            ),
            models=tuple(
                ModelUsed(
                    name=name,
                    task=task,
                    digest="abcdef0123456789" * 4,
                    created="2025-01-01T00:00:00Z",
                    calibrated=True,
                    inference=None,
                    licence="AGPL-3.0-or-later",
                    commercial_use=True,
                    intended_use=RESEARCH_USE,
                )
                for name, task in used
            ),
            left_out=(),
            lucency_version="0",
            timings_ms=Timings(wait=0.0, decode=1.0, models={}, own=1.0, total=2.0),
        )
        return report.model_copy(update=values)

    return make


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


@pytest.fixture(scope="session")
def small_report() -> Report:
    """An answer with findings of both tiers, a verdict and a flag."""

    def found(label: str, tier: Tier) -> FoundBox:
        return FoundBox(
            box=WireBox(x1=1, y1=2, x2=3, y2=4),
            box_normalised=WireBox(x1=0.1, y1=0.2, x2=0.3, y2=0.4),
            label=label,
            score=0.7,
            probabilities={"fracture": 0.7, "lesion": 0.7},
            raw_probabilities=None,
            threshold=0.3,
            tier=tier,
            model="fracture-net",
        )

    return Report(
        id="ab12",
        image=ImageFacts(
            width=10, height=10, bits=12, sha256="ab" * 32, kind="dicom", body_part="bone"
        ),
        route=None,
        findings=(
            found("fracture", "sure"),
            found("fracture", "doubtful"),
            found("fracture", "doubtful"),
            found("lesion", "doubtful"),
        ),
        classifications=(
            ImageClassification(
                model="tbnet",
                probabilities={"tb": 0.8},
                raw_probabilities={"tb": 0.9},
                thresholds={"tb": 0.5},
                verdicts={"tb": True},
            ),
        ),
        flags=(Flag(kind="out-of-distribution", message="Unlike.", models=("tbnet",)),),
        heatmaps=None,
        operating_point=None,
        thresholds=(
            AppliedThresholds(
                model="fracture-net",
                operating_point=None,
                thresholds={"fracture": 0.3, "lesion": 0.3},
            ),
            AppliedThresholds(model="tbnet", operating_point="balanced", thresholds={"tb": 0.5}),
        ),
        models=(),
        left_out=(),
        lucency_version="0.1.0",
        timings_ms=Timings(
            wait=1, decode=12, models={"fracture-net": 50, "tbnet": 40}, own=2, total=100
        ),
    )


@pytest.fixture(scope="session")
def benchmark(repository: Path) -> Iterator[Callable[[str], Any]]:
    """Imports a module of benchmarks/: real service processes, load, hostile files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(repository / "benchmarks")
        yield importlib.import_module


@pytest.fixture(scope="session")
def ask() -> Callable[..., httpx.Response]:
    """Asks a bare ASGI application once, in an event loop of its own."""

    def send(app: Any, method: str = "GET", path: str = "/", **given: Any) -> httpx.Response:
        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                return await client.request(method, path, **given)

        return asyncio.run(request())

    return send

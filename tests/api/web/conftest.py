"""A real service on a port and a real browser that looks at it."""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from lucency.api.app import create_app
from lucency.api.settings import Settings
from lucency.configs.bundle import Bundle

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTH, HEIGHT = 400, 300
TIMEOUT_MS = 20_000


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser; tests that ask for it are skipped where it is not installed.

    It ends with the module: as long as it runs, so does an event loop in this thread, and other
    tests could not have theirs.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"no browser: {CHROMIUM} is missing")
    playwright.expect.set_options(timeout=TIMEOUT_MS)
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def serving() -> Callable[..., Any]:
    """Serves bundles on a free port: a context manager that gives the address."""

    @contextmanager
    def serve(*bundles: Bundle, **settings: Any) -> Iterator[str]:
        def fail(error: Exception) -> None:
            raise error

        app = create_app(Settings(**settings), bundles, on_failure=fail)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            address = f"http://127.0.0.1:{listening.getsockname()[1]}"
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            try:
                _wait_until_ready(address)
                yield address
            finally:
                server.should_exit = True
                thread.join(20)
                assert not thread.is_alive(), "the service did not end"

    return serve


def _wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if httpx.get(f"{address}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, "the service did not become ready"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def feedback_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("feedback")


@pytest.fixture(scope="session")
def site(
    serving: Callable[..., Any],
    detector_bundle: Bundle,
    classifier_bundle: Bundle,
    feedback_folder: Path,
) -> Iterator[str]:
    """A service with a detector, a classifier and a folder for feedback."""
    with serving(detector_bundle, classifier_bundle, feedback_folder=feedback_folder) as address:
        yield address


@dataclass
class Visit:
    """One page with all that it asked for and complained of."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def add(self, *files: tuple[str, bytes]) -> None:
        """Pick files and wait until each is analysed or refused."""
        self.pick(*files)
        self.expect(self.page.locator(".strip li:is(.done, .failed)")).to_have_count(len(files))

    def pick(self, *files: tuple[str, bytes]) -> None:
        """Pick files."""
        given = [
            {"name": name, "mimeType": "application/octet-stream", "buffer": data}
            for name, data in files
        ]
        self.page.set_input_files("input[type=file]", given)

    def expect(self, locator: Any) -> Any:
        """Playwright's assertions, which wait."""
        from playwright.sync_api import expect

        return expect(locator)

    def keys(self, *keys: str) -> None:
        """Press keys one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    @property
    def marks(self) -> Any:
        """The boxes on the picture."""
        return self.page.locator(".boxes .mark")

    @property
    def findings(self) -> Any:
        """The items of the list."""
        return self.page.locator(".findings > li")

    def view(self) -> tuple[float, float, float]:
        """Scale, left and top of the picture."""
        viewer = self.page.locator(".viewer")
        names = ("data-scale", "data-left", "data-top")
        scale, left, top = (float(viewer.get_attribute(name)) for name in names)
        return scale, left, top

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the stored image is on the screen."""
        edge = self.page.locator(".viewer").bounding_box()
        scale, left, top = self.view()
        return edge["x"] + left + x * scale, edge["y"] + top + y * scale

    def shade(self, x: float, y: float) -> Sequence[int]:
        """Red, green and blue of the picture at a pixel of the stored image."""
        scale, left, top = self.view()
        at = [left + x * scale, top + y * scale]
        script = """([x, y]) => [...document.querySelector('.viewer canvas').getContext('2d')
            .getImageData(x * devicePixelRatio, y * devicePixelRatio, 1, 1).data].slice(0, 3)"""
        return list(self.page.evaluate(script, at))

    def drag(
        self, start: tuple[float, float], end: tuple[float, float], *, button: str = "left"
    ) -> None:
        """Drag from one place of the screen to another."""
        self.page.mouse.move(*start)
        self.page.mouse.down(button=button)
        self.page.mouse.move(*((a + b) / 2 for a, b in zip(start, end, strict=True)))
        self.page.mouse.move(*end)
        self.page.mouse.up(button=button)


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Visit]]:
    """Opens a page in a browser without memory; at the end nothing may have left the service."""
    contexts: list[Any] = []
    hosts: list[tuple[str, str]] = []

    def open_page(address: str, path: str = "/", *, size: tuple[int, int] = (1400, 900)) -> Visit:
        width, height = size
        context = chromium.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(TIMEOUT_MS)
        contexts.append(context)
        page = context.new_page()
        visit = Visit(page)
        page.on("request", lambda request: visit.requests.append(request.url))
        page.on("request", lambda request: hosts.append((request.url, address)))
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                visit.complaints.append(message.text) if message.type == "error" else None
            ),
        )
        page.goto(address + path)
        return visit

    yield open_page
    for context in contexts:
        context.close()
    own = ("data:", "blob:")
    assert [url for url, host in hosts if not url.startswith((f"{host}/", *own))] == []


@pytest.fixture(scope="session")
def image(png: Callable[..., bytes]) -> bytes:
    """A grey ramp of 400 × 300 pixels, darkest at the top."""
    return png(WIDTH, HEIGHT)


@pytest.fixture(scope="session")
def dicom() -> bytes:
    """A DICOM image: its left half 1000 and its right half 3000, shown from 0 to 4000."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.PatientName = "Doe^Jane"
    dataset.Rows, dataset.Columns = HEIGHT, WIDTH
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME1"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = "2000", "4000"
    pixels = np.full((HEIGHT, WIDTH), 1000, dtype="<u2")
    pixels[:, WIDTH // 2 :] = 3000
    dataset.PixelData = pixels.tobytes()
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


@pytest.fixture(scope="session")
def two_pages() -> bytes:
    """A TIFF of two pages."""
    first, second = (Image.new("L", (WIDTH, HEIGHT), shade) for shade in (60, 200))
    file = io.BytesIO()
    first.save(file, "TIFF", save_all=True, append_images=[second])
    return file.getvalue()

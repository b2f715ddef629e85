"""The client against a real service on a socket, and against stand-ins for bad ones."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from lucency.api.app import create_app
from lucency.api.client import MOST_TRIES, Client, ServiceError
from lucency.api.feedback_schemas import Feedback, FeedbackBox, FeedbackImage
from lucency.api.schemas import Report
from lucency.api.settings import Settings
from lucency.configs.bundle import Bundle

Png = Callable[..., bytes]


@contextmanager
def listening(settings: Settings, *bundles: Bundle) -> Iterator[str]:
    """A service in a thread, on a free port; yields its address once it is ready."""

    def fail(error: Exception) -> None:
        raise error

    app = create_app(settings, bundles, on_failure=fail)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    place = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
    thread.start()
    url = f"http://127.0.0.1:{place.getsockname()[1]}"
    try:
        with Client(url) as client:
            deadline = time.monotonic() + 20
            while not client.ready() and time.monotonic() < deadline:
                time.sleep(0.01)
        yield url
    finally:
        server.should_exit = True
        thread.join(20)
        place.close()


@pytest.fixture(scope="module")
def feedback_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("feedback")


@pytest.fixture(scope="module")
def url(detector_bundle: Bundle, classifier_bundle: Bundle, feedback_folder: Path) -> Iterator[str]:
    settings = Settings(feedback_folder=feedback_folder, cores=1)
    with listening(settings, detector_bundle, classifier_bundle) as address:
        yield address


@pytest.fixture
def service(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client


def test_a_file_and_its_bytes_give_the_same_report(
    service: Client, tmp_path: Path, png: Png
) -> None:
    path = tmp_path / "CANARY.png"
    path.write_bytes(png(200, 100))
    reports = [service.analyze(path), service.analyze(path.read_bytes())]
    assert all(isinstance(report, Report) for report in reports)
    assert [found.label for found in reports[0].findings] == ["fracture", "lesion"]
    assert (reports[0].image.width, reports[0].image.height) == (200, 100)
    same = [report.model_dump(exclude={"timings_ms"}) for report in reports]
    assert same[0] == same[1]


def test_parameters_reach_the_service(service: Client, png: Png) -> None:
    report = service.analyze(
        png(),
        operating_point="screening",
        conf={"lesion": 0.7, "fracture": 0.05},
        models=["stand-in-detector"],
        max_detections=1,
        frame=1,
        kind="any",
        heatmap=False,
    )
    assert [model.name for model in report.models] == ["stand-in-detector"]
    assert report.thresholds[0].thresholds == {"lesion": 0.7, "fracture": 0.05}
    assert len(report.findings) == 1
    assert report.heatmaps is None
    warm = service.analyze(png(), conf=0.95, heatmap=True)
    assert warm.findings == ()
    assert warm.heatmaps is not None


def test_a_batch_comes_in_order_with_errors_among_it(service: Client, png: Png) -> None:
    first, broken, third = service.analyze_batch(
        [png(64, 32), png()[:90], png(96, 32)], operating_point="screening"
    )
    assert isinstance(first, Report)
    assert isinstance(third, Report)
    assert [first.image.width, third.image.width] == [64, 96]
    assert first.operating_point == "screening"
    assert isinstance(broken, ServiceError)
    assert (broken.code, broken.fault) == ("unreadable_image", "truncated")
    assert broken.status == 0


def test_models_are_told(service: Client) -> None:
    models = service.models()
    assert [model.name for model in models] == ["stand-in-detector", "stand-in-classifier"]
    detail = service.model("stand-in-detector")
    assert detail.facts == models[0]
    assert detail.card == "# stand-in\n"


@pytest.mark.parametrize(
    ("ask", "code", "status", "fault"),
    [
        (lambda client, png: client.analyze(b"text"), "not_an_image", 415, "unknown-format"),
        (lambda client, png: client.analyze(b""), "empty_file", 400, ""),
        (lambda client, png: client.analyze(png[:90]), "unreadable_image", 422, "truncated"),
        (
            lambda client, png: client.analyze(png, operating_point="strict"),
            *("unknown_operating_point", 422, ""),
        ),
        (lambda client, png: client.analyze(png, frame=0), "invalid_request", 422, ""),
        (lambda client, png: client.analyze(png, models=["none"]), "unknown_model", 422, ""),
        (lambda client, png: client.model("a/b c?"), "not_found", 404, ""),
    ],
    ids=["no image", "nothing", "broken", "operating point", "parameter", "model", "no such path"],
)
def test_refusals_are_errors_of_one_line(
    service: Client,
    png: Png,
    ask: Callable[[Client, bytes], object],
    code: str,
    status: int,
    fault: str,
) -> None:
    with pytest.raises(ServiceError) as caught:
        ask(service, png())
    error = caught.value
    assert (error.code, error.status, error.fault) == (code, status, fault)
    assert str(error) == error.message
    assert "\n" not in error.message


def test_a_file_that_is_missing_is_told_as_such(service: Client, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        service.analyze(tmp_path / "absent.png")


def test_feedback_is_stored(service: Client, png: Png, feedback_folder: Path) -> None:
    image = png(200, 100)
    report = service.analyze(image)
    found = report.findings[0]
    feedback = Feedback(
        report_id=report.id,
        image=FeedbackImage(sha256=report.image.sha256, width=200, height=100, kind="png"),
        boxes=(FeedbackBox(action="accept", label=found.label, box=found.box, finding=0),),
    )
    stored = service.send_feedback(feedback, image=image)
    assert stored
    assert any(path.is_file() for path in feedback_folder.rglob("*"))
    wrong = feedback.model_copy(
        update={"image": feedback.image.model_copy(update={"sha256": "0" * 64})}
    )
    with pytest.raises(ServiceError) as caught:
        service.send_feedback(wrong, image=image)
    assert 400 <= caught.value.status < 500


def test_where_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as place:
        free = place.getsockname()[1]
    with Client(f"http://127.0.0.1:{free}/", timeout_s=2) as client:
        assert not client.ready()
        with pytest.raises(ServiceError, match="is `lucency serve` running") as caught:
            client.models()
    assert (caught.value.code, caught.value.status) == ("unreachable", 0)


@pytest.mark.parametrize("url", ["http://[::1", "http://a b/\x00"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ServiceError, match="is no address") as caught:
        Client(url)
    assert caught.value.code == "unreachable"


Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def answering(*answers: Answer | None) -> Iterator[tuple[str, list[Any]]]:
    """A server that gives these answers in turn, the last one for good; None is none at all."""
    seen: list[Any] = []
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers[min(len(seen), len(answers) - 1)]
            seen.append(dict(self.headers))
            if answer is None:
                over.wait(10)
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *given: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        over.set()
        server.shutdown()
        thread.join(10)
        server.server_close()


BUSY = b'{"error": {"code": "overloaded", "message": "Try again."}}'
GOOD: Answer = (200, {}, b'{"models": []}')


def test_a_busy_service_is_asked_again() -> None:
    busy: Answer = (503, {"Retry-After": "0"}, BUSY)
    with answering(busy, busy, GOOD) as (url, seen), Client(url) as client:
        assert client.models() == ()
        assert len(seen) == 3


@pytest.mark.parametrize(
    ("answer", "times"),
    [
        ((503, {"Retry-After": "0"}, BUSY), MOST_TRIES),
        ((503, {"Retry-After": "3600"}, BUSY), 1),
        ((503, {}, BUSY), 1),
        ((503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, BUSY), 1),
        ((429, {"Retry-After": "0"}, BUSY), 1),
        ((500, {"Retry-After": "0"}, BUSY), 1),
    ],
    ids=["always busy", "too long", "without", "date", "429", "500"],
)
def test_it_is_not_asked_for_ever(answer: Answer, times: int) -> None:
    with answering(answer) as (url, seen), Client(url) as client:
        with pytest.raises(ServiceError) as caught:
            client.models()
        assert (caught.value.code, caught.value.status) == ("overloaded", answer[0])
        assert len(seen) == times


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((200, {}, b"<html>"), r"is not of the form .* \(the body\); install the version"),
        ((200, {}, b'{"models": [{"name": 1}]}'), r"\(models\.0\.name\)"),
        ((404, {}, b"<html>not found"), "answered with the status 404 and without a reason"),
        ((502, {}, b"{}"), "answered with the status 502"),
        ((302, {"Location": "/"}, b""), "answered with the status 302"),
    ],
    ids=["html", "other version", "404", "empty", "redirection"],
)
def test_what_another_program_answers(answer: Answer, message: str) -> None:
    with answering(answer) as (url, _), Client(url) as client:
        with pytest.raises(ServiceError, match=message) as caught:
            client.models()
        assert caught.value.code == "unknown_answer"


def test_what_a_newer_service_tells_beside_is_passed_over(
    small_report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = json.loads(small_report.model_dump_json())
    told["news"] = told["image"]["news"] = told["findings"][0]["box"]["news"] = 1
    answers = [told, {"results": [{"index": 0, "report": told}]}]
    monkeypatch.setattr(Client, "_send", lambda *_, **__: httpx.Response(200, json=answers.pop(0)))
    with Client() as client:
        assert client.analyze(b"image") == small_report
        assert client.analyze_batch([b"image"]) == (small_report,)


def test_no_answer_in_time() -> None:
    with (
        answering(None) as (url, _),
        Client(url, timeout_s=0.2) as client,
        pytest.raises(ServiceError, match=r"gave no answer within 0\.2 s") as caught,
    ):
        client.models()
    assert caught.value.code == "timeout"


def test_the_key_is_sent() -> None:
    with answering(GOOD) as (url, seen):
        with Client(url, api_key="secret") as client:
            client.models()
        with Client(url) as client:
            client.models()
    assert seen[0]["X-API-Key"] == "secret"
    assert "X-API-Key" not in seen[1]


def test_it_starts_without_what_models_need() -> None:
    code = (
        "import json, sys, lucency.api.client; "
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    heavy = {"numpy", "cv2", "onnxruntime", "PIL", "pydicom", "fastapi", "scipy", "torch"}
    assert not heavy & set(json.loads(done.stdout))

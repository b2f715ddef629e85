import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

import lucency.api.lifespan as lifespan_module
from lucency.api.app import create_app
from lucency.api.keys import key_line, new_key
from lucency.api.pipeline import Pipeline
from lucency.api.settings import Settings
from lucency.configs.bundle import Bundle, load_bundle
from lucency.configs.errors import BundleError, ConfigError
from lucency.datasets.sandbox import Sandbox

Png = Callable[..., bytes]
Run = Callable[..., Any]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_unknown_path_and_method(check_error: Any, client: Any) -> None:
    check_error(client.get("/v2/analyze"), 404, "not_found")
    check_error(client.get("/v1/analyze/"), 404, "not_found")
    check_error(client.get("/v1/analyze"), 405, "method_not_allowed")
    assert client.get("/v1/analyze").headers["allow"] == "POST"


def test_pages_that_load_from_elsewhere_are_off(check_error: Any, client: Any) -> None:
    check_error(client.get("/redoc"), 404, "not_found")


def test_wrong_parameters_are_told_in_one_sentence(check_error: Any, client: Any, png: Png) -> None:
    answer = client.analyze(png(), max_detections="0", CANARY="1", frame="x" * 200)
    message = check_error(answer, 422, "invalid_request")
    assert "max_detections: should be greater than or equal to 1" in message
    assert "CANARY: there is no such parameter" in message
    assert len(message) < 400


def test_uploads_are_decoded_in_processes_that_end_with_the_service(
    run_service: Run, detector_bundle: Bundle, png: Png, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Sandbox] = []

    def noted(**given: Any) -> Sandbox:
        made.append(Sandbox(**given))
        return made[-1]

    def here(*_: Any, **__: Any) -> None:
        raise AssertionError("an upload was decoded in the service's own process")

    monkeypatch.setattr(lifespan_module, "Sandbox", noted)
    monkeypatch.setattr("lucency.api.pipeline.decode_radiograph", here)
    with run_service(detector_bundle, cores=2, analyses_at_once=2, decode_timeout_s=30) as service:
        service.wait_until_ready()
        assert service.analyze(png()).status_code == 200
        (sandbox,) = made
        pids = sandbox.pids()
        assert len(pids) == 2
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)
        assert service.analyze(png()).status_code == 200  # one that died idle is replaced
        pids += sandbox.pids()
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_more_than_fit_are_refused_and_the_others_answered(
    check_error: Any, run_service: Run, detector_bundle: Bundle, png: Png
) -> None:
    with run_service(detector_bundle, analyses_at_once=1, queue_size=1) as service:
        service.wait_until_ready()
        answers = service.analyze_all([png()] * 8)
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [200, 200, *[503] * 6]
        refused = [answer for answer in answers if answer.status_code == 503]
        for answer in refused:
            check_error(answer, 503, "overloaded")
            assert answer.headers["retry-after"] == "1"
        assert service.analyze(png()).status_code == 200


def test_not_ready_until_the_models_are_loaded(
    check_error: Any,
    run_service: Run,
    detector_bundle: Bundle,
    png: Png,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()

    def slow(bundles: Any, **given: Any) -> Pipeline:
        gate.wait(20)
        return Pipeline(bundles, **given)

    monkeypatch.setattr(lifespan_module, "Pipeline", slow)
    with run_service(detector_bundle) as service:
        try:
            assert service.get("/healthz").json() == {"status": "alive"}
            for answer in (
                service.get("/readyz"),
                service.get("/v1/models"),
                service.analyze(png()),
            ):
                check_error(answer, 503, "not_ready")
                assert answer.headers["retry-after"] == "2"
            assert "lucency_ready 0.0" in service.get("/metrics").text
        finally:
            gate.set()
        service.wait_until_ready()
        assert "lucency_ready 1.0" in service.get("/metrics").text
        assert service.analyze(png()).status_code == 200
        service.app.state.service.draining = True
        check_error(service.get("/readyz"), 503, "not_ready")
        assert service.analyze(png()).status_code == 200


def test_a_model_that_cannot_be_opened_is_reported(
    check_error: Any, run_service: Run, detector_bundle: Bundle
) -> None:
    failed = threading.Event()
    errors: list[Exception] = []

    def note(error: Exception) -> None:
        errors.append(error)
        failed.set()

    broken = Bundle(detector_bundle.path, detector_bundle.manifest, b"no model")
    with run_service(broken, on_failure=note) as service:
        assert failed.wait(20)
        check_error(service.get("/readyz"), 503, "not_ready")
    assert isinstance(errors[0], BundleError)


def test_unforeseen_errors_keep_the_form_and_their_message_to_themselves(
    check_error: Any, client: Any, png: Png, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = "CANARY^PATIENT"

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(patient)

    monkeypatch.setattr(Pipeline, "analyze", fail)
    with capture_logs() as lines:
        answer = client.analyze(png(), name="CANARY.png")
    check_error(answer, 500, "internal")
    assert [line.get("type") for line in lines] == ["RuntimeError", None]
    assert "CANARY" not in str(lines) + answer.text


def reload(service: Any) -> None:
    service.portal.call(service.app.state.loading.reload)


def test_reloading_takes_what_is_new_and_keeps_what_works(
    run_service: Run, make_detector: Callable[..., Bundle], tmp_path: Path, png: Png
) -> None:
    bundle = make_detector(tmp_path / "detector")
    with run_service(bundle, bundles=(str(bundle.path),)) as service:
        service.wait_until_ready()

        def digest() -> str:
            return str(service.analyze(png()).json()["models"][0]["digest"])

        def metric(line: str) -> bool:
            return line in service.get("/metrics").text

        assert digest() == bundle.digest
        shutil.rmtree(bundle.path)
        other = make_detector(tmp_path / "detector", boxes=[(16, 16, 8, 8, 0.9, 0.1)])
        assert other.digest != bundle.digest
        reload(service)
        wait_for(lambda: digest() == other.digest)
        wait_for(lambda: metric('lucency_reloads_total{outcome="ok"} 1.0'))
        (bundle.path / "model.onnx").write_bytes(b"x" + other.model[1:])
        with capture_logs() as lines:
            reload(service)
            wait_for(lambda: metric('lucency_reloads_total{outcome="failed"} 1.0'))
        (line,) = [line for line in lines if line["event"] != "request"]
        assert "has been altered" in line["reason"]
        assert digest() == other.digest
        assert service.get("/readyz").status_code == 200
    with pytest.raises(BundleError):
        load_bundle(bundle.path)


def test_reloads_in_quick_succession_end_with_the_last_state(
    run_service: Run, make_detector: Callable[..., Bundle], tmp_path: Path
) -> None:
    bundle = make_detector(tmp_path / "detector")
    with run_service(bundle, bundles=(str(bundle.path),)) as service:
        for _ in range(5):
            reload(service)
        service.wait_until_ready()
        for times in (1, 2):
            done = f'lucency_reloads_total{{outcome="ok"}} {times}.0'
            wait_for(lambda done=done: done in service.get("/metrics").text)
            reload(service)


@pytest.mark.parametrize("field", ["api_keys_file", "audit_file", "feedback_folder"])
def test_files_that_cannot_be_used_stop_the_start(
    tmp_path: Path, detector_bundle: Bundle, field: str
) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings(**{field: tmp_path / "file" / "below"})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="below: cannot be"):
        create_app(settings, (detector_bundle,), on_failure=print)


def test_keys_are_asked_for_and_named(
    check_error: Any, run_service: Run, detector_bundle: Bundle, tmp_path: Path, png: Png
) -> None:
    key = new_key()
    path = tmp_path / "keys"
    path.write_text(key_line("pacs", key))
    with run_service(detector_bundle, api_keys_file=path, host="0.0.0.0") as service:  # noqa: S104
        service.wait_until_ready()
        check_error(service.analyze(png()), 401, "unauthorised")
        check_error(service.get("/v1/models"), 401, "unauthorised")
        with capture_logs() as lines:
            answer = service.get("/v1/models", headers={"X-API-Key": key, "Host": "xray.example"})
        assert answer.status_code == 200
        assert lines[0]["client"] == "pacs"
        assert key not in str(lines)

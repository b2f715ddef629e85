import io
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import lucency.api.app as app_module
from lucency.api.pipeline import Pipeline
from lucency.configs.bundle import RESEARCH_USE, Bundle
from lucency.configs.calibration import ClassCalibration
from lucency.configs.errors import BundleError, ImageFault
from lucency.datasets.sandbox import Sandbox

Png = Callable[..., bytes]


def check_error(answer: Any, status: int, code: str, *, fault: str | None = None) -> str:
    """The answer has the one form of errors; returns its sentence."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"} | ({"fault"} if fault else set())
    assert (body["error"]["code"], body["error"].get("fault")) == (code, fault)
    message = body["error"]["message"]
    assert message
    assert "\n" not in message
    return str(message)


def test_answer_has_boxes_probabilities_and_thresholds(client: Any, png: Png) -> None:
    answer = client.analyze(png())
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert report["image"]["width"] == report["image"]["height"] == 64
    assert report["image"]["kind"] == "png"
    best, second = report["findings"]
    assert best["box"] == {"x1": 8.0, "y1": 8.0, "x2": 24.0, "y2": 24.0}
    assert best["box_normalised"] == {"x1": 0.125, "y1": 0.125, "x2": 0.375, "y2": 0.375}
    assert best["label"] == "fracture"
    assert best["probabilities"] == pytest.approx({"fracture": 0.9, "lesion": 0.1})
    assert best["score"] == best["probabilities"]["fracture"]
    assert second["label"] == "lesion"
    assert second["model"] == "stand-in-detector"
    (whole,) = report["classifications"]
    assert whole["probabilities"] == {"tb": 0.75}
    assert whole["verdicts"] == {"tb": True}
    assert report["operating_point"] == "balanced"
    assert [each["thresholds"] for each in report["thresholds"]] == [
        {"fracture": 0.5, "lesion": 0.5},
        {"tb": 0.5},
    ]
    assert [len(model["digest"]) for model in report["models"]] == [64, 64]
    assert set(report["timings_ms"]["models"]) == {"stand-in-detector", "stand-in-classifier"}
    assert report["notice"] == RESEARCH_USE


@pytest.mark.parametrize(
    ("params", "labels"),
    [
        ({}, ["fracture", "lesion"]),
        ({"operating_point": "screening"}, ["fracture", "lesion", "fracture"]),
        ({"operating_point": "specific"}, ["lesion"]),
        ({"conf": 0.7}, ["fracture"]),
        ({"conf": 0.0}, ["fracture", "lesion", "fracture"]),
        ({"conf": 1.0}, []),
        ({"max_detections": 1}, ["fracture"]),
        ({"operating_point": "specific", "max_detections": 1}, ["lesion"]),
    ],
    ids=str,
)
def test_parameters_choose_findings(
    client: Any, png: Png, params: dict[str, Any], labels: list[str]
) -> None:
    report = client.analyze(png(), **params).json()
    assert [found["label"] for found in report["findings"]] == labels


def test_conf_is_for_boxes_and_leaves_verdicts_at_their_operating_point(
    client: Any, png: Png
) -> None:
    report = client.analyze(png(), conf=0.8).json()
    detector, classifier = report["thresholds"]
    assert detector["operating_point"] is None
    assert detector["thresholds"] == {"fracture": 0.8, "lesion": 0.8}
    assert classifier["operating_point"] == "balanced"
    assert report["operating_point"] is None
    assert report["classifications"][0]["verdicts"] == {"tb": True}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_image_formats(client: Any, png: Png, kind: str) -> None:
    report = client.analyze(png(96, 48, kind=kind)).json()
    assert report["image"]["kind"] == kind.lower()
    assert (report["image"]["width"], report["image"]["height"]) == (96, 48)


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({"conf": "1.5"}, "conf"),
        ({"conf": "-0.1"}, "conf"),
        ({"conf": "nan"}, "conf"),
        ({"conf": "high"}, "conf"),
        ({"max_detections": "0"}, "max_detections"),
        ({"max_detections": "301"}, "max_detections"),
        ({"threshold": "0.5"}, "no such parameter"),
        ({"conf": "2", "max_detections": "0"}, "; max_detections"),
    ],
    ids=str,
)
def test_wrong_parameters(client: Any, png: Png, params: dict[str, str], part: str) -> None:
    assert part in check_error(client.analyze(png(), **params), 422, "invalid_request")


def test_unknown_operating_point_names_the_known_ones(client: Any, png: Png) -> None:
    answer = client.analyze(png(), operating_point="strict")
    message = check_error(answer, 422, "unknown_operating_point")
    assert "strict" in message
    assert "screening, balanced, specific" in message


def test_empty_file(client: Any) -> None:
    check_error(client.analyze(b""), 400, "empty_file")


def test_text_as_image(client: Any) -> None:
    check_error(client.analyze(b"Dear colleague,\n", name="letter.png"), 415, "not_an_image",
                fault="unknown-format")  # fmt: skip


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_truncated_image(client: Any, png: Png, kind: str) -> None:
    data = png(256, 256, kind=kind)
    answer = client.analyze(data[: len(data) // 2])
    check_error(answer, 422, "unreadable_image", fault="truncated")


def test_dicom_without_anything_in_it(client: Any) -> None:
    answer = client.analyze(bytes(128) + b"DICM")
    check_error(answer, 422, "unreadable_image", fault="truncated")


@pytest.fixture(scope="module")
def pages() -> bytes:
    """A TIFF of three pages, 64, 32 and 16 pixels wide."""
    images = [Image.new("L", (side, 64), side) for side in (64, 32, 16)]
    out = io.BytesIO()
    images[0].save(out, "TIFF", save_all=True, append_images=images[1:])
    return out.getvalue()


def test_one_of_several_frames_is_analysed(client: Any, pages: bytes) -> None:
    message = check_error(client.analyze(pages), 422, "unreadable_image", fault="several-frames")
    assert "has 3 frames; name one of them as frame=1 to frame=3" in message
    answers = [client.analyze(pages, frame=number).json() for number in (1, 2, 3)]
    assert [answer["image"]["width"] for answer in answers] == [64, 32, 16]
    assert len({answer["id"] for answer in answers}) == 3
    answer = client.analyze(pages, frame=4)
    check_error(answer, 422, "unreadable_image", fault="no-such-frame")
    for wrong in ("0", "-1", "two", "4294967296"):
        assert "frame" in check_error(client.analyze(pages, frame=wrong), 422, "invalid_request")


def test_uploads_are_decoded_in_processes_that_end_with_the_service(
    run_service: Callable[..., Any], detector_bundle: Bundle, png: Png,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    made: list[Sandbox] = []

    def noted(**given: Any) -> Sandbox:
        made.append(Sandbox(**given))
        return made[-1]

    def here(*_: Any, **__: Any) -> None:
        raise AssertionError("an upload was decoded in the service's own process")

    monkeypatch.setattr(app_module, "Sandbox", noted)
    monkeypatch.setattr("lucency.api.pipeline.decode_radiograph", here)
    with run_service(detector_bundle, analyses_at_once=2, decode_timeout_s=30) as service:
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


def test_a_decoder_that_takes_too_long_is_a_fault(
    run_service: Callable[..., Any], detector_bundle: Bundle
) -> None:
    with run_service(detector_bundle, analyses_at_once=1, decode_timeout_s=0.1) as service:
        service.wait_until_ready()
        answer = service.analyze(many_scans(400))
        check_error(answer, 422, "unreadable_image", fault="timeout")


def many_scans(count: int) -> bytes:
    """A progressive JPEG of 60 megapixels, one of whose scans is repeated."""
    out = io.BytesIO()
    Image.new("L", (96, 96), 9).save(out, "JPEG", progressive=True)
    data = out.getvalue()
    place, start = data.index(b"\xff\xc2") + 5, data.rindex(b"\xff\xda")
    sides = (7700).to_bytes(2, "big") * 2
    return data[:place] + sides + data[place + 4 : start] + data[start:-2] * count + b"\xff\xd9"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"files": {"image": b"x"}},
        {"data": {"file": "CANARY"}},
        {"content": b"CANARY", "headers": {"Content-Type": "application/json"}},
        {"content": b"CANARY", "headers": {"Content-Type": "image/png"}},
    ],
    ids=["no-body", "other-field", "text-field", "json", "bare-image"],
)
def test_no_file(client: Any, given: dict[str, Any]) -> None:
    answer = client.request("POST", "/v1/analyze", **given)
    message = check_error(answer, 422, "invalid_request")
    assert "file" in message
    assert "CANARY" not in message


def test_two_files(client: Any, png: Png) -> None:
    files = [("file", png()), ("file", png())]
    answer = client.request("POST", "/v1/analyze", files=files)
    assert "one image" in check_error(answer, 422, "invalid_request")


def test_broken_multipart(client: Any) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    answer = client.request("POST", "/v1/analyze", content=b"--x", headers=headers)
    check_error(answer, 400, "invalid_body")


def test_unknown_path_and_method(client: Any) -> None:
    check_error(client.get("/v2/analyze"), 404, "not_found")
    check_error(client.get("/v1/analyze"), 405, "method_not_allowed")


def test_file_names_appear_nowhere(
    client: Any, png: Png, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG", logger="lucency")
    answers = [
        client.analyze(png(), name="CANARY^PATIENT.png"),
        client.analyze(png()[:80], name="CANARY^PATIENT.png"),
        client.analyze(b"text", name="CANARY^PATIENT.png"),
    ]
    assert [answer.status_code for answer in answers] == [200, 422, 415]
    output = capfd.readouterr()
    everything = "".join([*(a.text for a in answers), caplog.text, output.out, output.err])
    assert "CANARY" not in everything


def test_eight_requests_at_once_answer_as_one_by_one(client: Any, png: Png) -> None:
    images = [png(64, 64), png(100, 50), png(50, 100), png(333, 222)]
    alone = [without_times(client.analyze(image)) for image in images]
    together = [without_times(answer) for answer in client.analyze_all(images * 2)]
    assert together == alone * 2
    assert len({report["id"] for report in alone}) == 4


def without_times(answer: Any) -> dict[str, Any]:
    report = answer.json()
    del report["timings_ms"]
    return dict(report)


def test_models_tell_their_manifest(client: Any) -> None:
    detector, classifier = client.get("/v1/models").json()["models"]
    assert detector["class_names"] == ["fracture", "lesion"]
    assert detector["operating_points"]["specific"]["fracture"] == 0.95
    assert classifier["task"] == "classification"
    assert classifier["intended_use"] == RESEARCH_USE


def test_models_tell_intervals_calibration_and_terms(
    run_service: Callable[..., Any], make_detector: Callable[..., Bundle], tmp_path: Path, png: Png
) -> None:
    platt = ClassCalibration(method="platt", slope=1.2, intercept=0.1)
    bundle = make_detector(
        tmp_path / "chest",
        metrics={"map50": 0.7},
        metric_intervals={"map50": (0.6, 0.8)},
        calibration={"fracture": platt, "lesion": platt},
        commercial_use=False,
        licence="CC BY-NC-SA 4.0",
        intended_use="Research on squares.",
    )
    with run_service(bundle, flip=True) as service:
        service.wait_until_ready()
        (facts,) = service.get("/v1/models").json()["models"]
        (used,) = service.analyze(png()).json()["models"]
    assert facts["metric_intervals"] == {"map50": [0.6, 0.8]}
    assert facts["calibrated"] is True
    # Its calibration was fitted without a flip.
    assert used["calibrated"] is False
    assert facts["commercial_use"] is used["commercial_use"] is False
    assert facts["licence"] == used["licence"] == "CC BY-NC-SA 4.0"
    assert facts["intended_use"] == used["intended_use"] == "Research on squares."
    assert facts["fusion"] is None
    assert facts["inference"]["flip"] is False
    assert used["inference"]["flip"] is True


def test_not_ready_until_the_models_are_loaded(
    run_service: Callable[..., Any],
    detector_bundle: Bundle,
    png: Png,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()

    def slow(bundles: Any, **given: Any) -> Pipeline:
        gate.wait(20)
        return Pipeline(bundles, **given)

    monkeypatch.setattr(app_module, "Pipeline", slow)
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
        finally:
            gate.set()
        service.wait_until_ready()
        assert service.get("/readyz").json() == {"status": "ready"}
        assert service.analyze(png()).status_code == 200


def test_a_model_that_cannot_be_opened_is_reported(
    run_service: Callable[..., Any], detector_bundle: Bundle
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
    client: Any, png: Png, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = "CANARY^PATIENT"

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(patient)

    monkeypatch.setattr(Pipeline, "analyze", fail)
    answer = client.analyze(png())
    check_error(answer, 500, "internal")
    assert "RuntimeError at" in caplog.text
    assert "CANARY" not in caplog.text + answer.text


def test_openapi_documents_errors_and_an_example(client: Any) -> None:
    description = client.get("/openapi.json").json()
    responses = description["paths"]["/v1/analyze"]["post"]["responses"]
    assert {"200", "400", "413", "415", "422", "503"} == set(responses)
    assert responses["200"]["content"]["application/json"]["example"]["findings"]
    refused = responses["415"]["content"]["application/json"]
    assert refused["example"]["error"]["code"] == "not_an_image"
    assert refused["example"]["error"]["fault"] == "unknown-format"
    faults = description["components"]["schemas"]["ImageFault"]["enum"]
    assert set(faults) == {fault.value for fault in ImageFault}
    assert refused["schema"]["$ref"].endswith("/ErrorAnswer")
    assert "HTTPValidationError" not in json.dumps(description)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_pages_that_load_from_elsewhere_are_off(client: Any, path: str) -> None:
    check_error(client.get(path), 404, "not_found")


def test_page_loads_nothing_from_elsewhere(client: Any) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert RESEARCH_USE in page.text

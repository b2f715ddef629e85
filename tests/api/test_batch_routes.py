import io
import json
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lucency.api.pipeline import Pipeline
from lucency.configs.bundle import Bundle

Png = Callable[..., bytes]
Check = Callable[..., str]


def ask(service: Any, *images: bytes, **params: Any) -> Any:
    files = [("file", ("CANARY.png", image)) for image in images]
    return service.request("POST", "/v1/analyze/batch", files=files, params=params)


def zipped(*images: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, image in enumerate(images):
            archive.writestr(f"CANARY {number}.png", image)
    return out.getvalue()


def test_answers_in_order_and_an_error_does_not_fail_the_rest(client: Any, png: Png) -> None:
    images = [png(64, 50), b"text", png(50, 64), b"", png()[:90], png(30, 30)]
    answer = ask(client, *images)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"results"}
    results = answer.json()["results"]
    assert [result["index"] for result in results] == [0, 1, 2, 3, 4, 5]
    sizes = [result["report"]["image"]["width"] if "report" in result else 0 for result in results]
    assert sizes == [64, 0, 50, 0, 0, 30]
    errors = [result["error"] for result in results if "error" in result]
    assert [error["code"] for error in errors] == ["not_an_image", "empty_file", "unreadable_image"]
    assert [error.get("fault") for error in errors] == ["unknown-format", None, "truncated"]
    assert "CANARY" not in answer.text


@pytest.mark.parametrize("as_zip", [False, True], ids=["parts", "zip"])
def test_each_report_is_that_of_one_request(client: Any, png: Png, as_zip: bool) -> None:
    images = [png(64, 64), png(100, 50), png(64, 64)]
    params = {"operating_point": "screening", "max_detections": 2}
    alone = [client.analyze(image, **params).json() for image in images]
    sent = [zipped(*images)] if as_zip else images
    together = [result["report"] for result in ask(client, *sent, **params).json()["results"]]
    for report in (*alone, *together):
        del report["timings_ms"]
    assert together == alone


def test_one_image_is_a_batch_too(client: Any, png: Png) -> None:
    (result,) = ask(client, png()).json()["results"]
    assert result["report"]["findings"]


def test_what_is_wrong_in_a_zip(client: Any, png: Png, check_error: Check) -> None:
    damaged = bytearray(zipped(png(), png(70, 70)))
    damaged[60] ^= 0xFF
    results = ask(client, bytes(damaged)).json()["results"]
    assert results[0]["error"]["code"] == "unreadable_image"
    assert results[0]["error"]["fault"] == "damaged"
    assert results[1]["report"]["image"]["width"] == 70
    (nested,) = ask(client, zipped(zipped(png()))).json()["results"]
    assert nested["error"]["code"] == "not_an_image"
    check_error(ask(client, zipped(png())[:-30]), 422, "invalid_zip")
    check_error(ask(client, zipped()), 422, "invalid_zip")
    check_error(ask(client, zipped(bytes(100_000_000))), 413, "zip_too_large")
    check_error(ask(client, zipped(*[b"x"] * 33)), 422, "too_many_images")
    # Beside others a zip archive is a file that is no image.
    results = ask(client, png(), zipped(png())).json()["results"]
    assert results[1]["error"]["code"] == "not_an_image"


def test_as_many_images_as_the_settings_say(
    run_service: Callable[..., Any], detector_bundle: Bundle, png: Png, check_error: Check
) -> None:
    with run_service(detector_bundle, max_batch_images=3) as service:
        service.wait_until_ready()
        assert len(ask(service, *[png()] * 3).json()["results"]) == 3
        check_error(ask(service, *[png()] * 4), 422, "too_many_images")
        check_error(ask(service, zipped(*[png()] * 4)), 422, "too_many_images")


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"operating_point": "strict"}, "unknown_operating_point"),
        ({"models": "bones"}, "unknown_model"),
        ({"conf": "pneumonia=0.5"}, "invalid_request"),
        ({"conf": "2"}, "invalid_request"),
        ({"frame": "0"}, "invalid_request"),
    ],
    ids=str,
)
def test_what_is_wrong_with_the_request_is_told_once(
    client: Any, png: Png, check_error: Check, params: dict[str, str], code: str
) -> None:
    check_error(ask(client, png(), png(), **params), 422, code)


def test_no_more_at_once_than_the_service_analyses_and_other_requests_get_their_turn(
    run_service: Callable[..., Any],
    detector_bundle: Bundle,
    png: Png,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock, order, most = threading.Lock(), [0], [0, 0]
    analyze = Pipeline.analyze

    def counted(self: Pipeline, data: bytes, **named: Any) -> Any:
        with lock:
            most[0] += 1
            most[1] = max(most)
        try:
            result = analyze(self, data, **named)
            order.append(result.report.image.width)
            return result
        finally:
            with lock:
                most[0] -= 1

    monkeypatch.setattr(Pipeline, "analyze", counted)
    with run_service(detector_bundle, analyses_at_once=2) as service:
        service.wait_until_ready()
        results = ask(service, *[png(40, 40)] * 12).json()["results"]
        assert len(results) == 12
        assert most[1] == 2


def test_images_whose_turn_does_not_come_in_time_say_so(
    run_service: Callable[..., Any],
    detector_bundle: Bundle,
    png: Png,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    begun: list[int] = []
    analyze = Pipeline.analyze

    def slow_after_the_first(self: Pipeline, *given: Any, **named: Any) -> Any:
        begun.append(1)
        if len(begun) > 1:
            threading.Event().wait(1.3)
        return analyze(self, *given, **named)

    monkeypatch.setattr(Pipeline, "analyze", slow_after_the_first)
    audit = tmp_path / "audit.jsonl"
    settings: dict[str, Any] = {"analyses_at_once": 1, "deadline_s": 1.0, "audit_file": audit}
    with run_service(detector_bundle, **settings) as service:
        service.wait_until_ready()
        results = ask(service, png(), png(), png(), png()).json()["results"]
    assert "report" in results[0]
    assert [result["error"]["code"] for result in results[1:]] == ["deadline"] * 3
    assert len(begun) == 2
    assert len([json.loads(line) for line in audit.read_text().splitlines()]) == 4

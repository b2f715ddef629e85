import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lucency.api.audit import AuditError, AuditLog
from lucency.api.audit_check import verify_audit
from lucency.api.pipeline import Pipeline
from lucency.configs.bundle import Bundle

Png = Callable[..., bytes]
Check = Callable[..., str]


def test_every_image_is_recorded(
    run_service: Callable[..., Any], detector_bundle: Bundle, png: Png, tmp_path: Path
) -> None:
    audit = tmp_path / "audit.jsonl"
    with run_service(detector_bundle, audit_file=audit) as service:
        service.wait_until_ready()
        report = service.analyze(png(), operating_point="screening").json()
        service.analyze(png()[:90])
        service.analyze(b"CANARY")
        text = service.get("/metrics").text
    answered, truncated, no_image = [json.loads(line) for line in audit.read_text().splitlines()]
    assert verify_audit(audit).records == 3
    assert answered["outcome"]["report"] == report["id"]
    assert answered["image_sha256"] == report["image"]["sha256"]
    assert answered["operating_point"] == "screening"
    assert answered["bundles"] == {"stand-in-detector": report["models"][0]["digest"]}
    assert truncated["image_sha256"] == hashlib.sha256(png()[:90]).hexdigest()
    assert truncated["outcome"] == {"error": "unreadable_image", "fault": "truncated"}
    assert no_image["outcome"] == {"error": "not_an_image", "fault": "unknown-format"}
    assert 'lucency_images_total{body_part="unknown",kind="png"} 1.0' in text
    assert 'lucency_images_refused_total{fault="truncated"} 1.0' in text


def test_no_answer_leaves_without_its_record(
    run_service: Callable[..., Any],
    detector_bundle: Bundle,
    png: Png,
    check_error: Check,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise AuditError("audit file: cannot be written: CANARY")

    monkeypatch.setattr(AuditLog, "record", full)
    with run_service(detector_bundle, audit_file=tmp_path / "audit.jsonl") as service:
        service.wait_until_ready()
        answer = service.analyze(png())
        assert "CANARY" not in check_error(answer, 503, "audit_failed")


def test_an_image_at_which_the_service_fails_is_recorded_and_fails_no_other(
    run_service: Callable[..., Any],
    detector_bundle: Bundle,
    png: Png,
    check_error: Check,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    analyze = Pipeline.analyze

    def fail(self: Pipeline, data: bytes, **given: Any) -> Any:
        if data == png(30, 30):
            raise RuntimeError("CANARY")
        return analyze(self, data, **given)

    monkeypatch.setattr(Pipeline, "analyze", fail)
    audit = tmp_path / "audit.jsonl"
    with run_service(detector_bundle, audit_file=audit) as service:
        service.wait_until_ready()
        check_error(service.analyze(png(30, 30)), 500, "internal")
        files = [("file", png(side, side)) for side in (40, 30, 50)]
        answer = service.request("POST", "/v1/analyze/batch", files=files)
    results = answer.json()["results"]
    assert [result.get("error", {}).get("code") for result in results] == [None, "internal", None]
    assert "CANARY" not in answer.text
    outcomes = [json.loads(line)["outcome"] for line in audit.read_text().splitlines()]
    assert outcomes.count({"error": "internal"}) == 2
    assert len(outcomes) == 4

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lucency.api.audit import AuditError, AuditLog
from lucency.api.audit_check import verify_audit
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

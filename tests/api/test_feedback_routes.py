import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lucency.api.feedback import FeedbackFailedError, FeedbackStore
from lucency.configs.bundle import Bundle

Png = Callable[..., bytes]
Check = Callable[..., str]


def feedback_on(report: dict[str, Any]) -> dict[str, Any]:
    found = report["findings"][0]
    kept = {name: found[name] for name in ("box", "label", "model", "score")}
    facts = {name: report["image"][name] for name in ("sha256", "width", "height", "kind")}
    return {
        "report_id": report["id"],
        "image": facts,
        "boxes": [
            {"action": "accept", "finding": 0, **kept},
            {"action": "add", "label": "lesion", "box": {"x1": 1, "y1": 2, "x2": 30, "y2": 40}},
        ],
    }


def send(service: Any, feedback: Any, *, image: bytes | None = None) -> Any:
    files = [("feedback", ("", json.dumps(feedback)))]
    if image is not None:
        files.append(("file", ("CANARY.png", image)))  # type: ignore[arg-type]
    return service.request("POST", "/v1/feedback", files=files)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "feedback"


@pytest.fixture
def service(run_service: Callable[..., Any], detector_bundle: Bundle, folder: Path) -> Any:
    with run_service(detector_bundle, feedback_folder=folder) as running:
        running.wait_until_ready()
        yield running


@pytest.mark.parametrize("with_image", [False, True])
def test_feedback_is_stored(service: Any, png: Png, folder: Path, with_image: bool) -> None:
    report = service.analyze(png()).json()
    answer = send(service, feedback_on(report), image=png() if with_image else None)
    assert answer.status_code == 201, answer.text
    name = report["image"]["sha256"]
    document = json.loads((folder / f"{name}.json").read_text())
    assert answer.json()["id"] in json.dumps(document)
    assert answer.headers["x-request-id"] in json.dumps(document)
    assert len(document["shapes"]) == 2
    stored = folder / f"{name}.png"
    assert stored.exists() is with_image
    if with_image:
        assert stored.read_bytes() == png()
    assert "CANARY" not in json.dumps(document)


def test_an_image_that_is_another_one(
    service: Any, png: Png, check_error: Check, folder: Path
) -> None:
    feedback = feedback_on(service.analyze(png()).json())
    check_error(send(service, feedback, image=png(9, 9)), 422, "invalid_feedback")
    assert not list(folder.glob("*.json"))
    assert hashlib.sha256(png()).hexdigest() == feedback["image"]["sha256"]


@pytest.mark.parametrize(
    "feedback",
    [{}, [], "CANARY", {"report_id": "CANARY"}, {"comment": "x" * 5000}],
    ids=["empty", "list", "text", "wrong-id", "long-comment"],
)
def test_wrong_feedback(service: Any, check_error: Check, feedback: Any) -> None:
    assert "CANARY" not in check_error(send(service, feedback), 422, "invalid_feedback")


def test_a_form_without_feedback(service: Any, png: Png, check_error: Check) -> None:
    answer = service.request("POST", "/v1/feedback", files={"file": png()})
    assert "feedback" in check_error(answer, 422, "invalid_request")
    answer = service.request("POST", "/v1/feedback", json={})
    check_error(answer, 422, "invalid_request")


def test_no_folder(client: Any, png: Png, check_error: Check) -> None:
    check_error(send(client, feedback_on(client.analyze(png()).json())), 404, "no_feedback")


def test_a_full_disk(
    service: Any, png: Png, check_error: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> str:
        raise FeedbackFailedError("feedback: cannot be stored: CANARY")

    monkeypatch.setattr(FeedbackStore, "save", full)
    answer = send(service, feedback_on(service.analyze(png()).json()))
    assert "CANARY" not in check_error(answer, 503, "feedback_failed")

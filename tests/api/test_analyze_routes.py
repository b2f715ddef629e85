import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lucency.configs.bundle import RESEARCH_USE, Bundle

Png = Callable[..., bytes]
Check = Callable[..., str]


def test_answer_has_boxes_probabilities_and_thresholds(client: Any, png: Png) -> None:
    answer = client.analyze(png())
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    report = answer.json()
    assert report["image"]["width"] == report["image"]["height"] == 64
    assert report["image"]["kind"] == "png"
    assert report["image"]["sha256"] == hashlib.sha256(png()).hexdigest()
    best, second = report["findings"]
    assert best["box"] == {"x1": 8.0, "y1": 8.0, "x2": 24.0, "y2": 24.0}
    assert best["box_normalised"] == {"x1": 0.125, "y1": 0.125, "x2": 0.375, "y2": 0.375}
    assert best["label"] == "fracture"
    assert best["probabilities"] == pytest.approx({"fracture": 0.9, "lesion": 0.1})
    assert best["score"] == best["probabilities"]["fracture"]
    assert (best["threshold"], best["tier"], second["tier"]) == (0.5, "doubtful", "sure")
    assert second["label"] == "lesion"
    assert second["model"] == "stand-in-detector"
    (whole,) = report["classifications"]
    assert whole["probabilities"] == whole["raw_probabilities"] == {"tb": 0.75}
    assert whole["verdicts"] == {"tb": True}
    assert report["operating_point"] == "balanced"
    assert report["heatmaps"] is None
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
        ({"conf": "lesion=0.7"}, ["fracture"]),
        ({"conf": "fracture=0.95,lesion=0.3"}, ["lesion"]),
        ({"conf": ["fracture=0.95", "lesion=0.7"]}, []),
        ({"conf": ""}, ["fracture", "lesion"]),
        ({"max_detections": 1}, ["fracture"]),
        ({"operating_point": "specific", "max_detections": 1}, ["lesion"]),
        ({"models": "stand-in-classifier"}, []),
        ({"models": ["stand-in-classifier", "stand-in-detector"]}, ["fracture", "lesion"]),
        ({"models": "stand-in-classifier, stand-in-detector"}, ["fracture", "lesion"]),
    ],
    ids=str,
)
def test_parameters_choose_findings(
    client: Any, png: Png, params: dict[str, Any], labels: list[str]
) -> None:
    report = client.analyze(png(), **params).json()
    assert [found["label"] for found in report["findings"]] == labels


def test_only_named_models_are_asked(client: Any, png: Png) -> None:
    report = client.analyze(png(), models="stand-in-detector").json()
    assert report["classifications"] == []
    assert [model["name"] for model in report["models"]] == ["stand-in-detector"]


def test_heat_maps_where_they_are_asked_for(client: Any, png: Png) -> None:
    (heat,) = client.analyze(png(), heatmap="true").json()["heatmaps"]
    assert (heat["model"], heat["label"]) == ("stand-in-classifier", "tb")
    assert heat["png"].startswith("iVBORw0KGgo")


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({"conf": "1.5"}, "conf"),
        ({"conf": "nan"}, "conf"),
        ({"conf": "-0.1"}, "conf"),
        ({"conf": "0.4,fracture=0.5"}, "beside others"),
        ({"conf": ["fracture=0.4", "fracture=0.5"]}, "named twice"),
        ({"conf": "pneumonia=0.5"}, "pneumonia"),
        ({"max_detections": "0"}, "max_detections"),
        ({"max_detections": "many"}, "max_detections"),
        ({"kind": "skull"}, "kind"),
        ({"heatmap": "perhaps"}, "heatmap"),
        ({"frame": "0"}, "frame"),
        ({"frame": "4294967296"}, "frame"),
        ({"operating_point": ""}, "operating_point"),
        ({"threshold": "0.5"}, "threshold: there is no such parameter"),
        ({"heatmap": "2", "max_detections": "0"}, "; max_detections"),
    ],
    ids=str,
)
def test_wrong_parameters(
    client: Any, png: Png, check_error: Check, params: dict[str, Any], part: str
) -> None:
    answer = client.analyze(png(), **params)
    assert part in check_error(answer, 422, "invalid_request")


def test_unknown_names_are_told_the_known_ones(client: Any, png: Png, check_error: Check) -> None:
    answer = client.analyze(png(), operating_point="strict")
    message = check_error(answer, 422, "unknown_operating_point")
    assert "strict" in message
    assert "screening, balanced, specific" in message
    message = check_error(client.analyze(png(), models="bones"), 422, "unknown_model")
    assert "stand-in-detector, stand-in-classifier" in message


def test_empty_file(client: Any, check_error: Check) -> None:
    check_error(client.analyze(b""), 400, "empty_file")


def test_text_as_image(client: Any, check_error: Check) -> None:
    answer = client.analyze(b"Dear colleague,\n", name="letter.png")
    check_error(answer, 415, "not_an_image", fault="unknown-format")


def test_a_zip_archive_is_sent_to_where_it_belongs(client: Any, check_error: Check) -> None:
    answer = client.analyze(b"PK\x03\x04" + bytes(60), name="study.zip")
    message = check_error(answer, 415, "not_an_image", fault="unknown-format")
    assert "/v1/analyze/batch" in message


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_truncated_image(client: Any, png: Png, check_error: Check, kind: str) -> None:
    data = png(256, 256, kind=kind)
    answer = client.analyze(data[: len(data) // 2])
    check_error(answer, 422, "unreadable_image", fault="truncated")


def test_one_of_several_frames_is_analysed(client: Any, check_error: Check) -> None:
    images = [Image.new("L", (side, 64), side) for side in (64, 32, 16)]
    out = io.BytesIO()
    images[0].save(out, "TIFF", save_all=True, append_images=images[1:])
    pages = out.getvalue()
    message = check_error(client.analyze(pages), 422, "unreadable_image", fault="several-frames")
    assert "has 3 frames; name one of them as frame=1 to frame=3" in message
    answers = [client.analyze(pages, frame=number).json() for number in (1, 2, 3)]
    assert [answer["image"]["frame"] for answer in answers] == [1, 2, 3]
    assert [answer["image"]["width"] for answer in answers] == [64, 32, 16]
    assert len({answer["id"] for answer in answers}) == 3
    answer = client.analyze(pages, frame=4)
    check_error(answer, 422, "unreadable_image", fault="no-such-frame")


def test_what_no_model_is_for_is_refused(
    run_service: Callable[..., Any],
    detector_bundle: Bundle,
    make_router: Callable[..., Bundle],
    tmp_path: Path,
    png: Png,
    check_error: Check,
) -> None:
    with run_service(detector_bundle, make_router(tmp_path / "router", other=1.0)) as service:
        service.wait_until_ready()
        check_error(service.analyze(png()), 422, "unsuitable_image", fault="no-radiograph")
        assert service.analyze(png(), kind="bone").status_code == 200


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


def test_file_names_appear_nowhere(
    client: Any, png: Png, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    answers = [
        client.analyze(png(), name="CANARY^PATIENT.png"),
        client.analyze(png()[:80], name="CANARY^PATIENT.png"),
        client.analyze(b"text", name="CANARY^PATIENT.png"),
    ]
    assert [answer.status_code for answer in answers] == [200, 422, 415]
    output = capfd.readouterr()
    everything = "".join([*(a.text for a in answers), caplog.text, output.out, output.err])
    assert "CANARY" not in everything


def test_what_was_cut_off_is_told(client: Any, png: Png) -> None:
    whole = client.analyze(png(), operating_point="screening").json()
    cut = client.analyze(png(), operating_point="screening", max_detections=1).json()
    assert (len(whole["findings"]), whole["findings_left_out"]) == (3, 0)
    assert cut["findings"] == whole["findings"][:1]
    assert cut["findings_left_out"] == 2

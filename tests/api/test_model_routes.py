from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lucency.configs.bundle import RESEARCH_USE, Bundle
from lucency.configs.calibration import ClassCalibration

Check = Callable[..., str]


def test_models_tell_their_manifest(client: Any) -> None:
    detector, classifier = client.get("/v1/models").json()["models"]
    assert detector["class_names"] == ["fracture", "lesion"]
    assert detector["operating_points"]["specific"]["fracture"] == 0.95
    assert classifier["task"] == "classification"
    assert classifier["intended_use"] == RESEARCH_USE


def test_models_tell_intervals_calibration_and_terms(
    run_service: Callable[..., Any],
    make_detector: Callable[..., Bundle],
    tmp_path: Path,
    png: Callable[..., bytes],
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


def test_one_model_with_its_manifest_and_card(client: Any, detector_bundle: Bundle) -> None:
    detail = client.get("/v1/models/stand-in-detector").json()
    assert detail["facts"] == client.get("/v1/models").json()["models"][0]
    assert detail["manifest"] == detector_bundle.manifest.model_dump(mode="json")
    assert detail["card"] == "# stand-in\n"


@pytest.mark.parametrize(
    "path", ["/v1/models/{}", "/v2/models/{}", "/v2/models/{}/ready"], ids=["v1", "v2", "ready"]
)
@pytest.mark.parametrize("name", ["bones", "%00", "..%2f..%2fetc", "a" * 900])
def test_a_model_that_is_not_loaded(client: Any, check_error: Check, path: str, name: str) -> None:
    answer = client.get(path.format(name))
    code = "not_found" if "%2f" in name else "no_such_model"
    message = check_error(answer, 404, code)
    assert len(message) < 300
    if code == "no_such_model":
        assert "stand-in-detector, stand-in-classifier" in message


def test_open_inference_protocol(client: Any) -> None:
    server = client.get("/v2").json()
    assert set(server) == {"name", "version", "extensions"}
    model = client.get("/v2/models/stand-in-classifier").json()
    assert (model["name"], model["platform"]) == ("stand-in-classifier", "onnx_onnxv1")
    assert model["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 3, 64, 64]}]
    assert {"name": "probabilities", "datatype": "FP32", "shape": [-1, 1]} in model["outputs"]
    detector = client.get("/v2/models/stand-in-detector").json()
    assert [output["shape"] for output in detector["outputs"]] == [[-1, 6, -1]]
    assert len(detector["versions"][0]) == 64
    ready = client.get("/v2/models/stand-in-detector/ready").json()
    assert ready == {"name": "stand-in-detector", "ready": True}


def test_inference_by_the_protocol_is_not_offered(client: Any, check_error: Check) -> None:
    answer = client.request("POST", "/v2/models/stand-in-detector/infer", json={})
    check_error(answer, 404, "not_found")

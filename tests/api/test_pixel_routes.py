from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lucency.configs.bundle import Bundle
from lucency.configs.display import DisplaySpec
from lucency.datasets.display import display
from lucency.datasets.radiographs import read_radiograph

Png = Callable[..., bytes]
Check = Callable[..., str]


def ask(service: Any, image: bytes, **params: Any) -> Any:
    files = {"file": ("CANARY.png", image)}
    return service.request("POST", "/v1/pixels", files=files, params=params)


def grey_values(answer: Any) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    sides = int(answer.headers["lucency-height"]), int(answer.headers["lucency-width"])
    return np.frombuffer(answer.content, "<u2").reshape(sides)


def test_grey_values_and_how_they_are_shown(client: Any, png: Png) -> None:
    answer = ask(client, png(100, 50))
    ramp = np.linspace(0, 255, 5000).reshape(50, 100).astype(np.uint8)
    assert np.array_equal(grey_values(answer), ramp)
    told = {name: value for name, value in answer.headers.items() if name.startswith("lucency-")}
    assert told == {
        "lucency-width": "100",
        "lucency-height": "50",
        "lucency-stored-width": "100",
        "lucency-stored-height": "50",
        "lucency-bits": "8",
        "lucency-window-low": "0.0",
        "lucency-window-high": "255.0",
        "lucency-inverted": "0",
    }


def test_large_images_are_reduced_to_what_was_asked_for(client: Any, png: Png) -> None:
    answer = ask(client, png(300, 150), longest_side=64)
    assert grey_values(answer).shape == (32, 64)
    assert answer.headers["lucency-stored-width"] == "300"
    assert answer.headers["lucency-stored-height"] == "150"


def test_no_models_are_needed(
    run_service: Callable[..., Any], detector_bundle: Bundle, png: Png
) -> None:
    broken = Bundle(detector_bundle.path, detector_bundle.manifest, b"no model")
    with run_service(broken, on_failure=lambda _: None) as service:
        assert ask(service, png()).status_code == 200


@pytest.mark.parametrize("params", [{"longest_side": 63}, {"longest_side": 4097}, {"kind": "any"}])
def test_wrong_parameters(
    client: Any, png: Png, check_error: Check, params: dict[str, Any]
) -> None:
    (name,) = params
    assert name in check_error(ask(client, png(), **params), 422, "invalid_request")


def test_what_is_no_image(client: Any, png: Png, check_error: Check) -> None:
    check_error(ask(client, b""), 400, "empty_file")
    check_error(ask(client, b"text"), 415, "not_an_image", fault="unknown-format")
    check_error(ask(client, png()[:90]), 422, "unreadable_image", fault="truncated")
    check_error(ask(client, png(), frame=2), 422, "unreadable_image", fault="no-such-frame")


@pytest.mark.real_data
@pytest.mark.parametrize(
    "name", ["extremity_RG3_J2KR.dcm", "chest_RG1_JLSN.dcm", "rsna_chest_jpegbaseline.dcm"]
)
def test_a_dicom_is_shown_as_the_display_function_shows_it(
    client: Any, lucency_data: Path, name: str
) -> None:
    path = lucency_data / "dicom" / name
    answer = ask(client, path.read_bytes(), longest_side=4096)
    low, high = (float(answer.headers[f"lucency-window-{end}"]) for end in ("low", "high"))
    shades = np.clip((grey_values(answer) - low) / (high - low), 0, 1)
    if answer.headers["lucency-inverted"] == "1":
        shades = 1 - shades
    shown = display(read_radiograph(path), DisplaySpec()).image
    assert np.abs(255 * shades - shown).max() <= 1


def test_who_waits_too_long_for_a_decoding_process_is_told_so(
    run_service: Callable[..., Any],
    detector_bundle: Bundle,
    png: Png,
    check_error: Check,
) -> None:
    with run_service(detector_bundle, deadline_s=0.5) as service:
        service.wait_until_ready()
        sandbox = service.app.state.service.sandbox
        taken = [sandbox._take(None) for _ in sandbox.pids()]
        try:
            check_error(ask(service, png()), 503, "deadline")
        finally:
            for process in taken:
                sandbox._give_back(process)
        assert ask(service, png()).status_code == 200

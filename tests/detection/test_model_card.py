"""What a card says of where a training began; the card itself is read in `test_export`."""

import hashlib
import json
from pathlib import Path

import pytest

from lucency.detection.model_card import started_from


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What a run says that began from the best epoch of another run."""
    first = tmp_path / "first"
    (first / "weights").mkdir(parents=True)
    (first / "weights/best.pt").write_bytes(b"learnt")
    (first / "config.yaml").write_text("image_size: 416\n", encoding="utf-8")
    (first / "results.csv").write_text("epoch,loss\n1,2\n2,1\n", encoding="utf-8")
    facts = {"weights": "/elsewhere/yolo11n.pt", "weights_sha256": "0" * 64}
    (first / "environment.json").write_text(json.dumps(facts), encoding="utf-8")
    return {
        "weights": str(first / "weights/best.pt"),
        "weights_sha256": hashlib.sha256(b"learnt").hexdigest(),
    }


def test_a_run_that_went_before_is_told(environment: dict[str, str]) -> None:
    assert started_from(environment) == (
        "`best.pt` of the run `first`, 2 epochs at 416 px, begun from `yolo11n.pt`"
    )


@pytest.mark.parametrize("lost", ["file", "other weights", "environment"])
def test_what_is_not_known_is_not_told(environment: dict[str, str], lost: str) -> None:
    weights = Path(environment["weights"])
    if lost == "file":
        weights.unlink()
    elif lost == "other weights":
        weights.write_bytes(b"trained again")
    else:
        (weights.parent.parent / "environment.json").unlink()
    told = started_from(environment)
    assert told.startswith("`best.pt`")
    assert "begun from" not in told
    assert ("`first`" in told) == (lost == "environment")
    assert str(weights.parent) not in told

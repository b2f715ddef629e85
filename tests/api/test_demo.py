"""The demonstration from end to end, on few phantoms and without a network."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from lucency.api.demo import run_demo
from lucency.configs.bundle import load_bundle
from lucency.configs.errors import ConfigError
from lucency.detection.offline_ultralytics import import_ultralytics


@pytest.mark.slow
@pytest.mark.xdist_group("detector-training")
@pytest.mark.filterwarnings("ignore")
def test_the_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_ultralytics()
    from ultralytics.utils import downloads

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(downloads, "safe_download", offline)
    monkeypatch.chdir(tmp_path)
    shown = io.StringIO()
    out = Path("demo")
    result = run_demo(
        out,
        seed=3,
        console=Console(file=shown, width=100),
        limb_patients=16,
        chest_patients=24,
        detector_overrides=("epochs=1", "image_size=64", "display.longest_side=64"),
        classifier_overrides=("epochs=1", "input_size=32"),
    )
    assert "yolo11n.pt: cannot be downloaded" in shown.getvalue()
    assert "shipped bundle 'fracture'" in shown.getvalue()
    tasks = [load_bundle(out / "bundles" / name).manifest.task for name in
             ("detector", "classifier")]  # fmt: skip
    assert tasks == ["detection", "classification"]
    for report in ("detector", "classifier"):
        page = (out / "reports" / report / "report.html").read_text(encoding="utf-8")
        assert "research use only" in page
    answer = json.loads(result.answer.read_text(encoding="utf-8"))
    assert {model["task"] for model in answer["models"]} == {"detection", "classification"}
    assert answer["image"]["kind"] == "dicom"
    assert result.picture.read_bytes().startswith(b"\xff\xd8")
    ledger = json.loads((out / "data/limbs/ledger.json").read_text(encoding="utf-8"))
    assert ledger["boxes"]["in"] == ledger["boxes"]["written"] > 0
    assert {"detector mAP50", "minutes"} <= result.figures.keys()
    assert any(name.startswith("classifier AUC") for name in result.figures)
    assert len(result.next_commands) == 3


def test_an_old_demonstration_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="exists already"):
        run_demo(tmp_path, seed=0, console=Console(file=io.StringIO()))

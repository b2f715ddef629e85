"""What a user gets for a mistake: one clear line, exit status 1, and nothing half-written."""

import errno
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lucency.api.cli import main
from lucency.datasets.phantom_files import write_labelme
from lucency.datasets.phantoms import make_limbs

Run = Callable[..., str]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command that must fail; returns its one line on standard error."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["lucency", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1, error
        return error

    return run


def labelme_folder(folder: Path, *, points: list[list[float]] | None = None) -> Path:
    """One grey JPEG with one labelme rectangle."""
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (80, 100), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "hand.jpg")
    shape = {"label": "fracture", "points": points or [[10, 10], [40, 30]]}
    document = {
        "version": "5.0.1",
        "flags": {},
        "shapes": [shape | {"shape_type": "rectangle"}],
        "imagePath": "hand.jpg",
        "imageData": None,
        "imageHeight": 80,
        "imageWidth": 100,
    }
    (folder / "hand.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def test_an_unreadable_image(tmp_path: Path, failing: Run) -> None:
    folder = labelme_folder(tmp_path / "in")
    (folder / "hand.jpg").write_bytes(b"not an image at all")
    line = failing("convert", folder, tmp_path / "set")
    assert "hand.jpg" in line
    assert "--allow unreadable-image" in line
    assert not (tmp_path / "set").exists()


def test_a_truncated_jpeg(tmp_path: Path, failing: Run) -> None:
    folder = labelme_folder(tmp_path / "in")
    data = (folder / "hand.jpg").read_bytes()
    (folder / "hand.jpg").write_bytes(data[: len(data) // 2])
    assert "truncated" in failing("convert", folder, tmp_path / "set")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_a_box_outside_the_image(tmp_path: Path, failing: Run) -> None:
    folder = labelme_folder(tmp_path / "in", points=[[110, 10], [140, 30]])
    assert "--allow outside-image" in failing("convert", folder, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_label_file_without_an_image(tmp_path: Path, failing: Run) -> None:
    folder = labelme_folder(tmp_path / "in")
    (folder / "hand.jpg").unlink()
    assert "--allow missing-image" in failing("convert", folder, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_an_unknown_configuration_key(tmp_path: Path, failing: Run) -> None:
    line = failing("train", "fracture", tmp_path, tmp_path / "run", "--set", "epoch=3")
    assert "unknown key 'epoch'" in line
    assert not (tmp_path / "run").exists()


def test_a_patient_in_two_splits(
    tmp_path: Path, failing: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_labelme(make_limbs(6, seed=1, size=64), tmp_path / "in")
    for command in (
        ["convert", tmp_path / "in", tmp_path / "set"],
        ["split", tmp_path / "set"],
    ):
        monkeypatch.setattr(sys, "argv", ["lucency", *map(str, command)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
    table = tmp_path / "set" / "dataset.csv"
    rows = table.read_text(encoding="utf-8").splitlines()
    patient = next(row.split(",")[2] for row in rows if ",train," in row)
    other = next(number for number, row in enumerate(rows) if ",val," in row)
    cells = rows[other].split(",")
    rows[other] = ",".join([*cells[:2], patient, *cells[3:]])
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    line = failing("train", "fracture", tmp_path / "set", tmp_path / "run")
    assert patient in line
    assert not (tmp_path / "run").exists()


def test_a_full_disk(tmp_path: Path, failing: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "set/data.yaml")

    monkeypatch.setattr("lucency.annotations.convert.convert", full)
    line = failing("convert", labelme_folder(tmp_path / "in"), tmp_path / "set")
    assert line == "error: set/data.yaml: No space left on device\n"


def test_a_bundle_with_a_flipped_byte(tmp_path: Path, failing: Run, a_bundle: Path) -> None:
    data = bytearray((a_bundle / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (a_bundle / "model.onnx").write_bytes(data)
    image = labelme_folder(tmp_path / "in") / "hand.jpg"
    assert "has been altered" in failing("predict", image, "--bundle", a_bundle)
    assert "has been altered" in failing("serve", "--bundle", a_bundle)


@pytest.fixture
def a_bundle(tmp_path: Path) -> Path:
    from lucency.configs.bundle import BundleManifest, write_bundle
    from lucency.configs.display import DisplaySpec

    manifest = BundleManifest(
        name="small", task="detection", architecture="none", class_names=("fracture",),
        input_size=64, input_channels=3, display=DisplaySpec(),
        display_digest=DisplaySpec().digest(),
        operating_points={"balanced": {"fracture": 0.5}}, default_operating_point="balanced",
        metrics={}, metrics_split="val", parity={}, training_data={}, libraries={},
        licence="AGPL-3.0-or-later", created="2026-01-01", files={},
    )  # fmt: skip
    files = {"model.onnx": bytes(range(256)), "MODEL_CARD.md": b"card"}
    return write_bundle(tmp_path / "bundle", manifest, files).path

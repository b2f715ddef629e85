import json
from pathlib import Path
from typing import Any

import pytest

from lucency.configs.bundle import (
    BundleManifest,
    find_bundle,
    load_bundle,
    write_bundle,
)
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import BundleError, ConfigError
from lucency.configs.typical import TypicalSpec

FILES = {"model.onnx": b"not really a network", "MODEL_CARD.md": b"# card\n"}


def manifest(**changes: Any) -> BundleManifest:
    values: dict[str, Any] = {
        "name": "test",
        "task": "detection",
        "architecture": "yolo11n",
        "class_names": ("fracture",),
        "input_size": 64,
        "input_channels": 3,
        "display": DisplaySpec(),
        "display_digest": DisplaySpec().digest(),
        "operating_points": {"balanced": {"fracture": 0.5}},
        "default_operating_point": "balanced",
        "metrics": {"map50": 0.5},
        "metrics_split": "val",
        "parity": {},
        "training_data": {},
        "libraries": {},
        "licence": "AGPL-3.0-or-later",
        "created": "2026-01-01",
        "files": {},
    }
    return BundleManifest(**{**values, **changes})


def test_a_bundle_reads_back(tmp_path: Path) -> None:
    written = write_bundle(tmp_path / "b", manifest(), FILES)
    read = load_bundle(tmp_path / "b")
    assert read == written
    assert read.model == FILES["model.onnx"]
    assert len(read.digest) == 64


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("position", [0, -1], ids=["first byte", "last byte"])
def test_one_flipped_byte_is_found(tmp_path: Path, name: str, position: int) -> None:
    write_bundle(tmp_path / "b", manifest(), FILES)
    data = bytearray((tmp_path / "b" / name).read_bytes())
    data[position] ^= 1
    (tmp_path / "b" / name).write_bytes(data)
    with pytest.raises(BundleError, match="has been altered") as caught:
        load_bundle(tmp_path / "b")
    assert name in str(caught.value)


SPEC = TypicalSpec(
    limit=0.5, false_share=0.05, validation_share=0.04, training_images=99, validation_images=50
)


def test_what_is_typical_reads_back_as_it_was_verified(tmp_path: Path) -> None:
    files = {**FILES, "typical.npy": b"an array"}
    written = write_bundle(tmp_path / "b", manifest(typical=SPEC), files)
    read = load_bundle(tmp_path / "b")
    assert read == written
    assert (read.typical, read.manifest.typical) == (b"an array", SPEC)
    (tmp_path / "b" / "typical.npy").write_bytes(b"an arraz")
    with pytest.raises(BundleError, match=r"typical\.npy: has been altered"):
        load_bundle(tmp_path / "b")


def test_a_bundle_of_before_has_nothing_typical(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b", manifest(), FILES)
    path = tmp_path / "b" / "manifest.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    del values["typical"]
    path.write_text(json.dumps(values), encoding="utf-8")
    read = load_bundle(tmp_path / "b")
    assert (read.typical, read.manifest.typical) == (b"", None)


def test_a_bundle_that_tells_of_it_must_have_it(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"needs typical\.npy"):
        write_bundle(tmp_path / "b", manifest(typical=SPEC), FILES)
    write_bundle(tmp_path / "b", manifest(), FILES)
    altered(tmp_path / "b", {"typical": SPEC.model_dump()})
    with pytest.raises(BundleError, match=r"files: must name typical\.npy"):
        load_bundle(tmp_path / "b")


def altered(folder: Path, change: dict[str, Any]) -> None:
    path = folder / "manifest.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, **change}), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"display": {"method": "percentile"}}, "display_digest is not the digest"),
        ({"files": {"../model.onnx": "0"}}, "must be a plain file name"),
        ({"files": {}}, "must name model.onnx"),
        ({"default_operating_point": "best"}, "is not one of"),
        ({"operating_points": {"balanced": {}}}, "must have a threshold for each class"),
        ({"typical": {**SPEC.model_dump(), "limit": 0}}, "typical.limit"),
        ({"extra": 1}, "unknown key 'extra'"),
        ({"schema_version": 2}, "schema_version"),
    ],
    ids=["display", "path", "no model", "point", "threshold", "limit", "key", "version"],
)
def test_a_manifest_that_contradicts_itself(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    write_bundle(tmp_path / "b", manifest(), FILES)
    altered(tmp_path / "b", change)
    with pytest.raises(BundleError, match=message):
        load_bundle(tmp_path / "b")


def test_manifest_that_is_not_json(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b", manifest(), FILES)
    (tmp_path / "b" / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(BundleError, match="is not valid JSON"):
        load_bundle(tmp_path / "b")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b", manifest(), FILES)
    (tmp_path / "b" / "model.onnx").unlink()
    with pytest.raises(BundleError, match=r"model\.onnx: cannot be read"):
        load_bundle(tmp_path / "b")


def test_no_bundle_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"needs model\.onnx"):
        write_bundle(tmp_path / "b", manifest(), {"MODEL_CARD.md": b""})
    assert not (tmp_path / "b").exists()


def test_a_bundle_is_not_overwritten(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b", manifest(), FILES)
    with pytest.raises(ConfigError, match="exists already"):
        write_bundle(tmp_path / "b", manifest(), FILES)


def test_an_unknown_name() -> None:
    with pytest.raises(BundleError, match="no such bundle; give a bundle's folder or a name"):
        find_bundle("nothing", package="lucency.classification")


def test_a_folder_that_is_no_bundle_hides_no_shipped_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fracture").mkdir()
    found = find_bundle("fracture", package="lucency.detection")
    assert found.parent.name == "bundles"
    (tmp_path / "fracture" / "manifest.json").touch()
    assert find_bundle("fracture", package="lucency.detection") == Path("fracture")

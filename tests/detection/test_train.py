"""Training, resume and export on a handful of phantoms, from an untrained network."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from lucency.annotations.records import DATASET_CSV, read_dataset
from lucency.configs.bundle import WEIGHTS, load_bundle
from lucency.configs.errors import BundleError, ConfigError, DatasetError, LeakageError
from lucency.datasets.placement import apply_split
from lucency.datasets.split import keep_splits
from lucency.detection.detector import open_detector
from lucency.detection.export import export
from lucency.detection.offline_ultralytics import import_ultralytics
from lucency.detection.recipe import DetectionConfig
from lucency.detection.run_folder import RESUME, TrainingProgress
from lucency.detection.train import train
from lucency.detection.weights import load_checkpoint, starting_weights

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("detector-training"),
    # Ultralytics and torch warn of their own affairs while training on a CPU.
    pytest.mark.filterwarnings("ignore"),
]


def write_set(root: Path, splits: dict[str, int]) -> Path:
    """Bright squares on dark ground, two classes, every fourth image a confirmed negative."""
    rng = np.random.default_rng(0)
    rows = ["image,split,patient_id,status,width,height,sha256,source"]
    for split, count in splits.items():
        for number in range(count):
            image = rng.integers(0, 60, (64, 64), dtype=np.uint8)
            label, status = "", "negative"
            if number % 4:
                x, y = (int(v) for v in rng.integers(4, 36, 2))
                cv2.rectangle(image, (x, y), (x + 20, y + 20), 230, -1 if number % 2 else 3)
                label = f"{number % 2} {(x + 10) / 64} {(y + 10) / 64} {20 / 64} {20 / 64}\n"
                status = "annotated"
            name = f"{split}{number}"
            for folder in ("images", "labels"):
                (root / folder / split).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / f"images/{split}/{name}.png"), image)
            (root / f"labels/{split}/{name}.txt").write_text(label, encoding="utf-8")
            digest = hashlib.sha256((root / f"images/{split}/{name}.png").read_bytes()).hexdigest()
            rows.append(f"images/{split}/{name}.png,{split},{name},{status},64,64,{digest},x.json")
    (root / DATASET_CSV).write_text("\n".join(rows) + "\n", encoding="utf-8")
    (root / "data.yaml").write_text(
        "train: images/train\nval: images/val\nnames: [ring, square]\n", encoding="utf-8"
    )
    apply_split(keep_splits(read_dataset(root)))
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("detector")


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Path:
    return write_set(folder / "set", {"train": 12, "val": 6, "test": 4})


@pytest.fixture(scope="module")
def untrained(folder: Path) -> Path:
    path = folder / "untrained.pt"
    import_ultralytics().YOLO("yolo11n.yaml").save(str(path))
    return path


def config(weights: Path, **changes: object) -> DetectionConfig:
    values = {
        "task": "detection", "name": "tiny", "weights": str(weights), "image_size": 64,
        "epochs": 2, "batch": 4, "ultralytics": {"nbs": 4, "optimizer": "AdamW", "lr0": 0.001},
    }  # fmt: skip
    return DetectionConfig.model_validate({**values, **changes})


@pytest.fixture(scope="module")
def run(folder: Path, dataset: Path, untrained: Path) -> Iterator[Path]:
    seen: list[TrainingProgress] = []
    summary = train(config(untrained), dataset, folder / "run", on_progress=seen.append)
    assert summary.best_epoch in (1, 2)
    assert [s.epoch for s in seen if s.metrics and s.batch == s.batches][:2] == [1, 2]
    yield folder / "run"


def test_run_folder_is_complete(run: Path) -> None:
    environment = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    assert environment["images"] == {"train": 12, "val": 6, "test": 4}
    assert environment["architecture"] == "yolo11n"
    assert len(environment["dataset_sha256"]) == 64
    assert (run / "config.yaml").is_file()
    assert (run / "weights/best.pt").is_file()
    assert not (run / RESUME).exists()


def test_a_run_is_not_overwritten(run: Path, dataset: Path, untrained: Path) -> None:
    with pytest.raises(ConfigError, match="exists already"):
        train(config(untrained), dataset, run)


def test_killed_and_resumed(folder: Path, dataset: Path, untrained: Path) -> None:
    """A run stopped in its second epoch, its last.pt half written, goes on to the end."""

    class KilledError(Exception):
        pass

    def kill(state: TrainingProgress) -> None:
        if state.epoch == 2:
            raise KilledError

    run = folder / "killed"
    with pytest.raises(KilledError):
        train(config(untrained), dataset, run, on_progress=kill)
    assert (run / RESUME).is_file()
    (run / "weights/last.pt").write_bytes(b"half")
    with pytest.raises(ConfigError, match="differs from the configuration"):
        train(config(untrained, epochs=3), dataset, run, resume=True)
    seen: list[TrainingProgress] = []
    train(config(untrained), dataset, run, resume=True, on_progress=seen.append)
    assert {state.epoch for state in seen} == {2}
    assert not (run / RESUME).exists()


def test_export_agrees_with_torch_and_reads_back(run: Path, dataset: Path, folder: Path) -> None:
    bundle = export(run, dataset, folder / "bundle")
    read = load_bundle(folder / "bundle")
    assert read.manifest == bundle.manifest
    assert read.manifest.class_names == ("ring", "square")
    assert read.manifest.parity["probability"] < 1e-3
    assert set(read.manifest.operating_points) == {"screening", "balanced", "specific"}
    card = (folder / "bundle/MODEL_CARD.md").read_text(encoding="utf-8")
    assert "research use only" in card
    detector = open_detector(folder / "bundle")
    image = cv2.imread(str(dataset / "images/val/val1.png"), cv2.IMREAD_GRAYSCALE)
    found = detector.detect_image(image, conf=0.0)
    assert found.probabilities.shape == (len(found), 2)


def test_fine_tuning_goes_on_from_a_bundle(run: Path, dataset: Path, folder: Path) -> None:
    if not (folder / "again").exists():
        export(run, dataset, folder / "again")
    checkpoint = starting_weights(str(folder / "again"), folder=folder / "start")
    restored = load_checkpoint(checkpoint).model.float().state_dict()
    trained = load_checkpoint(run / "weights/best.pt").model.float().state_dict()
    assert restored.keys() == trained.keys()
    assert all((restored[name] == trained[name]).all() for name in trained)


def test_a_bundle_without_weights_cannot_start(folder: Path, run: Path, dataset: Path) -> None:
    bundle = export(run, dataset, folder / "bare")
    (folder / "bare" / WEIGHTS).unlink()
    with pytest.raises(BundleError, match="cannot be read"):
        starting_weights(str(bundle.path), folder=folder)


def test_parity_gate_refuses(
    run: Path, dataset: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lucency.detection.export.refusal", lambda *_: "boxes off by 9 px")
    with pytest.raises(BundleError, match="nothing was written"):
        export(run, dataset, folder / "refused")
    assert not (folder / "refused").exists()


def test_a_patient_in_two_splits_is_refused(tmp_path: Path, untrained: Path) -> None:
    root = write_set(tmp_path / "set", {"train": 4, "val": 4})
    table = (root / DATASET_CSV).read_text(encoding="utf-8")
    (root / DATASET_CSV).write_text(table.replace(",val1,", ",train1,"), encoding="utf-8")
    with pytest.raises(LeakageError, match="train1"):
        train(config(untrained), root, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_set_without_validation_is_refused(tmp_path: Path, untrained: Path) -> None:
    root = write_set(tmp_path / "set", {"train": 4})
    with pytest.raises(DatasetError, match="'val'"):
        train(config(untrained), root, tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"freeze": 99}, "there is no layer 98"),
        ({"device": "pigeon"}, "Ultralytics refuses: .*pigeon"),
        ({"device": (97, 98)}, "GPU 97, 98 asked for"),
        ({"ultralytics": {"lr0": 7}}, "lr0=7"),
    ],
    ids=["freeze", "device", "GPUs", "option"],
)
def test_what_could_not_begin_leaves_no_folder(
    tmp_path: Path, dataset: Path, untrained: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        train(config(untrained, **changes), dataset, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ("nowhere/best.pt", ConfigError, "no such file"),
        ("yolo11n-pigeon.pt", ConfigError, "nor a name Ultralytics knows"),
        ("no-such-bundle", BundleError, "no such bundle"),
    ],
    ids=["path", "name", "bundle"],
)
def test_weights_that_are_not_there(
    tmp_path: Path, weights: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        starting_weights(weights, folder=tmp_path)


def test_a_download_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_ultralytics()
    from ultralytics.utils import downloads

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(downloads, "safe_download", offline)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"yolo11s\.pt: cannot be downloaded") as caught:
        starting_weights("yolo11s.pt", folder=tmp_path / "weights")
    assert "\n" not in str(caught.value)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    import pickle

    import torch

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    torch.save({"model": Evil()}, tmp_path / "evil.pt", pickle_module=pickle)
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load_checkpoint(tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()

"""From a run folder to bundles of each precision, with an untrained network."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from lucency.configs.bundle import Bundle, load_bundle
from lucency.configs.errors import BundleError, ConfigError, DatasetError
from lucency.configs.inference import InferenceOptions
from lucency.configs.schema import dump_yaml
from lucency.detection.card_pictures import MAX_BYTES
from lucency.detection.detector import Detector
from lucency.detection.export import export
from lucency.detection.offline_ultralytics import import_ultralytics
from lucency.detection.parity import Parity
from lucency.detection.recipe import DetectionConfig

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
SIDE = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Path:
    """Eight images a split; every other one has a square."""
    root = folder / "set"
    rows = ["image,split,patient_id,status,width,height,sha256,source,view"]
    for number in range(16):
        split = ("train", "val")[number % 2]
        image = np.random.default_rng(number).integers(0, 60, (SIDE, SIDE), dtype=np.uint8)
        label, status = "", "negative"
        if number % 4 < 2:
            cv2.rectangle(image, (20, 20), (43, 43), 230, -1)
            label, status = "0 0.5 0.5 0.375 0.375\n", "annotated"
        for part in ("images", "labels"):
            (root / part / split).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / f"images/{split}/{number}.png"), image)
        (root / f"labels/{split}/{number}.txt").write_text(label, encoding="utf-8")
        name = f"images/{split}/{number}.png"
        rows.append(f"{name},{split},p{number},{status},{SIDE},{SIDE},{number},x,frontal")
    (root / "dataset.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (root / "data.yaml").write_text("names: [square]\n", encoding="utf-8")
    return root


def write_run(run: Path, **changes: object) -> Path:
    """A run folder as training leaves it, around a network that has learnt nothing."""
    import torch

    (run / "weights").mkdir(parents=True)
    torch.manual_seed(0)
    model = import_ultralytics().YOLO("yolo11n.yaml")
    from ultralytics.nn.tasks import DetectionModel

    model.model = DetectionModel("yolo11n.yaml", nc=1, verbose=False)
    model.model.names = {0: "square"}
    model.save(str(run / "weights/best.pt"))
    values = {
        "task": "detection", "name": "squares", "weights": "yolo11n.pt", "image_size": SIDE,
        "licence": "CC BY-NC 4.0", "commercial_use": False, "intended_use": "Research on squares.",
    }  # fmt: skip
    config = DetectionConfig.model_validate({**values, **changes})
    (run / "config.yaml").write_text(dump_yaml(config), encoding="utf-8")
    facts = {
        "dataset": "set", "dataset_sha256": "0" * 64, "source": "Drawn. Licence: CC BY-NC 4.0.",
        "images": {"train": 8, "val": 8, "test": 0}, "architecture": "yolo11n",
        "weights": "/somewhere/secret/yolo11n.pt", "weights_sha256": "1" * 64, "libraries": {},
    }  # fmt: skip
    (run / "environment.json").write_text(json.dumps(facts), encoding="utf-8")
    with (run / "results.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        metrics = ("precision", "recall", "mAP50", "mAP50-95")
        writer.writerow(["epoch", *(f"metrics/{name}(B)" for name in metrics)])
        writer.writerow([1, 0.0, 0.0, 0.0, 0.0])
    return run


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    return write_run(folder / "run")


@pytest.fixture(scope="module")
def single(run: Path, dataset: Path, folder: Path) -> Bundle:
    return export(run, dataset, folder / "fp32", samples=20)


def test_the_bundle_says_what_it_is(single: Bundle) -> None:
    manifest = load_bundle(single.path).manifest
    assert (manifest.precision, manifest.commercial_use) == ("fp32", False)
    assert manifest.licence == "CC BY-NC 4.0"
    assert set(manifest.calibration) == {"square"}
    assert set(manifest.operating_points) == {"screening", "balanced", "specific"}
    assert manifest.metrics["images"] == 8.0 and manifest.metrics["negatives"] == 4.0
    assert manifest.parity["images"] == 8.0
    assert manifest.parity["map50_drop"] == pytest.approx(0.0, abs=1e-3)
    assert {"card_curves.jpg", "weights.safetensors"} <= manifest.files.keys()


def test_the_card_tells_a_reader_what_to_know(single: Bundle) -> None:
    card = (single.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    for words in (
        "For research use only", "Not for commercial use", "Research on squares.",
        "Drawn. Licence: CC BY-NC 4.0.", "| val | 8 | 4 | 4 | 50% | 4 |",
        "so the figures flatter", "## Known failures", "`yolo11n.pt`", "same class, IoU ≥ 0.5",
        "calibrated on the validation split",
    ):  # fmt: skip
        assert " ".join(words.split()) in " ".join(card.split())
    assert "secret" not in card


def test_pictures_are_small_and_in_the_card(single: Bundle) -> None:
    card = (single.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    pictures = sorted(single.path.glob("card_*.jpg"))
    assert pictures
    for path in pictures:
        assert cv2.imread(str(path)) is not None
        assert path.stat().st_size <= MAX_BYTES
        assert f"({path.name})" in card


@pytest.mark.parametrize(("precision", "most"), [("fp16", 0.55), ("int8", 0.5)])
def test_smaller_precisions(
    single: Bundle, run: Path, dataset: Path, folder: Path, precision: str, most: float
) -> None:
    options = InferenceOptions(flip=True)
    bundle = export(
        run, dataset, folder / precision, precision=precision, samples=5, with_weights=False,
        inference=options,
    )  # fmt: skip
    assert bundle.manifest.precision == precision
    assert bundle.manifest.inference == options
    assert "weights.safetensors" not in bundle.manifest.files
    assert len(bundle.model) < most * len(single.model)
    batch = np.full((1, 3, SIDE, SIDE), 0.5, dtype=np.float32)
    heads = [Detector(one).raw(batch) for one in (single, bundle)]
    np.testing.assert_allclose(heads[1][:, 4:], heads[0][:, 4:], atol=0.01)


def test_a_network_that_differs_is_refused(
    run: Path, dataset: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def bad(*_: object, precision: str, **__: object) -> Parity:
        tried.append(precision)
        return Parity(8, 0.3, 4.0, 50, 0.5, 0.1, 0.0)

    monkeypatch.setattr("lucency.detection.export.measure_parity", bad)
    with pytest.raises(BundleError, match=r"50\.0% of 50 boxes.*AP50 lower by 0\.1") as caught:
        export(run, dataset, folder / "refused", precision="int8")
    assert "nothing was written; export it as fp32" in str(caught.value)
    assert tried == ["int8", "int8"]  # with the first layers in float, then the head as well
    assert not (folder / "refused").exists()


def test_scores_may_stay_as_they_are(dataset: Path, folder: Path) -> None:
    run = write_run(
        folder / "raw", calibration="none", operating_points={"screening": {"sensitivity": 0.5}}
    )
    bundle = export(run, dataset, folder / "uncalibrated", samples=5)
    assert bundle.manifest.calibration == {}
    card = (bundle.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "not calibrated probabilities" in card
    assert "sensitivity 0.50" in card


def test_what_cannot_be_exported(
    single: Bundle, run: Path, dataset: Path, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="exists already"):
        export(run, dataset, single.path)
    with pytest.raises(ConfigError, match="no finished training"):
        export(tmp_path, dataset, tmp_path / "out")
    for name in ("dataset.csv", "images", "labels"):
        (tmp_path / name).symlink_to(dataset / name)
    (tmp_path / "data.yaml").write_text("names: [circle]\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"\['circle'\]"):
        export(run, tmp_path, tmp_path / "out")

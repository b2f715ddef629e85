"""From a run folder to bundles of each precision, with an untrained network."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lucency.annotations.records import Dataset
from lucency.classification.checkpoint import state_bytes
from lucency.classification.classifier import open_classifier
from lucency.classification.export import export, read_network
from lucency.classification.export_command import export_classifier
from lucency.classification.networks import build_network
from lucency.classification.onnx_export import TORCHSCRIPT, read_torchscript
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.run_folder import BEST, read_run_config, start_run
from lucency.classification.weights import load_initial_weights
from lucency.configs.bundle import Bundle, load_bundle
from lucency.configs.errors import BundleError, ConfigError
from lucency.datasets.model_input import model_input
from lucency.datasets.radiographs import read_radiograph


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def dataset(folder: Path, make_set: Callable[..., Dataset]) -> Path:
    return make_set(folder / "set", counts=(4, 24, 4)).root


@pytest.fixture(scope="module")
def write_run(
    dataset: Path, make_config: Callable[..., ClassificationConfig]
) -> Callable[..., Path]:
    """Writes a run folder as training leaves it, around a network that has learnt nothing."""

    def write(run: Path, **changes: object) -> Path:
        config = make_config(**{"network": "small_cnn", **changes})
        run.mkdir()
        start_run(
            config,
            dataset_dir=dataset,
            run_dir=run,
            images={"train": "bright 2 yes, 2 no"},
            machine="1 core",
        )
        torch.manual_seed(0)
        network = build_network(
            "small_cnn", classes=len(config.labels), channels=1, head=config.head
        )
        with torch.no_grad():  # as it is built it says nearly the same of every image
            for value in network.parameters():
                value.mul_(2.5 if value.ndim > 1 else 1.0)
        (run / BEST).write_bytes(state_bytes(network))
        return run

    return write


@pytest.fixture(scope="module")
def run(folder: Path, write_run: Callable[..., Path]) -> Path:
    return write_run(
        folder / "run", licence="CC BY-NC 4.0", commercial_use=False, kinds=["chest"],
        intended_use="Research on squares.",
    )  # fmt: skip


@pytest.fixture(scope="module")
def single(run: Path, dataset: Path, folder: Path) -> Bundle:
    return export(run, dataset, folder / "fp32", samples=20, torchscript=True)


def test_the_bundle_says_what_it_is(single: Bundle, run: Path) -> None:
    manifest = load_bundle(single.path).manifest
    assert (manifest.precision, manifest.commercial_use) == ("fp32", False)
    assert (manifest.kinds, manifest.role, manifest.exclusive) == (("chest",), "findings", False)
    assert manifest.licence == "CC BY-NC 4.0"
    assert set(manifest.operating_points) == {"screening", "balanced", "specific"}
    assert set(manifest.calibration) == {"bright"}
    assert manifest.metrics["images"] == 24.0 and manifest.metrics["positives_bright"] == 12.0
    low, high = manifest.metric_intervals["auc_bright"]
    assert low <= manifest.metrics["auc_bright"] <= high
    assert manifest.parity["images"] == 24.0 and manifest.parity["probability"] <= 1e-4
    expected = {
        "model.onnx", "MODEL_CARD.md", "weights.safetensors", TORCHSCRIPT, "card_curves.png",
    }  # fmt: skip
    assert manifest.files.keys() == expected
    assert (single.path / "weights.safetensors").read_bytes() == (run / BEST).read_bytes()


def test_the_card_is_that_of_the_run(single: Bundle) -> None:
    card = (single.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    for words in ("Research on squares.", "Not for commercial use", "12 yes, 12 no", "TorchScript"):
        assert words in card
    assert str(single.path.parent) not in card


def test_serving_sees_what_training_saw(single: Bundle, run: Path, dataset: Path) -> None:
    radiograph = read_radiograph(dataset / "images" / "test" / "test1.png")
    inputs = torch.from_numpy(
        model_input(radiograph.pixels.astype(np.uint8), size=32, channels=1)[None]
    )
    with torch.inference_mode():
        expected = torch.sigmoid(read_network(run, read_run_config(run))(inputs))[0].numpy()
        scripted = read_torchscript((single.path / TORCHSCRIPT).read_bytes())(inputs)[0][0].numpy()
    classifier = open_classifier(single.path)
    np.testing.assert_allclose(classifier.classify_raw(radiograph), expected, atol=1e-5)
    np.testing.assert_allclose(scripted, expected, atol=1e-5)
    np.testing.assert_allclose(
        classifier.classify(radiograph), classifier.calibrated(expected), atol=1e-5
    )


@pytest.mark.parametrize(("precision", "most"), [("fp16", 0.6), ("int8", 0.45)])
def test_smaller_precisions(
    single: Bundle, run: Path, dataset: Path, folder: Path, precision: str, most: float
) -> None:
    bundle = export(
        run, dataset, folder / precision, precision=precision, samples=5, with_weights=False
    )
    assert bundle.manifest.precision == precision
    assert "weights.safetensors" not in bundle.manifest.files
    assert len(bundle.model) < most * len(single.model)
    assert 0 < bundle.manifest.parity["probability"] < 0.05


@pytest.mark.parametrize("without", [False, True], ids=["weights.safetensors", "model.onnx"])
def test_a_bundle_can_be_started_from(
    single: Bundle, run: Path, dataset: Path, folder: Path, tmp_path: Path, without: bool
) -> None:
    bundle = single.path
    if without:
        bundle = export(run, dataset, tmp_path / "b", samples=5, with_weights=False).path
    network = build_network("small_cnn", classes=1, channels=1)
    load_initial_weights(network, name="small_cnn", weights=str(bundle))
    for name, value in read_network(run, read_run_config(run)).state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name


def test_a_small_bundle_can_be_started_from(folder: Path, run: Path, dataset: Path) -> None:
    bundle = export(run, dataset, folder / "start", precision="int8", samples=5, with_weights=False)
    network = build_network("small_cnn", classes=3, channels=3)
    load_initial_weights(network, name="small_cnn", weights=str(bundle.path))
    own = read_network(run, read_run_config(run)).head.first.weight.detach()
    found = network.head.first.weight.detach()
    error = torch.linalg.norm(found - own) / torch.linalg.norm(own)
    assert 0 < float(error) < 0.02


def test_a_detectors_bundle_is_no_start(single: Bundle, tmp_path: Path) -> None:
    copy = shutil.copytree(single.path, tmp_path / "copy")
    text = (copy / "manifest.json").read_text(encoding="utf-8")
    changed = text.replace('"task": "classification"', '"task": "detection"')
    (copy / "manifest.json").write_text(changed, encoding="utf-8")
    network = build_network("small_cnn", classes=1, channels=1)
    with pytest.raises(BundleError, match="is a bundle for detection; name a classifier's"):
        load_initial_weights(network, name="small_cnn", weights=str(copy))


def test_exclusive_labels_and_no_calibration(
    write_run: Callable[..., Path], dataset: Path, folder: Path
) -> None:
    table = (dataset / "dataset.csv").read_text(encoding="utf-8")
    assert "other" in table.splitlines()[0]
    run = write_run(folder / "plain", head="linear", calibration="none", labels=["bright", "other"])
    bundle = export(run, dataset, folder / "uncalibrated", samples=5)
    assert bundle.manifest.calibration == {}
    assert bundle.manifest.class_names == ("bright", "other")


@pytest.mark.parametrize("changed", ["torch_probabilities", "read_torchscript"])
def test_the_gate_lets_nothing_wrong_through(
    run: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    def wrong(*_: object, **__: object) -> object:
        if changed == "torch_probabilities":
            return np.full((24, 1), 0.99)
        return lambda inputs: (torch.full((len(inputs), 1), 0.99),)

    monkeypatch.setattr(f"lucency.classification.export.{changed}", wrong)
    with pytest.raises(BundleError, match=r"as fp32 the network is too far .* nothing was written"):
        export(run, dataset, tmp_path / "bundle", torchscript=True)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported(
    single: Bundle,
    run: Path,
    dataset: Path,
    make_set: Callable[..., Dataset],
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match="exists already"):
        export(run, dataset, single.path)
    with pytest.raises(ConfigError, match="is not the folder of a training run"):
        export(tmp_path, dataset, tmp_path / "out")
    make_set(tmp_path / "set", counts=(4, 4, 4))
    with pytest.raises(ConfigError, match="is not the set that"):
        export(run, tmp_path / "set", tmp_path / "out")
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / BEST).write_bytes(b"half a file")
    with pytest.raises(ConfigError, match="is missing or not of this run"):
        export(copy, dataset, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["model.onnx", "weights.safetensors", "MODEL_CARD.md", TORCHSCRIPT]
)
def test_a_flipped_byte_is_found(single: Bundle, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(single.path, tmp_path / "copy")
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(BundleError, match="has been altered"):
        open_classifier(copy)


def test_the_command_says_what_was_measured(
    run: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export_classifier(run, dataset, tmp_path / "b", precision="int8", with_weights=False)
    told = " ".join(capsys.readouterr().out.split())
    assert "int8" in told and "against torch on 24 images at most" in told
    assert "AUC" in told and "Next: lucency evaluate" in told

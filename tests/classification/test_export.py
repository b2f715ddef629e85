import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lucency.annotations.records import Dataset
from lucency.classification import export as export_module
from lucency.classification.classifier import Classifier, open_classifier
from lucency.classification.export import export, read_network
from lucency.classification.run_folder import read_run_config
from lucency.classification.weights import load_initial_weights
from lucency.configs.bundle import load_bundle
from lucency.configs.errors import BundleError, ConfigError
from lucency.datasets.model_input import model_input
from lucency.datasets.radiographs import read_radiograph

pytestmark = pytest.mark.slow


def test_the_bundle_is_complete(bundle: Path) -> None:
    manifest = load_bundle(bundle).manifest
    assert manifest.task == "classification"
    assert manifest.class_names == ("bright",)
    assert set(manifest.operating_points) == {"screening", "balanced", "specific"}
    assert manifest.parity["probability"] <= 1e-4
    assert manifest.metrics_split == "val" and "auc_bright" in manifest.metrics
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "not for diagnosis" in card and "| bright | 3 of 6 |" in card


@pytest.mark.parametrize("count", [1, 5])
def test_onnx_agrees_with_torch_on_any_number_of_images(
    bundle: Path, trained: tuple[Path, Path], count: int
) -> None:
    import onnxruntime

    network = read_network(trained[1], read_run_config(trained[1]))
    inputs = np.random.default_rng(1).normal(size=(count, 1, 32, 32)).astype(np.float32)
    with torch.inference_mode():
        expected = torch.sigmoid(network(torch.from_numpy(inputs))).numpy()
    session = onnxruntime.InferenceSession((bundle / "model.onnx").read_bytes())
    found = session.run(["probabilities"], {"image": inputs})[0]
    assert found.shape == (count, 1)
    assert np.abs(found - expected).max() <= 1e-4


def test_serving_sees_what_training_saw(bundle: Path, trained: tuple[Path, Path]) -> None:
    classifier = open_classifier(bundle)
    path = trained[0] / "images" / "test" / "test1.png"
    radiograph = read_radiograph(path)
    network = read_network(trained[1], read_run_config(trained[1]))
    inputs = model_input(radiograph.pixels.astype(np.uint8), size=32, channels=1)[None]
    with torch.inference_mode():
        expected = torch.sigmoid(network(torch.from_numpy(inputs))).numpy()[0]
    found = classifier.classify(radiograph)
    assert found.shape == (1,) and found.dtype == np.float32
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_bundle_can_be_started_from(bundle: Path, trained: tuple[Path, Path]) -> None:
    config = read_run_config(trained[1])
    trained_network = read_network(trained[1], config)
    network = export_module.build_network("tbnet", classes=1, channels=1)
    load_initial_weights(network, name="tbnet", weights=str(bundle))
    for name, value in trained_network.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name


def test_the_gate_lets_nothing_wrong_through(
    trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        export_module, "predict_logits", lambda *_, **__: np.full((6, 1), 9.0, np.float32)
    )
    with pytest.raises(BundleError, match=r"differs from torch by .* nothing was written"):
        export(trained[1], trained[0], tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_export_wants_the_set_of_the_training(
    trained: tuple[Path, Path], make_set: Callable[..., Dataset], tmp_path: Path
) -> None:
    make_set(tmp_path / "set", counts=(4, 4, 4))
    with pytest.raises(ConfigError, match="is not the set that"):
        export(trained[1], tmp_path / "set", tmp_path / "bundle")


def test_export_wants_a_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not the folder of a training run"):
        export(tmp_path, tmp_path, tmp_path / "bundle")


class TestDamagedBundles:
    @pytest.fixture
    def copy(self, bundle: Path, tmp_path: Path) -> Path:
        import shutil

        return Path(shutil.copytree(bundle, tmp_path / "copy"))

    @pytest.mark.parametrize("name", ["model.onnx", "weights.safetensors", "MODEL_CARD.md"])
    def test_a_flipped_byte(self, copy: Path, name: str) -> None:
        data = bytearray((copy / name).read_bytes())
        data[len(data) // 2] ^= 1
        (copy / name).write_bytes(data)
        with pytest.raises(BundleError, match="has been altered"):
            open_classifier(copy)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"task": "detection"}, "is a bundle for detection"),
            ({"input_size": 64}, "but the manifest says"),
            ({"input_channels": 3}, "but the manifest says"),
            ({"classes": 4}, "unknown key 'classes'"),
        ],
        ids=["task", "size", "channels", "unknown key"],
    )
    def test_a_manifest_that_does_not_fit(
        self, copy: Path, changes: dict[str, object], message: str
    ) -> None:
        manifest = json.loads((copy / "manifest.json").read_text())
        (copy / "manifest.json").write_text(json.dumps({**manifest, **changes}))
        with pytest.raises(BundleError, match=message):
            open_classifier(copy)


def test_serving_needs_no_torch(bundle: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from lucency.classification.classifier import open_classifier;"
        "import lucency.classification.evaluate, lucency.classification.report;"
        "import numpy as np; c = open_classifier(Path(sys.argv[1]));"
        "assert c.classify_image(np.zeros((50, 40), np.uint8)).shape == (1,);"
        "assert not {'torch', 'torchvision', 'ultralytics', 'albumentations'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(bundle)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_classifier_may_be_made_from_a_loaded_bundle(bundle: Path) -> None:
    classifier = Classifier(load_bundle(bundle), threads=1)
    assert classifier.manifest.name == "tiny"
    assert classifier.bundle.path == bundle

"""The classifier at run time: probabilities, calibration, and what explanations are drawn from."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lucency.classification.classifier import Classifier, open_classifier
from lucency.classification.networks import StagedNetwork, build_network
from lucency.classification.onnx_export import export_onnx
from lucency.classification.recipe import ClassificationConfig
from lucency.configs.bundle import Bundle, BundleManifest, load_bundle, write_bundle
from lucency.configs.errors import BundleError
from lucency.datasets.display import display
from lucency.datasets.model_input import model_input
from lucency.datasets.radiographs import Radiograph

SIDE = 32
NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def network() -> StagedNetwork:
    torch.manual_seed(0)
    return build_network("small_cnn", classes=3, channels=1).eval()


@pytest.fixture(scope="module")
def make(
    network: StagedNetwork,
    make_config: Callable[..., ClassificationConfig],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Bundle]:
    """Writes the bundle of a network that has learnt nothing, with values of its manifest."""

    def write(**values: Any) -> Bundle:
        exclusive = values.get("exclusive", False)
        config = make_config(
            labels=NAMES, exclusive=exclusive, loss="cross_entropy" if exclusive else "bce"
        )
        manifest = BundleManifest.model_validate(
            {
                "name": "stand-in",
                "task": "classification",
                "architecture": "small_cnn",
                "class_names": NAMES,
                "input_size": SIDE,
                "input_channels": 1,
                "display": config.display,
                "display_digest": config.display.digest(),
                "operating_points": {"balanced": dict.fromkeys(NAMES, 0.5)},
                "default_operating_point": "balanced",
                "metrics": {},
                "metrics_split": "val",
                "parity": {},
                "training_data": {},
                "libraries": {},
                "licence": "",
                "created": "",
                "files": {},
                **values,
            }
        )
        files = {"model.onnx": export_onnx(network, config), "MODEL_CARD.md": b"# stand-in"}
        return write_bundle(tmp_path_factory.mktemp("bundle") / "b", manifest, files)

    return write


@pytest.fixture(scope="module")
def plain(make: Callable[..., Bundle]) -> Bundle:
    return make()


@pytest.fixture
def radiograph() -> Radiograph:
    pixels = np.random.default_rng(1).integers(0, 255, (50, 40)).astype(np.uint8)
    return Radiograph(pixels, bits=8, kind="png")


def inputs_of(radiograph: Radiograph) -> torch.Tensor:
    return torch.from_numpy(model_input(radiograph.pixels, size=SIDE, channels=1)[None])


@torch.inference_mode()
def test_a_look_is_what_torch_sees(
    plain: Bundle, network: StagedNetwork, radiograph: Radiograph
) -> None:
    look = Classifier(plain).look(radiograph)
    maps = network.attended(inputs_of(radiograph))
    pooled = maps.mean(dim=(2, 3))
    np.testing.assert_allclose(look.maps, maps[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(look.gradients, network.head.gradient(pooled)[0].numpy(), atol=1e-5)
    expected = torch.sigmoid(network.head(pooled))[0].numpy()
    np.testing.assert_allclose(look.raw, expected, atol=1e-5)
    assert look.displayed.image.shape == (50, 40)
    assert [part.dtype for part in (look.raw, look.maps, look.gradients)] == [np.float32] * 3


def test_without_calibration_probabilities_are_the_networks_own(
    plain: Bundle, radiograph: Radiograph
) -> None:
    classifier = Classifier(plain, threads=1)
    raw = classifier.classify_raw(radiograph)
    assert raw.shape == (3,) and raw.dtype == np.float32
    np.testing.assert_array_equal(classifier.classify(radiograph), raw)
    shown = display(radiograph, plain.manifest.display).image
    np.testing.assert_array_equal(classifier.classify_image(shown), raw)


def test_each_label_has_its_own_calibration(
    make: Callable[..., Bundle], radiograph: Radiograph
) -> None:
    curve = {"method": "isotonic", "scores": (0, 0.4, 1), "probabilities": (0, 0.9, 1)}
    platt = {"method": "platt", "slope": 2.0}
    classifier = Classifier(make(calibration={"a": curve, "b": platt, "c": {"method": "platt"}}))
    raw = np.array([[0.4, 0.8, 0.3], [0.2, 0.5, 1.0]])
    expected = [[0.9, 0.64 / 0.68, 0.3], [0.45, 0.5, 1.0]]
    np.testing.assert_allclose(classifier.calibrated(raw), expected, atol=1e-6)
    np.testing.assert_array_equal(classifier.calibrated(raw[0]), classifier.calibrated(raw)[0])
    found = classifier.classify(radiograph)
    np.testing.assert_array_equal(found, classifier.calibrated(classifier.classify_raw(radiograph)))
    assert not np.array_equal(found, classifier.classify_raw(radiograph))


def test_exclusive_classes_sum_to_one_before_and_after(
    make: Callable[..., Bundle], radiograph: Radiograph
) -> None:
    one = {"method": "platt", "slope": 0.5}
    classifier = Classifier(make(exclusive=True, calibration=dict.fromkeys(NAMES, one)))
    assert classifier.classify_raw(radiograph).sum() == pytest.approx(1.0, abs=1e-6)
    assert classifier.classify(radiograph).sum() == pytest.approx(1.0, abs=1e-6)
    found = classifier.calibrated([[0.64, 0.36, 0.0]])
    np.testing.assert_allclose(found, [[8 / 14, 6 / 14, 0.0]], atol=1e-6)


def test_opening_by_folder_and_by_name(plain: Bundle) -> None:
    for name in (plain.path, str(plain.path)):
        assert open_classifier(name).bundle.digest == plain.digest
    with pytest.raises(BundleError, match="nothing-of-this-name: no such bundle"):
        open_classifier("nothing-of-this-name")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "detection"}, "is a bundle for detection; a classifier is needed"),
        ({"input_size": 64}, "but the manifest says"),
        ({"input_channels": 3}, "but the manifest says"),
        (
            {"class_names": ["a", "b"], "operating_points": {"balanced": {"a": 0.5, "b": 0.5}}},
            r"gives .*'probabilities': \[3\].* but the manifest says .*'probabilities': \[2\]",
        ),
        ({"classes": 4}, "unknown key 'classes'"),
    ],
    ids=["task", "size", "channels", "labels", "unknown key"],
)
def test_a_manifest_that_does_not_fit_its_model(
    plain: Bundle, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    copy = shutil.copytree(plain.path, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, **changes}))
    with pytest.raises(BundleError, match=message) as caught:
        open_classifier(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["probabilities", "maps", "gradients"])
def test_a_model_must_have_all_outputs(plain: Bundle, missing: str) -> None:
    import onnx

    model = onnx.load_model_from_string(plain.model)
    kept = [one for one in model.graph.output if one.name != missing]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    bundle = Bundle(plain.path, plain.manifest, model.SerializeToString())
    with pytest.raises(BundleError, match=f"no output '{missing}'.*export the bundle again"):
        Classifier(bundle)


def test_maps_and_gradients_must_fit_each_other(plain: Bundle) -> None:
    import onnx
    from onnx import helper

    model = onnx.load_model_from_string(plain.model)
    for node in model.graph.node:
        node.output[:] = ["all_maps" if name == "maps" else name for name in node.output]
        node.input[:] = ["all_maps" if name == "maps" else name for name in node.input]
    model.graph.node.append(
        helper.make_node("ReduceMax", ["all_maps"], ["maps"], axes=[1], keepdims=1)
    )
    del model.graph.output[1].type.tensor_type.shape.dim[1:]
    for length in (1, 2, 2):
        model.graph.output[1].type.tensor_type.shape.dim.add().dim_value = length
    bundle = Bundle(plain.path, plain.manifest, model.SerializeToString())
    with pytest.raises(BundleError, match=r"'gradients': \[3, 128\].* says .*\[3, 1\]"):
        Classifier(bundle)


def test_serving_needs_no_torch(plain: Bundle) -> None:
    code = (
        "import sys; from lucency.classification.classifier import open_classifier;"
        "import numpy as np; c = open_classifier(sys.argv[1]);"
        "assert c.classify_image(np.zeros((50, 40), np.uint8)).shape == (3,);"
        "heavy = {'torch', 'torchvision', 'ultralytics', 'albumentations', 'sklearn', 'scipy'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(plain.path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_loaded_bundle_may_be_given(plain: Bundle) -> None:
    classifier = Classifier(load_bundle(plain.path), threads=1)
    assert classifier.manifest.class_names == NAMES

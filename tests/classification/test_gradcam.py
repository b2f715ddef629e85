"""Maps by the library and those from feature maps and gradients alone are the same."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lucency.classification.class_map import METHODS
from lucency.classification.classifier import open_classifier
from lucency.classification.gradcam import class_map, explain_run
from lucency.classification.networks import NETWORKS, StagedNetwork, build_network
from lucency.classification.weights import load_initial_weights
from lucency.configs.errors import ConfigError
from lucency.datasets.model_input import model_input
from lucency.datasets.phantoms import make_chests
from lucency.datasets.radiographs import read_radiograph

CLASSES = 4
Map = NDArray[np.float32]


@pytest.fixture(scope="module")
def chest() -> Map:
    """A phantom's chest as the input of a network, (1, 64, 64)."""
    pixels = next(make_chests(1, seed=3, size=128)).pixels
    return model_input((pixels >> 4).astype(np.uint8), size=64, channels=1)


def served(network: StagedNetwork, inputs: Map) -> tuple[Map, Map]:
    """What an ONNX bundle gives: maps (K, h, w) and gradients (C, K)."""
    with torch.inference_mode():
        maps = network.attended(torch.from_numpy(inputs)[None])
        gradients = network.head.gradient(maps.mean(dim=(2, 3)))
    return maps[0].numpy(), gradients[0].numpy()


def spoken_for(maps: Map, gradients: Map) -> int:
    """The class with the most heat; a random network may have none for some."""
    return int(np.argmax([METHODS["gradcam"](maps, row).sum() for row in gradients]))


@pytest.mark.parametrize("name", NETWORKS)
def test_both_ways_give_the_same_map(name: str, chest: Map) -> None:
    torch.manual_seed(0)
    network = build_network(name, classes=CLASSES, channels=1).eval()
    maps, gradients = served(network, chest)
    index = spoken_for(maps, gradients)
    for method, own in METHODS.items():
        expected = own(maps, gradients[index])
        if method == "gradcam":  # the library divides its weights by the number of places
            expected = expected / expected.size
        found = class_map(network, chest, index, method=method)
        assert expected.max() > 0, method
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * expected.max())


@pytest.mark.real_data
def test_ten_radiographs_agree(lucency_data: Path) -> None:
    torch.manual_seed(0)
    network = build_network("tbnet", classes=CLASSES, channels=1).eval()
    for path in sorted((lucency_data / "tb_sites" / "images").iterdir())[::39][:10]:
        inputs = model_input(read_radiograph(path).pixels, size=96, channels=1)
        maps, gradients = served(network, inputs)
        index = spoken_for(maps, gradients)
        for method, own in METHODS.items():
            expected = own(maps, gradients[index])
            found = class_map(network, inputs, index, method=method)
            assert expected.std() > 0, path.name
            assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] >= 0.99, path.name


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["pneumonia", "tb"])
def test_shipped_bundles_agree_with_torch_on_ten_radiographs(name: str, lucency_data: Path) -> None:
    classifier = open_classifier(name)
    manifest = classifier.manifest
    network = build_network(manifest.architecture, classes=1, channels=manifest.input_channels)
    load_initial_weights(network, name=manifest.architecture, weights=name)
    for path in sorted((lucency_data / "tb_sites" / "images").iterdir())[::39][:10]:
        look = classifier.look(read_radiograph(path))
        inputs = model_input(
            look.displayed.image, size=manifest.input_size, channels=manifest.input_channels
        )
        for method, own in METHODS.items():
            # Either may find nothing that speaks for the label, and then both do.
            expected, found = (
                own(look.maps, look.gradients[0]),
                class_map(network, inputs, 0, method=method),
            )
            assert (expected.max() > 0) == (found.max() > 0), path.name
            if expected.max() > 0:
                correlation = np.corrcoef(found.ravel(), expected.ravel())[0, 1]
                assert correlation >= 0.99, (path.name, method)


@pytest.mark.parametrize("method", METHODS)
def test_a_run_is_explained_in_stored_pixels(trained: tuple[Path, Path], method: str) -> None:
    radiograph = read_radiograph(sorted((trained[0] / "images" / "test").iterdir())[1])
    found = explain_run(trained[1], radiograph, method=method)
    assert found.label == "bright"
    assert not found.calibrated
    assert found.threshold is None
    assert 0.0 < found.probability < 1.0
    assert found.heat.shape == radiograph.pixels.shape
    assert found.heat.max() in (0.0, pytest.approx(1.0))


def test_a_label_that_a_run_does_not_know(trained: tuple[Path, Path]) -> None:
    radiograph = read_radiograph(sorted((trained[0] / "images" / "test").iterdir())[0])
    with pytest.raises(ConfigError, match=r"label 'dark': .* name one of: bright"):
        explain_run(trained[1], radiograph, "dark")

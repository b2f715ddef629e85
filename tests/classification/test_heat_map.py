"""Heat of a class from a bundle, in pixels of the stored image."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lucency.classification.class_map import METHODS
from lucency.classification.classifier import Classifier, Look
from lucency.classification.gradcam import class_map
from lucency.classification.heat_map import (
    ClassExplanation,
    class_index,
    draw_explanation,
    explain,
    look_heat,
)
from lucency.classification.networks import StagedNetwork, build_network
from lucency.classification.onnx_export import export_onnx
from lucency.classification.recipe import ClassificationConfig
from lucency.configs.bundle import Bundle, BundleManifest
from lucency.configs.calibration import ClassCalibration
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ConfigError
from lucency.datasets.display import Displayed, display
from lucency.datasets.model_input import model_input
from lucency.datasets.phantoms import make_chests
from lucency.datasets.radiographs import Radiograph

NAMES = ("tb", "pneumonia", "other")
SPEC = DisplaySpec(method="percentile", crop="field", longest_side=100)


@pytest.fixture(scope="module")
def network() -> StagedNetwork:
    torch.manual_seed(1)
    return build_network("small_cnn", classes=3, channels=1).eval()


@pytest.fixture(scope="module")
def classifier(
    network: StagedNetwork, make_config: Callable[..., ClassificationConfig]
) -> Classifier:
    """A random network as a calibrated bundle."""
    recipe = make_config(network="small_cnn", input_size=64, labels=NAMES)
    half = ClassCalibration(method="platt", slope=0.5, intercept=0.0)
    manifest = BundleManifest(
        name="t", task="classification", architecture="small_cnn", class_names=NAMES,
        input_size=64, input_channels=1, display=SPEC, display_digest=SPEC.digest(),
        calibration=dict.fromkeys(NAMES, half),
        operating_points={"balanced": dict.fromkeys(NAMES, 0.4)},
        default_operating_point="balanced", metrics={}, metrics_split="val", parity={},
        training_data={}, libraries={}, licence="AGPL-3.0-or-later", created="2026-01-01",
        files={},
    )  # fmt: skip
    return Classifier(Bundle(Path("t"), manifest, export_onnx(network, recipe)))


@pytest.fixture(scope="module")
def chest() -> Radiograph:
    """A phantom with a black margin at the left, which the crop leaves out."""
    pixels = next(make_chests(1, seed=3, size=160)).pixels
    return Radiograph(np.pad(pixels, ((0, 0), (40, 0))), bits=12, kind="png")


@pytest.mark.parametrize("method", METHODS)
def test_a_bundle_gives_the_librarys_map(
    classifier: Classifier, network: StagedNetwork, chest: Radiograph, method: str
) -> None:
    shown = display(chest, SPEC)
    inputs = model_input(shown.image, size=64, channels=1)
    look = classifier.look(chest)
    hot = 0
    for index in range(3):
        found = METHODS[method](look.maps, look.gradients[index])
        expected = class_map(network, inputs, index, method=method)
        if expected.std() > 0:
            hot += 1
            assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.9999
    assert hot > 0


def test_what_is_explained(classifier: Classifier, chest: Radiograph) -> None:
    probabilities = classifier.classify(chest)
    found = explain(classifier, chest)
    assert found.label == NAMES[int(np.argmax(probabilities))]
    assert found.probability == pytest.approx(float(probabilities.max()), abs=1e-5)
    assert (found.threshold, found.point, found.calibrated) == (0.4, "balanced", True)
    assert explain(classifier, chest, "other").label == "other"
    with pytest.raises(ConfigError, match=r"label 'flu': .* name one of: tb, pneumonia, other"):
        explain(classifier, chest, "flu")


@pytest.mark.parametrize("method", METHODS)
def test_heat_lies_on_the_stored_pixels(chest: Radiograph, method: str) -> None:
    maps = np.zeros((2, 4, 4), dtype=np.float32)
    maps[0, 0, 3] = maps[1, 3, 0] = 5.0
    gradients = np.array([[1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=np.float32)
    # A view of the right 160 x 160, reduced; the network saw it as a square.
    shown = Displayed(np.zeros((100, 100), np.uint8), (40, 0, 200, 160))
    look = Look(np.zeros(3, np.float32), maps, gradients, shown)
    heats = [look_heat(look, index, chest, method=method) for index in range(3)]
    assert {heat.shape for heat in heats} == {(160, 200)}
    top_right, bottom_left = (np.argwhere(heat > 0.99).mean(axis=0) for heat in heats[:2])
    assert tuple(top_right) == pytest.approx((10, 190), abs=6)
    assert tuple(bottom_left) == pytest.approx((150, 50), abs=6)
    assert not heats[2].any()
    assert not any(heat[:, :40].any() for heat in heats)


def test_the_picture_has_the_stored_size_below_its_title(chest: Radiograph) -> None:
    heat = np.zeros((160, 200), dtype=np.float32)
    heat[50:60, 100:120] = 1.0
    calibrated = ClassExplanation(heat, "tb", 0.9, True, threshold=0.4, point="balanced")
    raw = ClassExplanation(heat, "tb", 0.9, False)
    pictures = [draw_explanation(chest, found, SPEC) for found in (calibrated, raw)]
    for picture in pictures:
        assert picture.shape[1] == 200
        below = picture[-160:]
        assert np.ptp(below[55, 110].astype(int)) > 30
        assert np.ptp(below[150, 100].astype(int)) == 0
    heights = [picture.shape[0] for picture in pictures]
    assert heights[0] > heights[1] > 160  # the second has no line for a threshold


def test_without_a_label_the_most_probable_class_is_meant() -> None:
    for order in itertools.permutations((0.1, 0.5, 0.9)):
        assert class_index(NAMES, np.array(order, np.float32), None) == order.index(0.9)
    assert class_index(NAMES, np.zeros(3, np.float32), "pneumonia") == 1

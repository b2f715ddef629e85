"""Heat maps in pixels of the stored image, and the command that draws them."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lucency.configs.bundle import Bundle, BundleManifest, write_bundle
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ConfigError
from lucency.datasets.radiographs import read_radiograph
from lucency.detection.detector import Detector
from lucency.detection.explain_command import explain_detector
from lucency.detection.heat_map import Explanation, draw_heat, explain
from lucency.evaluation.heat_shares import share_in_box


def network() -> bytes:
    """One box (24, 8)-(40, 24) of 64 px, whose score is the brightness there."""
    place = np.array([[[32.0], [16.0], [16.0], [16.0]]], dtype=np.float32)
    ends = {"starts": [0, 0, 8, 24], "stops": [9, 1, 24, 40]}
    nodes = [
        helper.make_node("Slice", ["images", "starts", "stops"], ["part"]),
        helper.make_node("ReduceMean", ["part", "axes"], ["mean"], keepdims=1),
        helper.make_node("Mul", ["mean", "factor"], ["bright"]),
        helper.make_node("Squeeze", ["bright", "last"], ["score"]),
        helper.make_node("Mul", ["score", "zero"], ["nothing"]),
        helper.make_node("Add", ["place", "nothing"], ["boxes"]),
        helper.make_node("Concat", ["boxes", "score"], ["output0"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "bright",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["b", 3, "h", "w"])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["b", 5, 1])],
        [
            numpy_helper.from_array(place, "place"),
            numpy_helper.from_array(np.float32(0.9), "factor"),
            numpy_helper.from_array(np.float32(0.0), "zero"),
            numpy_helper.from_array(np.array([2, 3]), "axes"),
            numpy_helper.from_array(np.array([3]), "last"),
            *(numpy_helper.from_array(np.array(value), name) for name, value in ends.items()),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    spec = DisplaySpec()
    manifest = BundleManifest(
        name="bright", task="detection", architecture="bright", class_names=("spot",),
        input_size=64, input_channels=3, display=spec, display_digest=spec.digest(),
        operating_points={"balanced": {"spot": 0.5}}, default_operating_point="balanced",
        metrics={}, metrics_split="val", parity={}, training_data={}, libraries={},
        licence="AGPL-3.0-or-later", created="2026-01-01", files={},
    )  # fmt: skip
    files = {"model.onnx": network(), "MODEL_CARD.md": b"card"}
    return write_bundle(tmp_path / "bundle", manifest, files)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A bright spot in a stored image of 128 x 64 px; the network sees 64 x 32."""
    pixels = np.full((64, 128), 20, dtype=np.uint8)
    pixels[16:48, 48:80] = 250
    cv2.imwrite(str(tmp_path / "spot.png"), pixels)
    return tmp_path / "spot.png"


def test_a_bundles_map_lies_on_the_stored_image(bundle: Bundle, image: Path) -> None:
    found = explain(Detector(bundle), read_radiograph(image), masks=150)
    np.testing.assert_allclose(found.box_xyxy, [48, 16, 80, 48], atol=0.5)
    assert (found.label, found.heat.shape) == ("spot", (64, 128))
    assert found.score == pytest.approx(0.9 * 250 / 255, abs=0.01)
    assert float(found.heat.max()) == pytest.approx(1.0)
    share = share_in_box(found.heat, found.box_xyxy)
    assert share.area == pytest.approx(32 * 32 / (64 * 128), abs=0.01)
    assert share.heat > 4 * share.area
    again = explain(Detector(bundle), read_radiograph(image), masks=150).heat
    assert again.tobytes() == found.heat.tobytes()


@pytest.mark.parametrize("index", [1, -1], ids=["too many", "below"])
def test_a_box_that_is_not_there(bundle: Bundle, image: Path, index: int) -> None:
    with pytest.raises(ConfigError, match="the model finds 1 in this image"):
        explain(Detector(bundle), read_radiograph(image), index)


def test_the_picture_shows_the_heat_and_the_box(image: Path) -> None:
    heat = np.zeros((64, 128), dtype=np.float32)
    heat[20:30, 50:60] = 1.0
    found = Explanation(heat, np.array([40.0, 16, 80, 48]), "spot", 0.5)
    picture = draw_heat(read_radiograph(image), found, DisplaySpec())
    assert picture.shape == (600, 1200, 3)
    hot, cold = picture[234, 516].astype(int), picture[560, 1100].astype(int)
    assert np.ptp(hot) > 30  # coloured
    assert np.ptp(cold) == 0  # grey as it was


def test_the_command_writes_a_picture(
    bundle: Bundle, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "heat.png"
    explain_detector(str(bundle.path), image, out, masks=60)
    assert cv2.imread(str(out)).shape == (600, 1200, 3)
    told = " ".join(capsys.readouterr().out.split())
    assert "spot 0.88" in told
    assert "below" not in told


def test_a_weak_guess_is_called_one(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grey = tmp_path / "grey.png"
    cv2.imwrite(str(grey), np.full((64, 128), 20, dtype=np.uint8))
    explain_detector(str(bundle.path), grey, tmp_path / "heat.png", masks=60)
    told = " ".join(capsys.readouterr().out.split())
    assert "below the threshold of 'balanced', 0.500" in told


def test_an_image_in_which_nothing_is_found(bundle: Bundle, tmp_path: Path) -> None:
    black = tmp_path / "black.png"
    cv2.imwrite(str(black), np.zeros((64, 128), dtype=np.uint8))
    with pytest.raises(ConfigError, match="finds nothing at all in this image"):
        explain(Detector(bundle), read_radiograph(black), masks=60)


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("weights", ["yolo11n_coco_8bit.pt", "yolo26n_coco_8bit.pt"])
def test_gradients_of_a_checkpoint_lie_in_the_box(lucency_data: Path, weights: str) -> None:
    from lucency.detection.checkpoint_detector import open_checkpoint

    photograph = lucency_data / "formats/labelme/v5/primitives/primitives.jpg"
    radiograph = sorted((lucency_data / "fracatlas/images/Fractured").glob("*.jpg"))[0]
    checkpoint = open_checkpoint(lucency_data / "weights" / weights)
    for path in (photograph, radiograph):
        found = explain(checkpoint, read_radiograph(path))
        share = share_in_box(found.heat, found.box_xyxy)
        assert found.heat.shape == read_radiograph(path).pixels.shape
        assert share.heat > min(0.9, 1.5 * share.area), path.name

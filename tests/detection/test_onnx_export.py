"""A network stored in half precision answers as the one in single precision."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from lucency.detection.offline_ultralytics import import_ultralytics
from lucency.detection.onnx_export import export_onnx, halved
from lucency.detection.weights import load_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network whose batch normalisations scale every channel otherwise."""
    import torch

    torch.manual_seed(0)
    model = import_ultralytics().YOLO("yolo11n.yaml")
    for module in model.model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 2.0)
            module.running_var.uniform_(0.3, 3.0)
    model.model.half().float()
    path = tmp_path_factory.mktemp("weights") / "untrained.pt"
    model.save(str(path))
    return path


@pytest.fixture(scope="module")
def single(checkpoint: Path) -> bytes:
    return export_onnx(checkpoint, image_size=64)


def answer(data: bytes, size: int = 64) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    batch = np.random.default_rng(0).random((1, 3, size, size), dtype=np.float32)
    return np.asarray(session.run(None, {"images": batch})[0])


def test_half_precision_loses_nothing(checkpoint: Path, single: bytes) -> None:
    half = halved(single, load_checkpoint(checkpoint).model)
    assert len(half) < 0.53 * len(single)
    expected, found = answer(single, 96), answer(half, 96)
    np.testing.assert_allclose(found[:, 4:], expected[:, 4:], atol=1e-5)
    np.testing.assert_allclose(found[:, :4], expected[:, :4], atol=1e-2)


def test_no_folder_of_the_training_is_told(single: bytes) -> None:
    told = {entry.key: entry.value for entry in onnx.load_model_from_string(single).metadata_props}
    assert told["task"] == "detect"
    assert "description" not in told


def test_without_batch_normalisation_weights_are_rounded(single: bytes) -> None:
    class Bare:
        def state_dict(self) -> dict[str, object]:
            return {}

    half = halved(single, Bare())
    assert not any(
        tensor.name.endswith(".factor")
        for tensor in onnx.load_model_from_string(half).graph.initializer
    )
    np.testing.assert_allclose(answer(half)[:, 4:], answer(single)[:, 4:], atol=0.05)

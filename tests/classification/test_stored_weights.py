"""Weights in half precision and in 8 bits: as fast, as right, and to be read back."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from lucency.classification.networks import StagedNetwork, build_network
from lucency.classification.onnx_export import export_onnx
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.stored_weights import (
    LEAST_STORED,
    Precision,
    quantised,
    stored_weights,
    with_stored_weights,
)


@pytest.fixture(scope="module")
def network() -> StagedNetwork:
    """Weights as of a trained network: bell-shaped, with a few large ones."""
    torch.manual_seed(0)
    network = build_network("small_cnn", classes=1, channels=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in network.parameters():
            if value.ndim > 1:
                noise = torch.randn(value.shape, generator=generator)
                value.copy_(noise * (noise.abs() > 3).float().mul(2).add(1) * value.std())
    return network.eval()


@pytest.fixture(scope="module")
def single(network: StagedNetwork, make_config: Callable[..., ClassificationConfig]) -> bytes:
    return export_onnx(network, make_config(network="small_cnn", input_size=64))


@pytest.mark.parametrize(
    ("precision", "most", "error"),
    [("fp32", 1.0, 0.0), ("fp16", 0.56, 1e-3), ("int8", 0.36, 0.05)],
)
def test_smaller_files_say_nearly_the_same(
    single: bytes, precision: Precision, most: float, error: float
) -> None:
    data = with_stored_weights(single, precision=precision)
    assert len(data) <= most * len(single)
    images = np.random.default_rng(0).normal(size=(4, 1, 64, 64)).astype(np.float32)
    found, expected = (
        onnxruntime.InferenceSession(one).run(["probabilities"], {"image": images})[0]
        for one in (data, single)
    )
    assert np.abs(found - expected).max() <= error


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_onnx_runtime_widens_them_when_it_opens_the_model(
    single: bytes, tmp_path: Path, precision: Precision
) -> None:
    """Else each image would pay for it: the graph that runs is the one of single precision."""
    kinds = []
    for name, data in (("a", single), ("b", with_stored_weights(single, precision=precision))):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / name)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        onnxruntime.InferenceSession(data, options)
        kinds.append(Counter(node.op_type for node in onnx.load(tmp_path / name).graph.node))
    assert kinds[0] == kinds[1]


def test_single_precision_is_read_back_exactly(network: StagedNetwork, single: bytes) -> None:
    found = stored_weights(single)
    for name, value in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            np.testing.assert_array_equal(found[name], value.numpy())


@pytest.mark.parametrize(("precision", "most"), [("fp16", 5e-4), ("int8", 0.03)])
def test_small_precisions_are_read_back_within_their_rounding(
    network: StagedNetwork, single: bytes, precision: Precision, most: float
) -> None:
    found = stored_weights(with_stored_weights(single, precision=precision))
    for name, value in stored_weights(single).items():
        if value.ndim > 1 and value.size >= LEAST_STORED:
            error = np.linalg.norm(found[name] - value) / np.linalg.norm(value)
            assert 0 < error <= most, name
        else:
            np.testing.assert_array_equal(found[name], value)


def test_steps_are_of_least_squared_error() -> None:
    weights = np.random.default_rng(0).normal(size=(8, 64, 3, 3)).astype(np.float32)
    weights[:, 0, 0, 0] *= 6.0
    levels, scale = quantised(weights)
    assert levels.dtype == np.int8 and scale.shape == (8, 1, 1, 1)
    largest = np.abs(weights).max(axis=(1, 2, 3), keepdims=True) / 127
    by_largest = np.rint(weights / largest) * largest
    errors = [((one - weights) ** 2).sum() for one in (levels * scale, by_largest)]
    assert errors[0] < errors[1]


def test_channels_of_zeros_stay_zeros() -> None:
    weights = np.zeros((2, 5), dtype=np.float32)
    weights[1] = [0.1, -0.2, 0.3, 0.0, 0.05]
    levels, scale = quantised(weights)
    assert not levels[0].any() and np.isfinite(scale).all()
    np.testing.assert_allclose((levels * scale)[1], weights[1], atol=0.003)


def test_what_is_no_onnx_file_is_said() -> None:
    with pytest.raises(ValueError, match="is no ONNX file"):
        stored_weights(b"\xff\xffnot an onnx file")

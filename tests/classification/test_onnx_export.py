"""Every network says in ONNX and in TorchScript what it says in torch."""

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from lucency.classification.networks import (
    NETWORKS,
    StagedNetwork,
    build_network,
    probabilities_of,
)
from lucency.classification.onnx_export import export_onnx, export_torchscript, read_torchscript
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.stored_weights import stored_weights

SIDE = 64
# Both heads, exclusive labels and not, one and three channels, in turn over the networks.
CASES = [
    (name, ("mlp", "linear")[number % 2], number % 4 in (1, 2), (1, 3)[number // 2 % 2])
    for number, name in enumerate(NETWORKS)
]
CASES += [("small_cnn", "linear", False, 3), ("small_cnn", "mlp", True, 1)]


@pytest.fixture
def make(
    make_config: Callable[..., ClassificationConfig],
) -> Callable[..., tuple[StagedNetwork, ClassificationConfig]]:
    def build(
        name: str, head: str, exclusive: bool, channels: int
    ) -> tuple[StagedNetwork, ClassificationConfig]:
        torch.manual_seed(0)
        config = make_config(
            network=name, head=head, exclusive=exclusive, channels=channels, input_size=SIDE,
            labels=["a", "b", "c"], loss="cross_entropy" if exclusive else "bce",
        )  # fmt: skip
        network = build_network(name, classes=3, channels=channels, head=config.head)
        return network.eval(), config

    return build


def inputs(count: int, channels: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, channels, SIDE, SIDE)).astype(np.float32)


@torch.inference_mode()
def expected(network: StagedNetwork, images: np.ndarray, *, exclusive: bool) -> list[np.ndarray]:
    maps = network.attended(torch.from_numpy(images))
    pooled = maps.mean(dim=(2, 3))
    probabilities = probabilities_of(network.head(pooled), exclusive=exclusive)
    return [part.numpy() for part in (probabilities, maps, network.head.gradient(pooled))]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "head", "exclusive", "channels"),
    CASES,
    ids=[f"{n}-{h}-{'one' if e else 'many'}-{c}" for n, h, e, c in CASES],
)
def test_every_network_agrees_and_can_be_read_back(
    make: Callable[..., tuple[StagedNetwork, ClassificationConfig]],
    name: str,
    head: str,
    exclusive: bool,
    channels: int,
) -> None:
    network, config = make(name, head, exclusive, channels)
    data = export_onnx(network, config)
    session = onnxruntime.InferenceSession(data)
    for count in (1, 3):
        images = inputs(count, channels)
        found = session.run(None, {"image": images})
        for one, other in zip(found, expected(network, images, exclusive=exclusive), strict=True):
            assert one.shape == other.shape
            # Maps of untrained residual networks are in the hundreds.
            margin = 1e-4 * max(1.0, float(np.abs(other).max()))
            np.testing.assert_allclose(one, other, rtol=0, atol=margin)
    written = {key: value.shape for key, value in stored_weights(data).items()}
    own = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert written == {k: v for k, v in own.items() if not k.endswith("num_batches_tracked")}


def test_shapes_are_written_down(
    make: Callable[..., tuple[StagedNetwork, ClassificationConfig]],
) -> None:
    session = onnxruntime.InferenceSession(export_onnx(*make("small_cnn", "linear", False, 1)))
    assert [one.shape for one in session.get_inputs()] == [["batch", 1, SIDE, SIDE]]
    assert {one.name: one.shape for one in session.get_outputs()} == {
        "probabilities": ["batch", 3], "maps": ["batch", 128, 4, 4], "gradients": ["batch", 3, 128],
    }  # fmt: skip


def test_equal_parameters_stay_apart(
    make: Callable[..., tuple[StagedNetwork, ClassificationConfig]],
) -> None:
    network, config = make("small_cnn", "mlp", False, 1)
    with torch.no_grad():
        network.head.second.bias.fill_(0.5)
        network.head.second_norm.bias.fill_(0.5)
    model = onnx.load_model_from_string(export_onnx(network, config))
    names = {tensor.name for tensor in model.graph.initializer}
    assert {"head.second.bias", "head.second_norm.bias"} <= names


@pytest.mark.parametrize("exclusive", [False, True], ids=["many", "one"])
def test_torchscript_says_the_same(
    make: Callable[..., tuple[StagedNetwork, ClassificationConfig]], exclusive: bool
) -> None:
    network, config = make("small_cnn", "mlp", exclusive, 1)
    scripted = read_torchscript(export_torchscript(network, config))
    for count in (1, 3):
        images = inputs(count, 1)
        found = scripted(torch.from_numpy(images))
        for one, other in zip(found, expected(network, images, exclusive=exclusive), strict=True):
            np.testing.assert_allclose(one.numpy(), other, atol=1e-6)

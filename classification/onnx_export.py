"""A trained network as ONNX and as TorchScript, with what an explanation is drawn from."""

import io
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning

from lucency.classification.classifier import INPUT, OUTPUTS
from lucency.classification.networks import StagedNetwork, probabilities_of
from lucency.classification.recipe import ClassificationConfig
from lucency.configs.bundle import MODEL

TORCHSCRIPT = "model.torchscript"
_OPSET = 17
_WRAPPED = "network."


class ServedNetwork(nn.Module):
    """The network as it is served: probabilities, feature maps and gradients at once.

    ``forward`` takes (N, channels, size, size) and gives probabilities (N, C), the attended maps
    (N, K, h, w) and the gradient (N, C, K) of each logit by each map's mean.
    """

    def __init__(self, network: StagedNetwork, *, exclusive: bool) -> None:
        super().__init__()
        self.network = network
        self.exclusive = exclusive

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities, maps and gradients of images (N, channels, size, size)."""
        maps = self.network.attended(images)
        pooled = maps.mean(dim=(2, 3))
        probabilities = probabilities_of(self.network.head(pooled), exclusive=self.exclusive)
        return probabilities, maps, self.network.head.gradient(pooled)


def export_onnx(network: StagedNetwork, config: ClassificationConfig) -> bytes:
    """The network as ONNX, for any number of images at a time.

    Input ``image`` (N, channels, size, size) as `model_input` makes it; outputs as
    `ServedNetwork` gives them. Nothing is folded, and each parameter keeps the name that it has in
    ``network.state_dict()``, so that the network can be read back (`stored_weights`); ONNX Runtime
    folds when it opens the model.
    """
    import onnx

    served, example = _served(network, config), _example(config)
    # Of the wrapper alone, which computes nothing by it: else equal parameters become one.
    served.training = True
    axes = {name: {0: "batch"} for name in (INPUT, *OUTPUTS)}
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / MODEL
        torch.onnx.export(
            served,
            (example,),
            path,
            dynamo=False,
            opset_version=_OPSET,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_axes=axes,
        )
        model = onnx.load(path)
    for part in (*model.graph.initializer, *model.graph.node):
        for names in (part.input, part.output) if isinstance(part, onnx.NodeProto) else ():
            names[:] = [name.removeprefix(_WRAPPED) for name in names]
        part.name = part.name.removeprefix(_WRAPPED)
    with torch.inference_mode():
        shapes = [tuple(value.shape) for value in served(example)]
    for output, shape in zip(model.graph.output, shapes, strict=True):
        # The exporter loses some of these behind an Expand.
        dims = output.type.tensor_type.shape.dim
        for dim, length in zip(dims[1:], shape[1:], strict=True):
            dim.dim_value = length
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def export_torchscript(network: StagedNetwork, config: ClassificationConfig) -> bytes:
    """The network as traced TorchScript in single precision; input and outputs as of the ONNX."""
    buffer = io.BytesIO()
    with _quiet():
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            _served(network, config), _example(config), check_trace=False
        )
        torch.jit.save(traced, buffer)
    return buffer.getvalue()


def read_torchscript(data: bytes) -> torch.jit.ScriptModule:
    """What `export_torchscript` made, ready to be called."""
    with _quiet():
        network: torch.jit.ScriptModule = torch.jit.load(  # type: ignore[no-untyped-call]
            io.BytesIO(data), map_location="cpu"
        )
    return network.eval()


def _served(network: StagedNetwork, config: ClassificationConfig) -> nn.Module:
    return ServedNetwork(network, exclusive=config.exclusive).eval().requires_grad_(False)


def _example(config: ClassificationConfig) -> Tensor:
    return torch.zeros(2, config.channels, config.input_size, config.input_size)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep PyTorch from advising its newer exporters, which write no TorchScript."""
    with warnings.catch_warnings():
        for kind in (DeprecationWarning, FutureWarning, TracerWarning):
            warnings.simplefilter("ignore", kind)
        yield

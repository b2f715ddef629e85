"""A YOLO checkpoint as ONNX, with weights in single or in half precision.

Ultralytics folds each batch normalisation into the convolution before it, and rounding those
folded weights to half precision moves probabilities by up to 0.01 and boxes by some pixels. A
checkpoint, though, keeps the unfolded weights in half precision already. `halved` therefore
stores those, as they are, with a factor in single precision for each output channel: nothing is
rounded twice. ONNX Runtime multiplies when it opens the model and computes in single precision.
"""

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lucency.detection.weights import load_checkpoint

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


def export_onnx(checkpoint: Path, *, image_size: int) -> bytes:
    """The network as ONNX with the one-to-many head, any batch and any size of input.

    Parameters
    ----------
    checkpoint
        An Ultralytics ``.pt`` file.
    image_size
        The longer side the network was trained at, in pixels; used to trace it.

    Returns
    -------
    bytes
        Input ``images`` (B, 3, h, w) in 0..1, output (B, 4 + C, N), boxes as centre and size.

    """
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        # Ultralytics writes the ONNX file beside the checkpoint it was given.
        copy = Path(folder) / "model.pt"
        shutil.copyfile(checkpoint, copy)
        written = load_checkpoint(copy).export(
            format="onnx", dynamic=True, simplify=False, imgsz=image_size, verbose=False
        )
        model = onnx.load(written)
    # Ultralytics tells there in which folder the training lay; what else it tells, others may read.
    kept = [entry for entry in model.metadata_props if entry.key != "description"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def halved(data: bytes, network: Any) -> bytes:
    """The same network with its weights stored in half precision.

    Parameters
    ----------
    data
        What `export_onnx` made.
    network
        The unfused torch network of the same checkpoint (``load_checkpoint(path).model``).

    Returns
    -------
    bytes
        About half as long; input and output stay in single precision.

    """
    import onnx

    model = onnx.load_model_from_string(data)
    unfolded = {name: value.detach().float().numpy() for name, value in _tensors(network).items()}
    casts: list[NodeProto] = []
    for tensor in list(model.graph.initializer):
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1:
            weights = onnx.numpy_helper.to_array(tensor)
            model.graph.initializer.remove(tensor)
            half, factor = _unfold(weights, tensor.name, unfolded)
            casts += _stored_half(model.graph, tensor.name, half, factor)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _tensors(network: Any) -> dict[str, Any]:
    return dict(network.state_dict())


def _unfold(
    weights: NDArray[np.float32], name: str, unfolded: dict[str, NDArray[np.float32]]
) -> tuple[NDArray[np.float16], NDArray[np.float32] | None]:
    """Folded weights (O, …) as unfolded ones in half precision and a factor (O, 1, 1, 1).

    The factor is None, and the weights are rounded as they are, where no batch normalisation
    was folded in.
    """
    plain = unfolded.get(name)
    scale = unfolded.get(name.replace("conv.weight", "bn.weight"))
    if plain is None or scale is None or plain.shape != weights.shape:
        return weights.astype(np.float16), None
    # gamma / sqrt(variance + eps), read off the folded weights, so eps need not be known.
    flat, folded = plain.reshape(len(plain), -1), weights.reshape(len(plain), -1)
    power = (flat.astype(np.float64) ** 2).sum(axis=1)
    shared = (flat.astype(np.float64) * folded).sum(axis=1)
    factor = np.divide(shared, power, out=np.zeros_like(power), where=power > 0)
    half = plain.astype(np.float16)
    return half, factor.astype(np.float32).reshape(-1, *[1] * (weights.ndim - 1))


def _stored_half(
    graph: "GraphProto",
    name: str,
    half: NDArray[np.float16],
    factor: NDArray[np.float32] | None,
) -> "list[NodeProto]":
    """Put a half tensor into the graph; the nodes that give it back, under its name, as float."""
    from onnx import TensorProto, helper, numpy_helper

    graph.initializer.append(numpy_helper.from_array(half, f"{name}.half"))
    if factor is None:
        return [helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT)]
    graph.initializer.append(numpy_helper.from_array(factor, f"{name}.factor"))
    widened = f"{name}.float"
    return [
        helper.make_node("Cast", [f"{name}.half"], [widened], to=TensorProto.FLOAT),
        helper.make_node("Mul", [widened, f"{name}.factor"], [name]),
    ]

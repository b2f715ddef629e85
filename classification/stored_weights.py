"""The weights in an ONNX file: stored in half precision or in 8 bits, and read back.

Only how they are stored changes: ONNX Runtime widens them when it opens the model and computes in
single precision, as fast as before. It does so for a Cast and a Mul, but leaves a DequantizeLinear
in the graph, where it costs half as much time again for each image. Half precision keeps 11 bits
of each weight. 8 bits have one scale for each output channel, symmetric about 0, of least squared
error: the largest weight of a channel alone would give most of them a coarser step than they need.
"""

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

Precision = Literal["fp32", "fp16", "int8"]
# Smaller tensors save nothing; biases and the statistics of batch normalisations are vectors.
LEAST_STORED = 1024
_LEVELS = 127
# Steps tried, as shares of the one at which a channel's largest weight is the last level.
_STEPS = np.linspace(0.4, 1.0, 25)
_HALF, _BYTES, _SCALE, _WIDE = ".half", ".int8", ".scale", ".float"


def with_stored_weights(data: bytes, *, precision: Precision) -> bytes:
    """The same network with the weights of its convolutions and linear layers stored otherwise.

    Parameters
    ----------
    data
        What `onnx_export.export_onnx` made.
    precision
        ``fp32`` leaves it as it is; ``fp16`` halves it; ``int8`` leaves little more than a quarter.

    """
    import onnx
    from onnx import numpy_helper

    if precision == "fp32":
        return data
    model = onnx.load_model_from_string(data)
    widening: list[NodeProto] = []
    for tensor in list(model.graph.initializer):
        if len(tensor.dims) > 1 and int(np.prod(tensor.dims)) >= LEAST_STORED:
            weights = numpy_helper.to_array(tensor).astype(np.float32)
            model.graph.initializer.remove(tensor)
            widening += _stored(model.graph, tensor.name, weights, precision)
    nodes = [*widening, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def stored_weights(data: bytes) -> dict[str, NDArray[np.float32]]:
    """The parameters of an ONNX file by the names that they have in torch, in single precision.

    Raises
    ------
    ValueError
        The bytes are no ONNX file.

    """
    import onnx
    from onnx import numpy_helper

    try:
        model = onnx.load_model_from_string(data)
    except Exception:  # protobuf's own exceptions share no public base class
        raise ValueError("the model is no ONNX file") from None
    found = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    weights: dict[str, NDArray[np.float32]] = {}
    for name, values in found.items():
        plain = name.removesuffix(_HALF).removesuffix(_BYTES)
        if plain + _BYTES == name:
            weights[plain] = values.astype(np.float32) * found[plain + _SCALE]
        elif name.removesuffix(_SCALE) + _BYTES not in found:
            weights[plain] = values.astype(np.float32)
    return weights


def quantised(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """``weights`` (O, …) in -127 … 127 and the scale (O, 1, …) of each output channel.

    The step of each channel is the best of `_STEPS`, what lies beyond the last level being cut
    off, then that of least squares for the levels found.
    """
    rows = weights.reshape(len(weights), -1).astype(np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True) / _LEVELS
    # Of a channel of zeros any step is right.
    largest = np.where(largest > 0, largest, 1.0)
    best, least = largest, np.full_like(largest, np.inf)
    for share in _STEPS:
        step = largest * share
        error = ((_levels(rows, step) * step - rows) ** 2).sum(axis=1, keepdims=True)
        best, least = np.where(error < least, step, best), np.minimum(error, least)
    levels = _levels(rows, best)
    power = (levels**2).sum(axis=1, keepdims=True)
    fitted = (levels * rows).sum(axis=1, keepdims=True) / np.where(power > 0, power, 1.0)
    scale = np.where(power > 0, fitted, best).astype(np.float32)
    per_channel = (len(weights), *[1] * (weights.ndim - 1))
    return levels.astype(np.int8).reshape(weights.shape), scale.reshape(per_channel)


def _levels(rows: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.clip(np.rint(rows / step), -_LEVELS, _LEVELS))


def _stored(
    graph: "GraphProto", name: str, weights: NDArray[np.float32], precision: Precision
) -> "list[NodeProto]":
    """Put a tensor into the graph; the nodes that give it back, under its name, as float."""
    from onnx import TensorProto, helper, numpy_helper

    if precision == "fp16":
        half = weights.astype(np.float16)
        graph.initializer.append(numpy_helper.from_array(half, name + _HALF))
        return [helper.make_node("Cast", [name + _HALF], [name], to=TensorProto.FLOAT)]
    levels, scale = quantised(weights)
    graph.initializer.append(numpy_helper.from_array(levels, name + _BYTES))
    graph.initializer.append(numpy_helper.from_array(scale, name + _SCALE))
    return [
        helper.make_node("Cast", [name + _BYTES], [name + _WIDE], to=TensorProto.FLOAT),
        helper.make_node("Mul", [name + _WIDE, name + _SCALE], [name]),
    ]

"""The wire: metadata as KServe's Open Inference Protocol, version 2, has it."""

from pydantic import Field

from lucency.api.schemas import Wire
from lucency.classification.classifier import GRADIENTS, INPUT, MAPS, PROBABILITIES
from lucency.configs.bundle import Bundle

# As Ultralytics names them when it exports a detector.
DETECTOR_INPUT, DETECTOR_OUTPUT = "images", "output0"
ANY = -1


class Tensor(Wire):
    """One input or output of a network."""

    name: str
    datatype: str
    shape: tuple[int, ...] = Field(description="-1 for a side that may vary")


class ServerMetadata(Wire):
    """What the server is."""

    name: str
    version: str
    extensions: tuple[str, ...] = Field(description="of the protocol: none")


class ProtocolModel(Wire):
    """What a network takes and gives: `model.onnx` of its bundle, not `/v1/analyze`."""

    name: str
    versions: tuple[str, ...] = Field(description="SHA-256 of the model file")
    platform: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


class ModelReady(Wire):
    """Whether one model answers."""

    name: str
    ready: bool


def protocol_model(bundle: Bundle) -> ProtocolModel:
    """The metadata of a bundle."""
    manifest = bundle.manifest
    classes, channels, side = (
        len(manifest.class_names),
        manifest.input_channels,
        manifest.input_size,
    )
    if manifest.task == "detection":
        inputs = {DETECTOR_INPUT: (ANY, channels, ANY, ANY)}
        outputs: dict[str, tuple[int, ...]] = {DETECTOR_OUTPUT: (ANY, 4 + classes, ANY)}
    else:
        inputs = {INPUT: (ANY, channels, side, side)}
        outputs = {
            PROBABILITIES: (ANY, classes),
            MAPS: (ANY, ANY, ANY, ANY),
            GRADIENTS: (ANY, classes, ANY),
        }
    return ProtocolModel(
        name=manifest.name,
        versions=(bundle.digest,),
        platform="onnx_onnxv1",
        inputs=tuple(Tensor(name=n, datatype="FP32", shape=shape) for n, shape in inputs.items()),
        outputs=tuple(Tensor(name=n, datatype="FP32", shape=shape) for n, shape in outputs.items()),
    )

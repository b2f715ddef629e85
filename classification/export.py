"""From a training run to a bundle: ONNX, the parity gate, operating points and the model card."""

import datetime
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lucency.annotations.records import read_dataset
from lucency.classification.batches import split_batches
from lucency.classification.classifier import INPUT, OUTPUT, Classifier
from lucency.classification.evaluate import DEFAULT_POINT, choose_points, figures, predict_split
from lucency.classification.model_card import model_card
from lucency.classification.networks import StagedNetwork, build_network
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.run_folder import (
    BEST,
    data_digest,
    library_versions,
    read_environment,
    read_run_config,
)
from lucency.classification.train import predict_logits
from lucency.configs.bundle import (
    MODEL,
    MODEL_CARD,
    WEIGHTS,
    Bundle,
    BundleManifest,
    write_bundle,
)
from lucency.configs.errors import BundleError, ConfigError
from lucency.datasets.labelled import labelled_split

# Single precision and another order of sums move probabilities by about 1e-6.
MAX_PROBABILITY_DIFFERENCE = 1e-4
_OPSET = 17
_LIBRARIES = ("lucency", "torch", "torchvision", "onnx", "onnxruntime", "numpy")


class _Probabilities(nn.Module):
    """The network with its sigmoid, as it is served."""

    def __init__(self, network: StagedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities (N, C) of images (N, channels, size, size)."""
        return torch.sigmoid(self.network(images))


def export(run_dir: Path, dataset_dir: Path, out: Path, *, name: str | None = None) -> Bundle:
    """Export the best epoch of a run as a bundle, complete or not at all.

    Operating points and the figures in the manifest come from the set's validation split.

    Raises
    ------
    BundleError
        ONNX Runtime and PyTorch disagree by more than `MAX_PROBABILITY_DIFFERENCE`.
    ConfigError
        ``run_dir`` has no trained weights, the set is another one than the run was trained on,
        or ``out`` exists already.

    """
    config, environment = read_run_config(run_dir), read_environment(run_dir)
    if environment["dataset_csv_sha256"] != data_digest(dataset_dir):
        raise ConfigError(
            f"{dataset_dir}: is not the set that {run_dir} was trained on, so its validation "
            "split may hold patients of the training; name that set"
        )
    network = read_network(run_dir, config)
    dataset = read_dataset(dataset_dir)
    split = labelled_split(dataset, split="val", labels=config.labels)
    onnx_bytes = export_onnx(network, config)
    draft = _draft(config, environment, name=name or config.name)
    classifier = Classifier(Bundle(out, draft, onnx_bytes))
    probabilities = predict_split(classifier, dataset, split)
    batches = split_batches(dataset, split, config)
    logits = predict_logits(network, batches, device=torch.device("cpu"))
    expected = torch.sigmoid(torch.from_numpy(logits)).numpy()
    difference = _gate(probabilities, expected, where=str(run_dir))
    points = choose_points(split, probabilities)
    found = figures(split, probabilities, points)
    manifest = draft.model_copy(
        update={
            "operating_points": points,
            "metrics": found.summary(),
            "parity": {"images": float(len(split)), "probability": difference},
        }
    )
    manifest = BundleManifest.model_validate(manifest.model_dump())
    counts = {part: len(dataset.in_split(part)) for part in ("train", "val", "test")}
    files = {
        MODEL: onnx_bytes,
        MODEL_CARD: model_card(manifest, config, found, images=counts).encode("utf-8"),
        WEIGHTS: (run_dir / BEST).read_bytes(),
    }
    return write_bundle(out, manifest, files)


def read_network(run_dir: Path, config: ClassificationConfig) -> StagedNetwork:
    """The network of a run's best epoch; raises `ConfigError` if there is none."""
    import safetensors
    import safetensors.torch

    network = build_network(config.network, classes=len(config.labels), channels=config.channels)
    try:
        network.load_state_dict(safetensors.torch.load_file(run_dir / BEST))
    except (OSError, RuntimeError, safetensors.SafetensorError):
        raise ConfigError(
            f"{run_dir / BEST}: is missing or not of this run; train with --resume first"
        ) from None
    return network.eval()


def export_onnx(network: StagedNetwork, config: ClassificationConfig) -> bytes:
    """The network with its sigmoid as ONNX, for any number of images at a time.

    Input ``image`` (N, channels, size, size) as `model_input` makes it, output
    ``probabilities`` (N, C).
    """
    import onnx

    example = torch.zeros(1, config.channels, config.input_size, config.input_size)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        path = Path(folder) / MODEL
        # The exporter that PyTorch prefers needs onnxscript; this one gives the same graph.
        for message in ("You are using the legacy TorchScript", "The feature will be removed"):
            warnings.filterwarnings("ignore", message, category=DeprecationWarning)
        torch.onnx.export(
            _Probabilities(network).eval(),
            (example,),
            path,
            dynamo=False,
            opset_version=_OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
        )
        data = path.read_bytes()
    onnx.checker.check_model(data, full_check=True)
    return data


def _gate(found: NDArray[np.float64], expected: NDArray[np.float32], *, where: str) -> float:
    """The largest difference on the validation images, if it may pass."""
    difference = float(np.abs(found - expected).max())
    # Written so that NaN does not pass.
    if not difference <= MAX_PROBABILITY_DIFFERENCE:
        raise BundleError(
            f"{where}: ONNX Runtime differs from torch by {difference:.1e} in probability; at "
            f"most {MAX_PROBABILITY_DIFFERENCE:.0e} is allowed, so nothing was written"
        )
    return difference


def _draft(
    config: ClassificationConfig, environment: dict[str, Any], *, name: str
) -> BundleManifest:
    """The manifest before anything was measured, with neutral thresholds."""
    return BundleManifest(
        name=name,
        task="classification",
        architecture=config.network,
        class_names=config.labels,
        input_size=config.input_size,
        input_channels=config.channels,
        display=config.display,
        display_digest=config.display.digest(),
        operating_points={DEFAULT_POINT: dict.fromkeys(config.labels, 0.5)},
        default_operating_point=DEFAULT_POINT,
        metrics={},
        metrics_split="val",
        parity={},
        training_data={
            "name": str(environment["dataset"]),
            "sha256": str(environment["dataset_csv_sha256"]),
            "source": str(environment.get("source", "")),
            "weights": Path(config.weights).name,
        },
        libraries=library_versions(_LIBRARIES),
        licence=config.licence,
        intended_use=config.intended_use,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        files={},
    )

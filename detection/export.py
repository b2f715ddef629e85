"""From a trained run to a bundle: ONNX, the parity gate, operating points and the model card."""

import datetime
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lucency.annotations.records import Dataset, read_dataset
from lucency.configs.bundle import (
    MODEL,
    MODEL_CARD,
    WEIGHTS,
    Bundle,
    BundleManifest,
    write_bundle,
)
from lucency.configs.errors import BundleError, DatasetError
from lucency.configs.schema import read_config
from lucency.datasets.display import display
from lucency.datasets.radiographs import read_radiograph
from lucency.detection.decode import letterbox
from lucency.detection.detector import Detector
from lucency.detection.evaluate import figures, predict_split
from lucency.detection.model_card import model_card
from lucency.detection.recipe import DetectionConfig
from lucency.detection.train import BEST, CONFIG, ENVIRONMENT, library_versions, read_summary
from lucency.detection.weights import load_checkpoint, pack_weights
from lucency.evaluation.operating_points import choose_detection_points

# Single precision and another order of sums move results by about 1e-5; more is a fault.
MAX_PROBABILITY_DIFFERENCE = 1e-3
MAX_BOX_DIFFERENCE_PX = 0.1
PARITY_IMAGES = 16


@dataclass(frozen=True)
class Parity:
    """Largest differences between ONNX Runtime and torch on the raw head.

    ``probability`` over all anchors and classes; ``box_px`` in input pixels, over the anchors
    that could become a detection (probability above 0.001).
    """

    images: int
    probability: float
    box_px: float


def export(run: Path, dataset_root: Path, out: Path, *, name: str | None = None) -> Bundle:
    """Export a finished run as a bundle.

    Operating points and the figures in the manifest come from the set's validation split.

    Raises
    ------
    BundleError
        ONNX Runtime and torch differ by more than the gate allows; nothing is written then.
    ConfigError
        ``run`` holds no finished training, or ``out`` exists already.
    DatasetError
        The set has no validation images.

    """
    read_summary(run)
    config = read_config(DetectionConfig, run / CONFIG)
    environment = json.loads((run / ENVIRONMENT).read_text(encoding="utf-8"))
    dataset = read_dataset(dataset_root)
    if not dataset.in_split("val"):
        raise DatasetError(f"{dataset_root}: has no images in 'val' to choose thresholds on")
    model = load_checkpoint(run / BEST)
    class_names = tuple(model.names[index] for index in range(len(model.names)))
    onnx_bytes = export_onnx(run / BEST, image_size=config.image_size)
    trial = _trial_bundle(config, class_names, onnx_bytes, out, environment, name)
    parity = measure_parity(model, Detector(trial), dataset)
    _gate(parity, where=str(run))
    truths, predictions = predict_split(Detector(trial), dataset, "val")
    points = choose_detection_points(truths, predictions, class_names=class_names)
    found = figures(truths, predictions, points.to_manifest(), class_names=class_names)
    manifest = trial.manifest.model_copy(
        update={
            "operating_points": points.to_manifest(),
            "metrics": found.summary(),
            "metrics_split": "val",
            "parity": {
                "images": float(parity.images),
                "probability": parity.probability,
                "box_px": parity.box_px,
            },
        }
    )
    checked = BundleManifest.model_validate(manifest.model_dump())
    files = {
        MODEL: onnx_bytes,
        MODEL_CARD: model_card(checked, config, environment, found).encode("utf-8"),
        WEIGHTS: pack_weights(model.model),
    }
    return write_bundle(out, checked, files)


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
        data = Path(written).read_bytes()
    onnx.checker.check_model(data, full_check=True)
    return data


def measure_parity(model: Any, detector: Detector, dataset: Dataset) -> Parity:
    """Run the torch model and the ONNX detector on the same validation images."""
    import torch

    network = model.model.float().eval()
    worst_probability, worst_box = 0.0, 0.0
    records = dataset.in_split("val")[:PARITY_IMAGES]
    for record in records:
        radiograph = read_radiograph(dataset.image_path(record))
        image = display(radiograph, detector.manifest.display).image
        batch, _ = letterbox(image, input_size=detector.manifest.input_size)
        with torch.no_grad():
            output = network(torch.from_numpy(batch))
        expected = np.asarray((output[0] if isinstance(output, tuple) else output)[0])
        found = detector.raw(batch)[0]
        difference = np.abs(expected - found)
        worst_probability = max(worst_probability, float(difference[4:].max()))
        candidates = expected[4:].max(axis=0) > 0.001
        worst_box = max(worst_box, float(difference[:4, candidates].max(initial=0.0)))
    return Parity(len(records), worst_probability, worst_box)


def _gate(parity: Parity, *, where: str) -> None:
    if parity.probability > MAX_PROBABILITY_DIFFERENCE or parity.box_px > MAX_BOX_DIFFERENCE_PX:
        raise BundleError(
            f"{where}: ONNX Runtime differs from torch by {parity.probability:.1e} in probability "
            f"and {parity.box_px:.2f} px in boxes; at most {MAX_PROBABILITY_DIFFERENCE} and "
            f"{MAX_BOX_DIFFERENCE_PX} px are allowed, so nothing was written"
        )


def _trial_bundle(
    config: DetectionConfig,
    class_names: tuple[str, ...],
    model: bytes,
    path: Path,
    environment: dict[str, Any],
    name: str | None,
) -> Bundle:
    """A bundle in memory with neutral thresholds, to measure with."""
    manifest = BundleManifest(
        name=name or config.name,
        task="detection",
        architecture=str(environment["architecture"]),
        class_names=class_names,
        input_size=config.image_size,
        input_channels=3,
        display=config.display,
        display_digest=config.display.digest(),
        operating_points={"balanced": dict.fromkeys(class_names, 0.25)},
        default_operating_point="balanced",
        metrics={},
        metrics_split="val",
        parity={},
        training_data={
            "name": str(environment["dataset"]),
            "sha256": str(environment["dataset_sha256"]),
            "source": str(environment.get("source", config.data_source)),
            "weights": Path(environment["weights"]).name,
            "weights_sha256": str(environment["weights_sha256"]),
        },
        libraries=library_versions(),
        licence=config.licence,
        intended_use=config.intended_use,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        files={},
    )
    return Bundle(path, manifest, model)

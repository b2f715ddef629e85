"""From a training run to a bundle: ONNX, the parity gate, calibration, thresholds and the card."""

import datetime
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lucency.annotations.records import Dataset, read_dataset
from lucency.classification.card_pictures import card_pictures
from lucency.classification.classifier import Classifier
from lucency.classification.evaluate import manifest_figures
from lucency.classification.measurement import CHIEF_POINT, measured_split
from lucency.classification.model_card import model_card
from lucency.classification.networks import StagedNetwork, build_network
from lucency.classification.onnx_export import (
    TORCHSCRIPT,
    ServedNetwork,
    export_onnx,
    export_torchscript,
    read_torchscript,
)
from lucency.classification.parity import Parity, measure_parity, refusal
from lucency.classification.predictions import Progress, bundle_model, raw_probabilities
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.run_folder import (
    BEST,
    library_versions,
    read_environment,
    read_run_config,
)
from lucency.classification.stored_weights import Precision, with_stored_weights
from lucency.classification.typical_bundle import typical_part
from lucency.classification.validation import Steps, Validation, validate
from lucency.configs.bundle import (
    MODEL,
    MODEL_CARD,
    WEIGHTS,
    Bundle,
    BundleManifest,
    write_bundle,
)
from lucency.configs.errors import BundleError, ConfigError
from lucency.datasets.cache import SquareCache
from lucency.datasets.digest import table_digest
from lucency.datasets.labelled import LabelledSplit
from lucency.datasets.model_input import normalised

SPLIT = "val"
_LIBRARIES = ("lucency", "torch", "torchvision", "timm", "onnx", "onnxruntime", "numpy")


def export(
    run_dir: Path,
    dataset_dir: Path,
    out: Path,
    *,
    name: str | None = None,
    precision: Precision = "fp32",
    torchscript: bool = False,
    with_weights: bool = True,
    samples: int = 1000,
    on_step: Steps | None = None,
) -> Bundle:
    """Export the best epoch of a run as a bundle, complete or not at all.

    Calibration, operating points and the figures in the manifest come from the set's validation
    split. ``torchscript`` puts the network beside the ONNX as TorchScript, in single precision;
    ``with_weights`` the weights to train on from, without which those of the ONNX must do.
    ``samples`` bootstrap sets make the intervals; ``on_step`` names what begins and is told how
    far it is.

    Raises
    ------
    BundleError
        The exported network differs from torch by more than the gate allows; nothing is written.
    ConfigError
        ``run_dir`` has no trained weights, the set is another one than the run was trained on,
        or ``out`` exists already.

    """
    steps = on_step or _silent
    config, environment = read_run_config(run_dir), read_environment(run_dir)
    dataset = _training_set(run_dir, dataset_dir, environment)
    if out.exists():
        raise ConfigError(f"{out}: exists already; name a new folder")
    network = read_network(run_dir, config)
    steps("Writing ONNX")(0, 1)
    data = with_stored_weights(export_onnx(network, config), precision=precision)
    draft = _draft(config, environment, name=name or config.name, precision=precision)
    classifier = Classifier(Bundle(out, draft.model_copy(update={"files": _digest(data)}), data))
    split = measured_split(bundle_model(classifier, dataset), dataset, SPLIT)
    expected = torch_probabilities(
        ServedNetwork(network, exclusive=config.exclusive),
        dataset,
        split,
        config,
        on_image=steps("Asking torch"),
    )
    raw = raw_probabilities(
        classifier, dataset, split.records, on_image=steps("Comparing ONNX Runtime with torch")
    )
    parity = _passed(measure_parity(expected, raw, split), precision, where=str(run_dir))
    told, files = parity.to_manifest(), {MODEL: data}
    if torchscript:
        on_image = steps("Comparing TorchScript with torch")
        scripted = export_torchscript(network, config)
        again = torch_probabilities(
            read_torchscript(scripted), dataset, split, config, on_image=on_image
        )
        same = _passed(measure_parity(expected, again, split), "fp32", where=str(run_dir))
        files[TORCHSCRIPT], told["torchscript_probability"] = scripted, same.probability
    if with_weights:
        files[WEIGHTS] = (run_dir / BEST).read_bytes()
    found = validate(raw, split, config, samples=samples, on_step=steps)
    part = typical_part(classifier, dataset, on_step=steps)
    checked = _measured(draft, found, told).model_copy(update={"typical": part.spec})
    pictures = card_pictures(found)
    card = model_card(checked, config, environment, found, dataset=dataset, pictures=list(pictures))
    files |= {MODEL_CARD: card.encode("utf-8"), **pictures, **(part.files or {})}
    return write_bundle(out, checked, files)


def read_network(run_dir: Path, config: ClassificationConfig) -> StagedNetwork:
    """The network of a run's best epoch; raises `ConfigError` if there is none."""
    import safetensors
    import safetensors.torch

    network = build_network(
        config.network,
        classes=len(config.labels),
        channels=config.channels,
        head=config.head,
    )
    try:
        network.load_state_dict(safetensors.torch.load_file(run_dir / BEST))
    except (OSError, RuntimeError, safetensors.SafetensorError):
        raise ConfigError(
            f"{run_dir / BEST}: is missing or not of this run; train with --resume first"
        ) from None
    return network.eval()


@torch.inference_mode()
def torch_probabilities(
    network: Callable[[Tensor], tuple[Tensor, ...]],
    dataset: Dataset,
    split: LabelledSplit,
    config: ClassificationConfig,
    *,
    on_image: Progress,
) -> NDArray[np.float64]:
    """Probabilities (N, C) by torch of the images of ``split``, from the cache of the training.

    ``network`` gives them first, as `ServedNetwork` does; ``on_image`` is told how many of how
    many images are done.

    Raises
    ------
    ImageError
        An image cannot be read, or is not the one of the table.

    """
    cache = SquareCache(dataset.root, config.display, side=config.input_size)
    rows: list[NDArray[np.float32]] = []
    for first in range(0, len(split), config.batch):
        squares = [
            cache.square(dataset.image_path(record), record.sha256)
            for record in split.records[first : first + config.batch]
        ]
        inputs = np.stack([normalised(square, channels=config.channels) for square in squares])
        rows.append(network(torch.from_numpy(inputs))[0].numpy())
        on_image(first + len(squares), len(split))
    return np.concatenate(rows).astype(np.float64)


def _training_set(run_dir: Path, dataset_dir: Path, environment: dict[str, Any]) -> Dataset:
    dataset = read_dataset(dataset_dir)
    if environment["dataset_csv_sha256"] != table_digest(dataset):
        raise ConfigError(
            f"{dataset_dir}: is not the set that {run_dir} was trained on, so its validation "
            "split may hold patients of the training; name that set"
        )
    return dataset


def _passed(parity: Parity, precision: Precision, *, where: str) -> Parity:
    reason = refusal(parity, precision)
    if reason is not None:
        raise BundleError(
            f"{where}: as {precision} the network is too far from torch on {parity.images} "
            f"validation images: {reason}; nothing was written"
            + ("" if precision == "fp32" else "; export it as fp32")
        )
    return parity


def _draft(
    config: ClassificationConfig, environment: dict[str, Any], *, name: str, precision: Precision
) -> BundleManifest:
    """The manifest before anything was measured, with neutral thresholds."""
    return BundleManifest(
        name=name,
        task="classification",
        architecture=config.network,
        class_names=config.labels,
        input_size=config.input_size,
        input_channels=config.channels,
        precision=precision,
        display=config.display,
        display_digest=config.display.digest(),
        exclusive=config.exclusive,
        role=config.role,
        kinds=config.kinds,
        operating_points={CHIEF_POINT: dict.fromkeys(config.labels, 0.5)},
        default_operating_point=CHIEF_POINT,
        metrics={},
        metrics_split=SPLIT,
        parity={},
        training_data={
            "name": str(environment["dataset"]),
            "sha256": str(environment["dataset_csv_sha256"]),
            "source": str(environment.get("source", "")),
            "weights": Path(config.weights).name,
        },
        libraries=library_versions(_LIBRARIES),
        licence=config.licence,
        commercial_use=config.commercial_use,
        intended_use=config.intended_use,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        files={},
    )


def _measured(draft: BundleManifest, found: Validation, parity: dict[str, float]) -> BundleManifest:
    """The manifest with what was measured, checked as a whole."""
    metrics, intervals = manifest_figures(found.measures)
    manifest = draft.model_copy(
        update={
            "calibration": found.calibration,
            "operating_points": found.points.to_manifest(),
            "metrics": metrics,
            "metric_intervals": intervals,
            "parity": parity,
        }
    )
    return BundleManifest.model_validate(manifest.model_dump())


def _digest(data: bytes) -> dict[str, str]:
    return {MODEL: hashlib.sha256(data).hexdigest()}


def _silent(step: str) -> Progress:
    return lambda done, total: None

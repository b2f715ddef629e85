"""From a trained run to a bundle: ONNX, the parity gate, validation and the model card."""

import datetime
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lucency.annotations.records import Dataset, read_dataset
from lucency.configs.bundle import (
    MODEL,
    MODEL_CARD,
    WEIGHTS,
    Bundle,
    BundleManifest,
    write_bundle,
)
from lucency.configs.errors import BundleError, ConfigError, DatasetError
from lucency.configs.inference import InferenceOptions
from lucency.configs.schema import read_config
from lucency.detection.card_pictures import card_pictures
from lucency.detection.detector import Detector
from lucency.detection.evaluate import manifest_figures
from lucency.detection.model_card import model_card
from lucency.detection.onnx_export import export_onnx, halved
from lucency.detection.parity import Parity, Precision, measure_parity, refusal
from lucency.detection.predictions import Progress, check_classes, split_records
from lucency.detection.quantise import FLOAT_PARTS, calibration_batches, quantised
from lucency.detection.recipe import DetectionConfig
from lucency.detection.run_folder import (
    BEST,
    CONFIG,
    ENVIRONMENT,
    library_versions,
    read_environment,
    read_summary,
)
from lucency.detection.validation import SPLIT, validate
from lucency.detection.weights import load_checkpoint, pack_weights

Steps = Callable[[str], Progress]
ONE_LOOK = InferenceOptions()


def export(
    run: Path,
    dataset_root: Path,
    out: Path,
    *,
    name: str | None = None,
    precision: Precision = "fp32",
    inference: InferenceOptions = ONE_LOOK,
    with_weights: bool = True,
    samples: int = 1000,
    on_step: Steps | None = None,
) -> Bundle:
    """Export a finished run as a bundle.

    Calibration, operating points and the figures in the manifest come from the set's validation
    split, looked at as ``inference`` says. ``with_weights`` puts ``weights.safetensors`` beside
    the model, to train on from. ``samples`` bootstrap sets make the intervals; ``on_step`` names
    what begins and is told how far it is.

    Raises
    ------
    BundleError
        The exported network differs from torch by more than the gate allows; nothing is written.
    ConfigError
        ``run`` holds no finished training, or ``out`` exists already.
    DatasetError
        The set has no validation images, or other classes than the run.

    """
    steps = on_step or _silent
    read_summary(run)
    config = read_config(DetectionConfig, run / CONFIG)
    environment = read_environment(run)
    if not environment:
        raise ConfigError(f"{run / ENVIRONMENT}: is missing or damaged; train again")
    if out.exists():
        raise ConfigError(f"{out}: exists already; name a new folder")
    dataset = read_dataset(dataset_root)
    if not dataset.in_split(SPLIT):
        raise DatasetError(
            f"{dataset_root}: has no images in '{SPLIT}' to choose thresholds on; "
            f"split it with `lucency split`"
        )
    names = load_checkpoint(run / BEST).names
    class_names = tuple(str(names[index]) for index in range(len(names)))
    check_classes(dataset, class_names)
    draft = _draft(config, class_names, environment, name).model_copy(
        update={"precision": precision, "inference": inference}
    )
    trial, parity = _passing_model(run, dataset, Bundle(out, draft, b""), steps)
    found = validate(Detector(trial), dataset, config, samples=samples, on_step=steps)
    metrics, intervals = manifest_figures(found.measures)
    manifest = draft.model_copy(
        update={
            "calibration": found.calibration,
            "operating_points": found.points.to_manifest(),
            "metrics": metrics,
            "metric_intervals": intervals,
            "parity": parity.to_manifest(),
        }
    )
    checked = BundleManifest.model_validate(manifest.model_dump())
    pictures = card_pictures(found, dataset, config.display)
    card = model_card(checked, config, environment, found, dataset=dataset, pictures=list(pictures))
    files = {MODEL: trial.model, MODEL_CARD: card.encode("utf-8"), **pictures}
    if with_weights:
        files[WEIGHTS] = pack_weights(load_checkpoint(run / BEST).model)
    return write_bundle(out, checked, files)


def _passing_model(
    run: Path, dataset: Dataset, draft: Bundle, steps: Steps
) -> tuple[Bundle, Parity]:
    """The first network of the draft's precision that passes the parity gate.

    Raises `BundleError`, with the figures, if none does.
    """
    precision = draft.manifest.precision
    records = split_records(dataset, SPLIT)
    reason: str | None = None
    for data in _candidates(run, dataset, draft.manifest, steps):
        digest = {MODEL: hashlib.sha256(data).hexdigest()}
        trial = Bundle(draft.path, draft.manifest.model_copy(update={"files": digest}), data)
        parity = measure_parity(
            load_checkpoint(run / BEST).model,
            Detector(trial),
            dataset,
            records,
            precision=precision,
            on_image=steps("Comparing with torch"),
        )
        reason = refusal(parity, precision)
        if reason is None:
            return trial, parity
    raise BundleError(
        f"{run}: as {precision} the network is too far from torch on {len(records)} validation "
        f"images: {reason}; nothing was written"
        + ("" if precision == "fp32" else "; export it as fp32")
    )


def _candidates(
    run: Path, dataset: Dataset, manifest: BundleManifest, steps: Steps
) -> Iterator[bytes]:
    """Networks of the precision that is wanted, the smallest first."""
    steps("Writing ONNX")
    single = export_onnx(run / BEST, image_size=manifest.input_size)
    if manifest.precision == "fp32":
        yield single
    elif manifest.precision == "fp16":
        yield halved(single, load_checkpoint(run / BEST).model)
    else:
        batches = calibration_batches(dataset, manifest.display, input_size=manifest.input_size)
        for float_parts in FLOAT_PARTS:
            steps("Quantising")
            yield quantised(single, batches, float_parts=float_parts)


def _draft(
    config: DetectionConfig,
    class_names: tuple[str, ...],
    environment: dict[str, Any],
    name: str | None,
) -> BundleManifest:
    """A manifest with neutral thresholds and no calibration, to measure with."""
    return BundleManifest(
        name=name or config.name,
        task="detection",
        architecture=str(environment["architecture"]),
        class_names=class_names,
        input_size=config.image_size,
        input_channels=3,
        display=config.display,
        display_digest=config.display.digest(),
        kinds=config.kinds,
        operating_points={"balanced": dict.fromkeys(class_names, 0.25)},
        default_operating_point="balanced",
        metrics={},
        metrics_split=SPLIT,
        parity={},
        training_data={
            "name": str(environment["dataset"]),
            "sha256": str(environment["dataset_sha256"]),
            "source": str(environment.get("source") or config.data_source),
            "weights": Path(environment["weights"]).name,
            "weights_sha256": str(environment["weights_sha256"]),
        },
        libraries=library_versions(),
        licence=config.licence,
        commercial_use=config.commercial_use,
        intended_use=config.intended_use,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        files={},
    )


def _silent(step: str) -> Progress:
    return lambda done, total: None

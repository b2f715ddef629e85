"""Opening what `lucency evaluate` is given: a bundle, a `.pt` checkpoint or COCO results JSON."""

import hashlib
from pathlib import Path

import numpy as np

from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs.errors import ConfigError
from lucency.configs.point_targets import PointTargets
from lucency.configs.schema import read_config
from lucency.detection.detector import LEAST_SCORE, open_detector
from lucency.detection.predictions import (
    EVALUATION_DETECTIONS,
    Model,
    bundle_model,
    check_classes,
    stored_image,
)
from lucency.detection.recipe import DetectionConfig
from lucency.detection.run_folder import CONFIG, RESULTS, read_environment
from lucency.evaluation.boxes import ImagePredictions
from lucency.evaluation.coco_results import read_results
from lucency.evaluation.recorded_predictions import recorded, recorded_thresholds


def open_model(name: str, dataset: Dataset, *, coco_truth: Path | None = None) -> Model:
    """Open what ``name`` means: a `.pt` or `.json` file, or a bundle's folder or shipped name.

    Raises
    ------
    BundleError, ConfigError, AnnotationError
        It cannot be opened.
    DatasetError
        Its classes are not those of the set, or its results do not fit the set.

    """
    path = Path(name)
    if path.suffix not in (".pt", ".json"):
        return bundle_model(open_detector(name), dataset)
    if not path.is_file():
        raise ConfigError(f"{name}: no such file; give a bundle, a .pt or a COCO results .json")
    return (
        _checkpoint(path, dataset) if path.suffix == ".pt" else _results(path, dataset, coco_truth)
    )


def _checkpoint(path: Path, dataset: Dataset) -> Model:
    from lucency.detection.checkpoint_detector import open_checkpoint

    opened = open_checkpoint(path)
    check_classes(dataset, opened.class_names)

    def predict(record: ImageRecord) -> ImagePredictions:
        return opened.predict(
            stored_image(dataset, record),
            image=str(record.image),
            conf=LEAST_SCORE,
            max_detections=EVALUATION_DETECTIONS,
        )

    targets: PointTargets | None = None
    facts, name, results_csv = {}, path.stem, None
    if opened.run is not None:
        config = read_config(DetectionConfig, opened.run / CONFIG)
        targets, name = config.operating_points, f"{opened.run.name}/{path.name}"
        facts = read_environment(opened.run)
        results_csv = opened.run / RESULTS
    return Model(
        name=name,
        kind="checkpoint",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        predict=predict,
        targets=targets,
        display=opened.display,
        trained_on=str(facts.get("dataset", "")),
        data_sha256=str(facts.get("dataset_sha256", "")),
        results_csv=results_csv,
    )


def _results(path: Path, dataset: Dataset, coco_truth: Path | None) -> Model:
    found = read_results(path, dataset, coco_truth=coco_truth)
    nothing = np.zeros(0)

    def predict(record: ImageRecord) -> ImagePredictions:
        image = str(record.image)
        none = ImagePredictions(image, np.zeros((0, 4)), nothing, nothing.astype(np.int64))
        return found.predictions.get(image, none)

    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    ours = recorded(path, sha256)
    return Model(
        name=str(ours.get("model", path.stem)),
        kind="COCO results",
        sha256=sha256,
        predict=predict,
        thresholds=recorded_thresholds(ours, dataset.label_map.names),
        trained_on=str(ours.get("trained_on", "")),
        data_sha256=str(ours.get("data_sha256", "")),
        notes=found.notes,
        covers=frozenset(found.predictions),
    )

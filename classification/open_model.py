"""Opening what `lucency evaluate` is given: a classifier's bundle, or a table of probabilities."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lucency.annotations.records import Dataset, ImageRecord
from lucency.classification.classifier import open_classifier
from lucency.classification.predictions import Model, Probabilities, Progress, bundle_model
from lucency.classification.predictions_csv import ProbabilityTable, read_probabilities
from lucency.configs.errors import ConfigError
from lucency.evaluation.recorded_predictions import recorded, recorded_thresholds

TABLE = ".csv"
# Rounded to three digits, probabilities of labels that exclude each other still sum to about 1.
_SUM_MARGIN = 5e-3


def open_model(name: str, dataset: Dataset) -> Model:
    """Open what ``name`` means: a `.csv` file, or a bundle's folder or shipped name.

    Raises
    ------
    BundleError, ConfigError, AnnotationError
        It cannot be opened.
    DatasetError
        A table's columns or images are not those of the set.

    """
    path = Path(name)
    if path.suffix.lower() != TABLE:
        return bundle_model(open_classifier(name), dataset)
    if not path.is_file():
        raise ConfigError(f"{name}: no such file; give a bundle, or a .csv of probabilities")
    found = read_probabilities(path, dataset)

    def predict(records: Sequence[ImageRecord], on_image: Progress | None) -> Probabilities:
        return found.of(records, where=name)

    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    ours: dict[str, Any] = recorded(path, sha256)
    return Model(
        name=str(ours.get("model", path.stem)),
        kind="table of probabilities",
        sha256=sha256,
        class_names=found.labels,
        predict=predict,
        exclusive=bool(ours.get("exclusive", _exclude_each_other(found, dataset))),
        thresholds=recorded_thresholds(ours, found.labels),
        kinds=tuple(kind for kind in ours.get("kinds", ()) if kind in ("chest", "bone")),
        trained_on=str(ours.get("trained_on", "")),
        data_sha256=str(ours.get("data_sha256", "")),
        notes=found.notes,
        covers=frozenset(found.values),
    )


def _exclude_each_other(found: ProbabilityTable, dataset: Dataset) -> bool:
    """Whether every row sums to 1, and every image of the set has exactly one of the labels."""
    if len(found.labels) < 2:
        return False
    sums = np.array([values.sum() for values in found.values.values()])
    said = [[record.label(label) for label in found.labels] for record in dataset.records]
    known = [values for values in said if any(value is not None for value in values)]
    return bool(np.all(np.abs(sums - 1.0) <= _SUM_MARGIN)) and all(
        values.count(True) == 1 for values in known
    )

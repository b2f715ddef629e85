"""What a network's features tell: how well a linear probe finds a column of the table in them.

A site that can be read off the features of a classifier for tuberculosis is something that it may
rest on. Linear probes: Alain and Bengio, "Understanding intermediate layers using linear classifier
probes" (arXiv:1610.01644); sites in radiographs: Zech et al., PLoS Medicine 2018.
"""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import COLUMNS, DATASET_CSV, Dataset, ImageRecord
from lucency.configs.errors import DatasetError
from lucency.evaluation.bootstrap import patient_weights
from lucency.evaluation.estimates import Estimate, estimate

FOLDS = 5
MOST_VALUES = 20
SAMPLES = 1000
# Strong, since there may be more features than images.
_INVERSE_PENALTY = 0.1
_NOT_MEASURED = Estimate(None)


@dataclass(frozen=True)
class Probe:
    """How often a linear classifier of the features names a column's value.

    ``accuracy`` is measured on images of patients that it did not learn from, with the interval of
    a bootstrap over patients; ``chance`` is the share of the most frequent value. ``values`` and
    ``images`` count what takes part. Where nothing can be measured both are empty, and ``reason``
    says why.
    """

    column: str
    values: int
    images: int
    accuracy: Estimate = _NOT_MEASURED
    chance: float | None = None
    reason: str = ""


def column_of(records: Sequence[ImageRecord], column: str) -> tuple[str, ...]:
    """A column's values as they stand, empty where nothing is stated."""
    own = column in COLUMNS
    return tuple(
        str(getattr(record, column) if own else record.extra.get(column, "")).strip()
        for record in records
    )


def check_columns(dataset: Dataset, columns: Sequence[str]) -> None:
    """Raise `DatasetError` where a column is not in the table."""
    known = {name for record in dataset.records for name in record.extra}
    for column in columns:
        if column not in known and column not in COLUMNS:
            raise DatasetError(
                f"{dataset.root / DATASET_CSV}: has no column '{column}'; its columns are: "
                f"{', '.join(sorted({'patient_id', 'status', 'source'} | known))}"
            )


def patients_of(records: Sequence[ImageRecord]) -> tuple[str, ...]:
    """The patient of each image; one who is not known is a patient of that image alone."""
    return tuple(f"p {r.patient_id}" if r.patient_id else f"i {r.image}" for r in records)


def probe(
    features: NDArray[np.float32],
    values: Sequence[str],
    patients: Sequence[str],
    *,
    column: str,
    seed: int = 0,
) -> Probe:
    """Ask features (N, K) for the ``values`` (N,) of a column; empty ones take no part.

    Five folds, each patient in one of them. Values of fewer than five patients cannot stand in
    every fold and take no part either.
    """
    different = Counter(value for value in values if value)
    if len(different) > MOST_VALUES:
        reason = f"more than {MOST_VALUES} values"
        return Probe(column, len(different), sum(different.values()), reason=reason)
    pairs = {(value, patient) for value, patient in zip(values, patients, strict=True) if value}
    of_value = Counter(value for value, _ in pairs)
    taken = [value for value in sorted(different) if of_value[value] >= FOLDS]
    rows = np.flatnonzero(np.isin(np.asarray(values), taken))
    if len(taken) < 2:
        reason = f"fewer than two values with {FOLDS} patients"
        return Probe(column, len(taken), len(rows), reason=reason)
    truth = np.unique(np.asarray(values)[rows], return_inverse=True)[1]
    groups = np.unique(np.asarray(patients)[rows], return_inverse=True)[1]
    right = (_named(features[rows], truth, groups, seed=seed) == truth).astype(np.float64)
    weights = patient_weights(groups, samples=SAMPLES, seed=seed)
    found = estimate(float(right.mean()), weights @ right / weights.sum(axis=1))
    return Probe(column, len(taken), len(rows), found, float(np.bincount(truth).max() / len(rows)))


def _named(
    features: NDArray[np.float32],
    truth: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    seed: int,
) -> NDArray[np.int64]:
    """The value (N,) that is named for each image by a classifier that has not seen its patient."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    named = np.empty(len(truth), dtype=np.int64)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for learnt, asked in folds.split(features, truth, groups):
        if len(np.unique(truth[learnt])) < 2:
            named[asked] = truth[learnt[0]]
            continue
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=_INVERSE_PENALTY, max_iter=500)
        )
        with warnings.catch_warnings():
            # Where it has not quite converged the figure is the same to the digits shown.
            warnings.simplefilter("ignore")
            named[asked] = model.fit(features[learnt], truth[learnt]).predict(features[asked])
    return named

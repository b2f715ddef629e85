"""What a comparison of variants shows: each one's AUC, and how it differs from the first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray

from lucency.classification.compare import VariantRun
from lucency.configs.errors import DatasetError
from lucency.evaluation.bootstrap import Key, Meter, measure_samples
from lucency.evaluation.delong import delong_interval, delong_test
from lucency.evaluation.estimates import Estimate, estimate
from lucency.evaluation.roc import weighted_auc

SAMPLES = 1000


@dataclass(frozen=True)
class Row:
    """One label of one run.

    ``auc`` has the interval of the bootstrap over patients, ``auc_delong`` DeLong's;
    ``difference`` is to the first variant with the same seed, on the same draws, and ``p_value``
    DeLong's of it; both are None for the first itself.
    """

    run: VariantRun
    label: str
    auc: Estimate
    auc_delong: Estimate
    difference: Estimate | None
    p_value: float | None


@dataclass(frozen=True)
class SeedSpread:
    """The AUC of a variant over its seeds: ``sd`` is the sample's."""

    variant: str
    label: str
    mean: float
    sd: float
    low: float
    high: float


def measure_variants(
    runs: Sequence[VariantRun], *, samples: int = SAMPLES, seed: int = 0
) -> tuple[Row, ...]:
    """Measure every label of every run; ``runs`` start with the first variant, seed by seed.

    Raises
    ------
    DatasetError
        The runs did not predict the same images.

    """
    first = runs[0].held
    if any(run.held.images != first.images for run in runs):
        raise DatasetError("the variants were not measured on the same images; start again")
    patients = np.array([p or image for p, image in zip(first.patients, first.images, strict=True)])
    rows: list[Row] = []
    for number, label in enumerate(first.labels):
        known = ~np.isnan(first.truth[:, number])
        truth = first.truth[known, number] == 1
        scores = [run.held.probabilities[known, number] for run in runs]
        meters = [_meter(truth, score, at) for at, score in enumerate(scores)]
        found = measure_samples(meters, patients[known], samples=samples, seed=seed)
        first_of = {run.seed: at for at, run in reversed(list(enumerate(runs)))}
        for at, run in enumerate(runs):
            base = first_of[run.seed]
            mine, other = found[_key(at)], found[_key(base)]
            apart = estimate(mine.value - other.value, mine.samples - other.samples)
            test = delong_test(truth, scores[base], scores[at])
            rows.append(
                Row(
                    run=run,
                    label=label,
                    auc=mine.estimate(),
                    auc_delong=delong_interval(truth, scores[at]),
                    difference=None if at == base else apart,
                    p_value=None if at == base else test.p_value,
                )
            )
    return tuple(rows)


def seed_spreads(rows: Sequence[Row]) -> tuple[SeedSpread, ...]:
    """How far the AUC of each variant varies with the seed; nothing where there is one seed."""
    values: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row.auc.value is not None:
            values.setdefault((row.run.variant, row.label), []).append(row.auc.value)
    return tuple(
        SeedSpread(variant, label, mean(found), stdev(found), min(found), max(found))
        for (variant, label), found in values.items()
        if len(found) > 1
    )


def _key(at: int) -> Key:
    return (str(at), "auc")


def _meter(truth: NDArray[np.bool_], score: NDArray[np.float64], at: int) -> Meter:
    def measured(weights: NDArray[np.float64]) -> Mapping[Key, NDArray[np.float64]]:
        return {_key(at): weighted_auc(truth, score, weights)}

    return measured

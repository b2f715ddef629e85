"""What a cross-validation shows: each fold, each site, and all of them without mixing models.

Each fold has a network of its own, and what one calls 0.3 another may call 0.6. An AUC over the
images of several folds therefore also counts pairs that no network ever ranked. ``mean`` is the
mean of the parts' AUCs, ``within`` the share of pairs of one part that are in the right order: both
compare only what one network said.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.classification.cross_validation import Study
from lucency.classification.held_out import HeldOut
from lucency.evaluation.bootstrap import (
    Key,
    Meter,
    Sampled,
    class_mean,
    measure_samples,
    ratio,
)
from lucency.evaluation.call_rates import call_counts, call_rates
from lucency.evaluation.delong import delong_interval
from lucency.evaluation.estimates import Estimate
from lucency.evaluation.roc import weighted_auc

POINT = "balanced"
SAMPLES = 1000
_RATES = ("sensitivity", "specificity")

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class PartMeasures:
    """One label on a part of the held-out images.

    ``auc`` has the interval of the bootstrap over patients, ``auc_delong`` DeLong's. The rates are
    at the threshold `POINT` of each image's own fold, chosen on that fold's validation part.
    """

    images: int
    positives: int
    auc: Estimate
    auc_delong: Estimate
    sensitivity: Estimate
    specificity: Estimate


@dataclass(frozen=True)
class LabelStudy:
    """One label: by fold, by value of the column (of folds by number alone), and over all folds.

    ``mean`` and ``within`` as the module says, over the folds; ``all_pairs`` takes all images for
    those of one network.
    """

    folds: Mapping[str, PartMeasures]
    values: Mapping[str, PartMeasures]
    mean: Estimate
    within: Estimate
    all_pairs: PartMeasures


@dataclass(frozen=True)
class Scored:
    """The images of which a label is known: truth, score, whose they are, and whether called."""

    positive: Mask
    score: NDArray[np.float64]
    patients: NDArray[np.str_]
    called: Mask


def measure_study(study: Study, *, samples: int = SAMPLES, seed: int = 0) -> dict[str, LabelStudy]:
    """Measure every label of a study; ``samples`` sets are drawn by patient for intervals."""
    held = study.held
    found = {}
    for number, label in enumerate(study.labels):
        known = held.chosen(~np.isnan(held.truth[:, number]))
        thresholds = {fold.value: fold.points[POINT][label] for fold in study.folds}
        limits = np.array([thresholds[fold] for fold in known.folds])
        scored = scored_images(known, number, limits)
        by_fold = masks(known.folds, list(thresholds))
        by_value = {} if study.left_out else masks(known.values, sorted(set(known.values) - {""}))
        found[label] = _label_study(scored, by_fold, by_value, samples=samples, seed=seed)
    return found


def scored_images(held: HeldOut, number: int, limits: NDArray[np.float64]) -> Scored:
    """Label ``number`` of images that all know it, called where they reach ``limits`` (N,)."""
    score = held.probabilities[:, number]
    patients = [patient or image for patient, image in zip(held.patients, held.images, strict=True)]
    return Scored(held.truth[:, number] == 1, score, np.array(patients), score >= limits)


def masks(values: tuple[str, ...], names: list[str]) -> dict[str, Mask]:
    """For each name the images that have it, (N,) each."""
    array = np.array(values, dtype=np.str_)
    return {name: np.asarray(array == name) for name in names}


def auc_meter(
    positive: Mask, score: NDArray[np.float64], parts: Mapping[str, Mask], prefix: Key = ()
) -> Meter:
    """Measures (*prefix, part, "auc") of each part, and "mean" and "within" over them."""

    def measured(weights: NDArray[np.float64]) -> dict[Key, NDArray[np.float64]]:
        figures: dict[Key, NDArray[np.float64]] = {}
        areas, pairs = [], []
        for name, part in parts.items():
            area = weighted_auc(positive[part], score[part], weights[part])
            figures[(*prefix, name, "auc")] = area
            areas.append(area)
            pairs.append(
                weights[part & positive].sum(axis=0) * weights[part & ~positive].sum(axis=0)
            )
        table, counts = np.array(areas), np.array(pairs)
        figures[(*prefix, "mean")] = class_mean(table)
        right = np.where(counts > 0, np.nan_to_num(table) * counts, 0.0).sum(axis=0)
        figures[(*prefix, "within")] = ratio(right, counts.sum(axis=0))
        return figures

    return measured


def _label_study(
    scored: Scored,
    by_fold: Mapping[str, Mask],
    by_value: Mapping[str, Mask],
    *,
    samples: int,
    seed: int,
) -> LabelStudy:
    everything = {"": np.ones(len(scored.score), dtype=np.bool_)}
    kinds = {"fold": by_fold, "value": by_value, "all": everything}
    meters = [
        meter
        for kind, parts in kinds.items()
        if parts
        for meter in (
            auc_meter(scored.positive, scored.score, parts, (kind,)),
            _rates_meter(scored, parts, kind),
        )
    ]
    figures = measure_samples(meters, scored.patients, samples=samples, seed=seed)
    measured = {
        kind: {name: _part(scored, mask, figures, kind, name) for name, mask in parts.items()}
        for kind, parts in kinds.items()
    }
    return LabelStudy(
        folds=measured["fold"],
        values=measured["value"],
        mean=figures["fold", "mean"].estimate(),
        within=figures["fold", "within"].estimate(),
        all_pairs=measured["all"][""],
    )


def _rates_meter(scored: Scored, parts: Mapping[str, Mask], kind: str) -> Meter:
    cells = call_counts(scored.positive, scored.called)

    def measured(weights: NDArray[np.float64]) -> dict[Key, NDArray[np.float64]]:
        figures: dict[Key, NDArray[np.float64]] = {}
        for name, part in parts.items():
            rates = call_rates(*(cell[part] @ weights[part] for cell in cells))
            figures |= {(kind, name, rate): rates[rate] for rate in _RATES}
        return figures

    return measured


def _part(
    scored: Scored, mask: Mask, figures: Mapping[Key, Sampled], kind: str, name: str
) -> PartMeasures:
    return PartMeasures(
        images=int(mask.sum()),
        positives=int(scored.positive[mask].sum()),
        auc=figures[kind, name, "auc"].estimate(),
        auc_delong=delong_interval(scored.positive[mask], scored.score[mask]),
        sensitivity=figures[kind, name, "sensitivity"].estimate(),
        specificity=figures[kind, name, "specificity"].estimate(),
    )

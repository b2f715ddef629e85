"""In-site beside cross-site: the same images, once by a network that learnt from their site too.

The difference is what a network had from knowing the site. In-site figures are pooled over the
folds of one study, whose networks are alike but not calibrated with each other, which lowers them
a little, if anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.classification.cross_validation import Study
from lucency.classification.cross_validation_measures import (
    SAMPLES,
    Mask,
    auc_meter,
    masks,
    scored_images,
)
from lucency.configs.errors import ConfigError
from lucency.evaluation.bootstrap import Key, Sampled, measure_samples
from lucency.evaluation.delong import delong_test
from lucency.evaluation.estimates import Estimate, estimate


@dataclass(frozen=True)
class SiteRow:
    """One site: its images by networks that learnt from it, and by one that never saw it.

    ``difference`` is cross-site minus in-site; all intervals are of the bootstrap over patients,
    the difference on the same draws. ``p_value`` is DeLong's, None over several sites.
    """

    images: int
    positives: int
    in_site: Estimate
    cross_site: Estimate
    difference: Estimate
    p_value: float | None = None


@dataclass(frozen=True)
class SiteComparison:
    """One label by site; ``mean`` over the sites, ``within`` over all pairs of one site."""

    sites: Mapping[str, SiteRow]
    mean: SiteRow
    within: SiteRow


def compare_sites(
    across: Study, inside: Study, *, samples: int = SAMPLES, seed: int = 0
) -> dict[str, SiteComparison]:
    """Compare a study that left sites out with one that divided all of them into folds.

    Raises
    ------
    ConfigError
        They are not such studies, or not of the same images, labels and truth.

    """
    rows = _rows(across, inside)
    left, right = across.held, inside.held.chosen(np.array(rows, dtype=np.int64))
    if not np.array_equal(left.truth, right.truth, equal_nan=True):
        raise ConfigError(
            f"--beside: {inside.folder} has other labels of some images than {across.folder}; "
            "their table was changed in between, so make both of the same one"
        )
    found = {}
    for number, label in enumerate(across.labels):
        known = ~np.isnan(left.truth[:, number])
        outside, within = left.chosen(known), right.chosen(known)
        parts = masks(outside.values, [fold.value for fold in across.folds])
        limits = np.full(len(outside), 0.5)  # rates are not looked at here
        first, second = (scored_images(one, number, limits) for one in (within, outside))
        figures = measure_samples(
            [
                auc_meter(one.positive, one.score, parts, (name,))
                for name, one in (("in", first), ("across", second))
            ],
            second.patients,
            samples=samples,
            seed=seed,
        )
        found[label] = _comparison(parts, second.positive, (first.score, second.score), figures)
    return found


def _rows(across: Study, inside: Study) -> list[int]:
    """Where each image of the first study stands in the second."""
    if not across.left_out or inside.left_out:
        raise ConfigError(
            f"--beside: {across.folder} must have been made with --leave-out and {inside.folder} "
            "with --folds"
        )
    if across.labels != inside.labels:
        raise ConfigError(
            f"--beside: {inside.folder} is of {', '.join(inside.labels)}, not of "
            f"{', '.join(across.labels)}; name a study of the same labels"
        )
    place = {image: row for row, image in enumerate(inside.held.images)}
    missing = [image for image in across.held.images if image not in place]
    if missing:
        raise ConfigError(
            f"--beside: {inside.folder} has no prediction of {missing[0]}; name a study of the "
            "same set"
        )
    return [place[image] for image in across.held.images]


def _comparison(
    parts: Mapping[str, Mask],
    positive: Mask,
    scores: Sequence[NDArray[np.float64]],
    figures: Mapping[Key, Sampled],
) -> SiteComparison:
    everything = np.any(list(parts.values()), axis=0)

    def row(key: Key, part: Mask, p_value: float | None = None) -> SiteRow:
        inside, across = figures["in", *key], figures["across", *key]
        return SiteRow(
            images=int(part.sum()),
            positives=int(positive[part].sum()),
            in_site=inside.estimate(),
            cross_site=across.estimate(),
            difference=estimate(across.value - inside.value, across.samples - inside.samples),
            p_value=p_value,
        )

    sites = {
        name: row((name, "auc"), part, _p_value(positive[part], *(one[part] for one in scores)))
        for name, part in parts.items()
    }
    return SiteComparison(sites, row(("mean",), everything), row(("within",), everything))


def _p_value(
    positive: Mask, first: NDArray[np.float64], second: NDArray[np.float64]
) -> float | None:
    return delong_test(positive, first, second).p_value

"""Labels that follow how an image was made: a network learns the site, and not the disease.

Whoever knows only the hospital, the size of the image or the kind of its file should not be able
to guess the label. How well that can be guessed is told as an AUC: 0.5 is chance, at 1 the
property gives the answer away. Zech et al., "Variable generalization performance of a deep
learning model to detect pneumonia in chest radiographs" (PLoS Medicine 2018).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import chi2

# A label is said to follow a property from this AUC on, or where the share in one group of so many
# images is so far from that of the rest, if that is no chance. The AUC alone would pass over a
# small site at which everybody is ill.
ALARMING_AUC = 0.70
ALARMING_CONTRAST, _LEAST_IN_CONTRAST = 0.40, 50
_MOST_BY_CHANCE = 1e-4
# Fewer images with or without the label, or in a group, say nothing.
LEAST_IMAGES = 20
_LEAST_IN_GROUP = 10
OTHER = "other"


@dataclass(frozen=True)
class Association:
    """How a label's share differs between the values of a property.

    ``groups`` are value, images and positives; ``auc`` how well the property alone tells the
    label; ``contrast`` by how much the share in one group of 50 images or more differs most from
    that of the rest; ``p_value`` how probable so large a difference is by chance. ``alarming`` is
    set where the property belongs to the making of the image, the AUC or the contrast is large,
    and chance is ruled out.
    """

    property: str
    target: str
    groups: tuple[tuple[str, int, int], ...]
    auc: float
    contrast: float
    p_value: float
    alarming: bool


def associate(
    values: Sequence[str],
    truths: Sequence[bool],
    *,
    names: tuple[str, str],
    images_per_patient: float = 1.0,
    acquisition: bool = True,
) -> Association | None:
    """Compare a label between the values of a property; None where there is too little.

    ``values`` and ``truths`` are those of the images of which both are known; ``names`` are the
    property's and the label's. ``images_per_patient`` makes the test as strict as if each patient
    counted once. Values of few images are taken together.
    """
    groups = _groups(values, truths)
    positive = sum(truths)
    negative = len(truths) - positive
    if len(groups) < 2 or min(positive, negative) < LEAST_IMAGES:
        return None
    auc = _auc(groups, positive, negative)
    p_value = _p_value(groups, positive, negative, images_per_patient)
    contrast = _contrast(groups, positive, negative)
    sure = sum(count >= LEAST_IMAGES for _, count, _ in groups) >= 2
    large = auc >= ALARMING_AUC or contrast >= ALARMING_CONTRAST
    alarming = acquisition and sure and large and p_value < _MOST_BY_CHANCE
    p_value = float(f"{p_value:.2e}")
    return Association(*names, groups, round(auc, 4), round(contrast, 4), p_value, alarming)


def _groups(values: Sequence[str], truths: Sequence[bool]) -> tuple[tuple[str, int, int], ...]:
    counts = Counter(values)
    rare = {value for value, count in counts.items() if count < _LEAST_IN_GROUP}
    rare = rare if len(rare) > 1 else set()
    images: Counter[str] = Counter()
    positives: Counter[str] = Counter()
    for value, truth in zip(values, truths, strict=True):
        group = OTHER if value in rare else value
        images[group] += 1
        positives[group] += truth
    order = sorted(images, key=lambda group: (group == OTHER, -images[group], group))
    return tuple((group, images[group], positives[group]) for group in order)


def _auc(groups: Sequence[tuple[str, int, int]], positive: int, negative: int) -> float:
    """The AUC of the group's share of positives as a score; ties count half."""
    ranked = sorted((positives / count, count, positives) for _, count, positives in groups)
    below = won = 0.0
    for _, count, positives in ranked:
        negatives = count - positives
        won += positives * (below + negatives / 2)
        below += negatives
    return won / (positive * negative)


def _contrast(groups: Sequence[tuple[str, int, int]], positive: int, negative: int) -> float:
    total = positive + negative
    return max(
        (
            abs(positives / count - (positive - positives) / (total - count))
            for _, count, positives in groups
            if min(count, total - count) >= _LEAST_IN_CONTRAST
        ),
        default=0.0,
    )


def _p_value(
    groups: Sequence[tuple[str, int, int]],
    positive: int,
    negative: int,
    images_per_patient: float,
) -> float:
    """Pearson's chi-squared test, its statistic divided by the images a patient has."""
    total = positive + negative
    statistic = 0.0
    for _, count, positives in groups:
        for found, all_ in ((positives, positive), (count - positives, negative)):
            expected = count * all_ / total
            statistic += (found - expected) ** 2 / expected
    return float(chi2.sf(statistic / max(images_per_patient, 1.0), len(groups) - 1))


def strongest(associations: Sequence[Association]) -> Mapping[str, Association]:
    """Of each target that is given away, the property that does it best."""
    found: dict[str, Association] = {}
    for association in associations:
        known = found.get(association.target)
        if association.alarming and (known is None or association.auc > known.auc):
            found[association.target] = association
    return found

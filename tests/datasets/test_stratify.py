from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucency.datasets.stratify import IMAGES, stratify

SHARES = {"train": 0.70, "val": 0.15, "test": 0.15}


def sums(
    groups: Sequence[Mapping[str, int]], shares: Mapping[str, float]
) -> dict[str, Counter[str]]:
    """How many images of each stratum each split got."""
    found: dict[str, Counter[str]] = {split: Counter() for split in shares}
    for group, split in zip(groups, stratify(groups, shares), strict=True):
        found[split].update(group)
    return found


def worst(groups: Sequence[Mapping[str, int]], shares: Mapping[str, float]) -> dict[str, float]:
    """The largest distance of each stratum's shares from those asked for, in images."""
    found = sums(groups, shares)
    total = sum(found.values(), Counter[str]())
    return {
        stratum: max(
            abs(found[split][stratum] - shares[split] * total[stratum]) for split in shares
        )
        for stratum in total
    }


def test_swaps_mend_what_the_greedy_step_leaves() -> None:
    groups = [{IMAGES: n, "class a": n} for n in (7, 5, 4, 4, 3, 3, 2, 2)]
    found = sums(groups, {"train": 0.5, "val": 0.5})
    assert {split: counts[IMAGES] for split, counts in found.items()} == {"train": 15, "val": 15}


def test_no_groups_are_no_mistake() -> None:
    assert stratify([], {"train": 1.0}) == []


def test_patients_of_many_images_do_not_all_go_to_the_largest_split() -> None:
    groups = [{IMAGES: 1 if n % 4 else 9} for n in range(400)]
    placed = stratify(groups, SHARES)
    large = Counter(s for s, group in zip(placed, groups, strict=True) if group[IMAGES] == 9)
    assert 5 <= large["val"] <= 25
    assert 5 <= large["test"] <= 25


@st.composite
def group_structures(draw: st.DrawFn) -> list[dict[str, int]]:
    """40 to 150 patients of 1 to 6 images, each with classes that its images mostly share."""
    classes = draw(st.integers(1, 4))
    rates = [draw(st.sampled_from([0.1, 0.3, 0.6])) for _ in range(classes)]
    largest = draw(st.integers(1, 6))
    random = draw(st.randoms(use_true_random=False))
    groups = []
    for _ in range(draw(st.integers(40, 150))):
        images = random.randint(1, largest)
        group = {IMAGES: images}
        for number, rate in enumerate(rates):
            if random.random() < rate:
                group[f"class {number}"] = random.randint(1, images)
        if len(group) == 1:
            group["negative"] = images
        groups.append(group)
    return groups


@settings(max_examples=60, deadline=None)
@given(group_structures())
def test_shares_are_within_two_points_where_arithmetic_allows(
    groups: list[dict[str, int]],
) -> None:
    total = sum((Counter(group) for group in groups), Counter[str]())
    for stratum, distance in worst(groups, SHARES).items():
        # Where 2 points are less than a patient, one patient is as near as one can come.
        largest = max(group.get(stratum, 0) for group in groups)
        assert distance <= max(0.02 * total[stratum], largest), (stratum, total[stratum])


@settings(max_examples=15, deadline=None)
@given(group_structures(), st.integers(2, 10))
def test_folds_are_as_even(groups: list[dict[str, int]], count: int) -> None:
    shares = {str(number): 1 / count for number in range(count)}
    largest = max(group[IMAGES] for group in groups)
    assert worst(groups, shares)[IMAGES] <= largest + 1


@pytest.mark.parametrize("values", [12, 50])
def test_many_strata_at_once(values: int) -> None:
    groups = [
        {IMAGES: 1, f"site={n % values}": 1, f"class {n % 3}": 1, f"body_part={n % 7}": 1}
        for n in range(2100)
    ]
    distances = worst(groups, SHARES)
    assert max(distances.values()) <= 1.5
    assert distances[IMAGES] < 1

"""Labels that follow a site are found, and no others."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency
from sklearn.metrics import roc_auc_score

from lucency.datasets.shortcuts import Association, associate, strongest

NAMES = ("site", "tb")


def associated(
    groups: dict[str, tuple[int, int]], *, images_per_patient: float = 1.0, acquisition: bool = True
) -> Association | None:
    """Groups are images with the label and without it, by site."""
    values = [name for name, (yes, no) in groups.items() for _ in range(yes + no)]
    truths = [n < yes for yes, no in groups.values() for n in range(yes + no)]
    return associate(
        values,
        truths,
        names=NAMES,
        images_per_patient=images_per_patient,
        acquisition=acquisition,
    )


TB_SITES = {
    "shenzhen": (110, 114),
    "montgomery": (14, 22),
    "delhi_da": (40, 37),
    "delhi_db": (17, 36),
}


def test_a_label_that_follows_the_site() -> None:
    found = associated({"a": (90, 10), "b": (10, 90)})
    assert found is not None
    assert found.alarming
    assert (found.property, found.target) == NAMES
    assert found.groups == (("a", 100, 90), ("b", 100, 10))
    assert found.auc == 0.9


@pytest.mark.parametrize("groups", [TB_SITES, {"a": (30, 5), "b": (40, 60), "c": (1, 99)}], ids=str)
def test_figures_are_those_of_other_libraries(groups: dict[str, tuple[int, int]]) -> None:
    found = associated(groups)
    assert found is not None
    truths = [n < yes for yes, no in groups.values() for n in range(yes + no)]
    scores = [yes / (yes + no) for yes, no in groups.values() for _ in range(yes + no)]
    assert found.auc == pytest.approx(roc_auc_score(truths, scores), abs=1e-4)
    expected = chi2_contingency(list(groups.values()), correction=False).pvalue
    assert found.p_value == pytest.approx(expected, rel=0.01)


def test_the_sites_of_the_tb_set_do_not_give_it_away() -> None:
    found = associated(TB_SITES)
    assert found is not None
    assert not found.alarming
    assert found.auc == pytest.approx(0.56, abs=0.005)


@pytest.mark.parametrize(
    "groups",
    [
        {"a": (60, 40), "b": (40, 60)},
        {"a": (9, 1), "b": (11, 19)},
        {"a": (19, 0), "b": (0, 400)},
        {"a": (50, 50)},
        {},
    ],
    ids=["a weak difference", "a small group", "too few with it", "one site", "nothing"],
)
def test_no_alarm(groups: dict[str, tuple[int, int]]) -> None:
    found = associated(groups)
    assert found is None or not found.alarming


def test_a_small_site_at_which_everybody_is_ill() -> None:
    """The AUC is small, since most images are of the other site: FracAtlas by size of image."""
    found = associated({"up to 454 px": (554, 884), "above": (102, 12)})
    assert found is not None
    assert (round(found.auc, 2), round(found.contrast, 2)) == (0.57, 0.51)
    assert found.alarming
    found = associated({"a": (554, 884), "b": (40, 9)})
    assert found is not None
    assert (found.contrast, found.alarming) == (0.0, False)


def test_body_parts_may_differ() -> None:
    found = associated({"hand": (90, 10), "hip": (10, 90)}, acquisition=False)
    assert found is not None
    assert (found.auc, found.alarming) == (0.9, False)


def test_many_images_of_few_patients_prove_little() -> None:
    groups = {"a": (40, 10), "b": (10, 40)}
    for images_per_patient, alarming in ((1.0, True), (12.5, False)):
        found = associated(groups, images_per_patient=images_per_patient)
        assert found is not None
        assert found.alarming is alarming


def test_rare_values_are_taken_together() -> None:
    rare = {f"r{n}": (1, 1) for n in range(15)}
    found = associated({"a": (30, 30), **rare})
    assert found is not None
    assert found.groups == (("a", 60, 30), ("other", 30, 15))


def test_false_alarms_are_rare() -> None:
    """Labels thrown by dice, for many sets of sites: none may be said to follow its site."""
    generator = np.random.default_rng(4)
    alarms = 0
    for _ in range(400):
        sites, images = int(generator.integers(2, 13)), int(generator.integers(60, 600))
        values = [f"s{n}" for n in generator.integers(0, sites, images)]
        truths = (generator.random(images) < generator.uniform(0.1, 0.9)).tolist()
        found = associate(values, truths, names=NAMES)
        alarms += found is not None and found.alarming
    assert alarms == 0


def test_the_strongest_of_several() -> None:
    def one(name: str, target: str, auc: float, alarming: bool) -> Association:
        return Association(name, target, (), auc, 0.0, 0.0, alarming)

    found = strongest(
        [
            one("site", "tb", 0.8, True),
            one("view", "tb", 0.9, True),
            one("body_part", "tb", 0.95, False),
            one("site", "effusion", 0.6, False),
        ]
    )
    assert {target: association.property for target, association in found.items()} == {"tb": "view"}

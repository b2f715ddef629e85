"""Figures of a study, against what scikit-learn and a count by hand say."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lucency.classification.cross_validation import FoldResult, Study, Training
from lucency.classification.cross_validation_measures import measure_study
from lucency.classification.cross_validation_tables import (
    SHORT_NAMES,
    Measured,
    notes,
    study_tables,
    write_study,
)
from lucency.classification.held_out import HeldOut
from lucency.classification.site_table import compare_sites
from lucency.configs.errors import ConfigError
from lucency.evaluation.terminal_tables import grid

MakeStudy = Callable[..., Study]
SITES = ("delhi", "montgomery", "shenzhen")


@pytest.fixture(scope="module")
def make_study() -> MakeStudy:
    """240 images of three sites; each fold's network is shifted by another amount."""

    def make(*, folds: int = 0, skill: float = 1.0, labels: tuple[str, ...] = ("tb",)) -> Study:
        rng = np.random.default_rng(7)
        truth = rng.integers(0, 2, (240, len(labels))).astype(float)
        site = np.arange(240) % 3
        logit = skill * truth + rng.normal(0, 1, truth.shape)
        number = np.arange(240) // 3 % folds if folds else site
        logit = logit + 3.0 * (0 if folds else number[:, None])
        probabilities = 1 / (1 + np.exp(-logit))
        names = [str(n + 1) for n in range(folds)] or list(SITES)
        results = []
        for at, name in enumerate(names):
            rows = np.flatnonzero(number == at).tolist()
            held = HeldOut(
                labels,
                images=tuple(f"images/{row}.png" for row in rows),
                folds=(name,) * len(rows),
                patients=tuple(f"p{row}" for row in rows),
                values=tuple(SITES[site[row]] for row in rows),
                truth=truth[rows],
                probabilities=probabilities[rows],
            )
            points = {"balanced": dict.fromkeys(labels, 0.5 if at else 0.9)}
            results.append(FoldResult(name, {"test": len(rows)}, Training(3, 2, 0.8), points, held))
        config = {"name": "tb", "epochs": 3 + folds, "labels": list(labels)}
        left_out = "" if folds else "site"
        folder = Path("in" if folds else "across")
        return Study(folder, labels, left_out, "site", "sites", config, tuple(results), ("a note",))

    return make


def test_figures_of_folds_are_those_of_their_images(make_study: MakeStudy) -> None:
    study = make_study()
    found = measure_study(study, samples=50)["tb"]
    areas, right, pairs = [], 0.0, 0
    for fold in study.folds:
        truth, score = fold.held.truth[:, 0], fold.held.probabilities[:, 0]
        area = roc_auc_score(truth, score)
        mine = found.folds[fold.value]
        assert (mine.images, mine.positives) == (80, int(truth.sum()))
        assert mine.auc.value == pytest.approx(area)
        assert mine.auc_delong.value == pytest.approx(area)
        assert mine.auc.low is not None
        assert mine.auc.low < area < (mine.auc.high or 0)
        called = score >= fold.points["balanced"]["tb"]
        assert mine.sensitivity.value == pytest.approx(called[truth == 1].mean())
        assert mine.specificity.value == pytest.approx((~called)[truth == 0].mean())
        count = int(truth.sum() * (80 - truth.sum()))
        areas.append(area)
        right += area * count
        pairs += count
    assert found.mean.value == pytest.approx(np.mean(areas))
    assert found.within.value == pytest.approx(right / pairs)
    # The networks are not on one scale, and pairs of two of them are worth less.
    assert (found.all_pairs.auc.value or 1) < (found.within.value or 0) - 0.05
    assert found.values == {}


def test_folds_by_number_are_measured_by_site_too(make_study: MakeStudy) -> None:
    study = make_study(folds=4)
    found = measure_study(study, samples=20)["tb"]
    assert list(found.folds) == ["1", "2", "3", "4"]
    assert list(found.values) == list(SITES)
    held = study.held
    mine = np.array([value == "delhi" for value in held.values])
    area = roc_auc_score(held.truth[mine, 0], held.probabilities[mine, 0])
    assert found.values["delhi"].auc.value == pytest.approx(area)


def test_a_part_of_one_kind_has_no_auc(make_study: MakeStudy) -> None:
    study = make_study()
    first = study.folds[0]
    healthy = replace(first.held, truth=np.zeros_like(first.held.truth))
    study = replace(study, folds=(replace(first, held=healthy), *study.folds[1:]))
    found = measure_study(study, samples=20)["tb"]
    assert found.folds["delhi"].auc.value is None
    assert found.folds["delhi"].sensitivity.value is None
    others = [found.folds[name].auc.value for name in SITES[1:]]
    assert found.mean.value == pytest.approx(np.mean(others))  # type: ignore[arg-type]


def test_an_unknown_label_does_not_count(make_study: MakeStudy) -> None:
    study = make_study(labels=("tb", "scar"))
    truth = study.folds[0].held.truth.copy()
    truth[:10, 1] = np.nan
    folds = (replace(study.folds[0], held=replace(study.folds[0].held, truth=truth)),)
    found = measure_study(replace(study, folds=(*folds, *study.folds[1:])), samples=20)
    assert found["tb"].folds["delhi"].images == 80
    assert found["scar"].folds["delhi"].images == 70


def test_in_site_stands_beside_cross_site(make_study: MakeStudy) -> None:
    across, inside = make_study(skill=0.5), make_study(folds=5, skill=3.0)
    found = compare_sites(across, inside, samples=100)["tb"]
    assert list(found.sites) == list(SITES)
    for name, row in found.sites.items():
        left = across.held.chosen(np.array([v == name for v in across.held.values]))
        right = inside.held.chosen(np.array([v == name for v in inside.held.values]))
        cross = roc_auc_score(left.truth[:, 0], left.probabilities[:, 0])
        known = roc_auc_score(right.truth[:, 0], right.probabilities[:, 0])
        assert row.cross_site.value == pytest.approx(cross)
        assert row.in_site.value == pytest.approx(known)
        assert row.difference.value == pytest.approx(cross - known)
        assert row.difference.high is not None
        assert row.difference.high < 0
        assert row.p_value is not None
        assert row.p_value < 0.05
    differences = [row.difference.value or 0 for row in found.sites.values()]
    assert found.mean.difference.value == pytest.approx(np.mean(differences))
    assert found.mean.p_value is None


def other_labels(study: Study) -> Study:
    return replace(study, labels=("scar",))


def fewer_images(study: Study) -> Study:
    first = study.folds[0]
    fewer = first.held.chosen(np.arange(1, len(first.held)))
    return replace(study, folds=(replace(first, held=fewer), *study.folds[1:]))


def other_truth(study: Study) -> Study:
    first = study.folds[0]
    changed = replace(first.held, truth=1 - first.held.truth)
    return replace(study, folds=(replace(first, held=changed), *study.folds[1:]))


@pytest.mark.parametrize(
    ("change", "folds", "message"),
    [
        (other_labels, 5, "is of scar, not of tb"),
        (fewer_images, 5, "has no prediction of images/0.png"),
        (other_truth, 5, "has other labels of some images than across"),
        (fewer_images, 0, "must have been made with --leave-out and across with --folds"),
    ],
    ids=["labels", "images", "truth", "kind"],
)
def test_studies_that_do_not_fit(
    make_study: MakeStudy, change: Callable[[Study], Study], folds: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        compare_sites(make_study(), change(make_study(folds=folds)), samples=5)


def test_images_of_unknown_patients_are_told(make_study: MakeStudy) -> None:
    study = make_study()
    first = study.folds[0]
    held = replace(first.held, patients=("", "", *first.held.patients[2:]))
    study = replace(study, folds=(replace(first, held=held), *study.folds[1:]))
    said = notes(Measured(study, measure_study(study, samples=5), {}))
    assert said[0] == "a note"
    assert said[1].startswith("the set does not say whose 2 of the 240 images are")


def test_tables_say_what_is_compared(make_study: MakeStudy, tmp_path: Path) -> None:
    across, inside = make_study(), make_study(folds=5)
    across = replace(across, folder=tmp_path)
    sites = compare_sites(across, inside, samples=20)
    found = Measured(across, measure_study(across, samples=20), sites, inside)
    folds, beside = study_tables(found)
    assert [row[0] for row in folds.rows] == [*SITES, "mean", "pairs of one site"]
    assert [row[0] for row in beside.rows] == [row[0] for row in folds.rows]
    assert grid(beside, short_names=SHORT_NAMES).row_count == 5
    assert notes(found) == ["a note", "the recipe of the in-site study differs in epochs"]
    write_study(found)
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| site | images | positives | AUC in-site | AUC cross-site | difference | p |" in text
    assert "each site held out in turn" in text
    assert '"cross_site"' in (tmp_path / "summary.json").read_text(encoding="utf-8")

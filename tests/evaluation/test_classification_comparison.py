"""The paired bootstrap of two classifiers."""

import numpy as np
import pytest

from lucency.evaluation.classification_comparison import compare_classification
from lucency.evaluation.classifying import measure_classification
from lucency.evaluation.delong import delong_test

NAMES = ("tb", "effusion")
POINTS = {"balanced": dict.fromkeys(NAMES, 0.5), "specific": dict.fromkeys(NAMES, 0.7)}
EXPECTED = ["mean_auc"] + [
    f"{figure}_{label}"
    for label in NAMES
    for figure in (
        "auc",
        "auc_delong",
        "sensitivity_balanced",
        "specificity_balanced",
        "sensitivity_specific",
        "specificity_specific",
    )
]


@pytest.fixture
def two_models():
    """Truth with unknowns, a model, one that errs less, and patients of two images."""
    rng = np.random.default_rng(0)
    truth = (rng.random((120, 2)) < 0.4).astype(np.float64)
    noise = rng.normal(0, 0.25, truth.shape)
    first, second = (np.clip(0.4 + 0.2 * truth + part * noise, 0, 1) for part in (1.0, 0.5))
    truth[rng.random(truth.shape) < 0.1] = np.nan
    return truth, first, second, [f"p{number // 2}" for number in range(120)]


def compared(truth, first, second, patients, *, points_second=POINTS, samples=200):
    found = compare_classification(
        truth,
        first,
        second,
        patients,
        class_names=NAMES,
        points_first=POINTS,
        points_second=points_second,
        samples=samples,
    )
    return {one.name: one for one in found}


def test_a_better_model_is_ahead_with_a_small_p(two_models):
    truth, first, second, patients = two_models
    found = compared(truth, first, second, patients)
    assert list(found) == EXPECTED
    for name in ("mean_auc", "auc_tb", "auc_effusion", "specificity_specific_tb"):
        one = found[name]
        assert one.difference.value == pytest.approx(one.second.value - one.first.value)
        assert 0.0 < one.difference.low < one.difference.value < one.difference.high
        # 200 samples cannot show less than 2/201.
        assert one.p_value == pytest.approx(2 / 201)
    known = ~np.isnan(truth[:, 0])
    expected = delong_test(truth[known, 0] == 1, first[known, 0], second[known, 0])
    delong = found["auc_delong_tb"]
    assert (delong.p_value, delong.difference) == (expected.p_value, expected.difference)
    assert 0.0 < delong.p_value < 0.01


def test_figures_are_those_of_each_model_measured_alone(two_models):
    truth, first, second, patients = two_models
    found = compared(truth, first, second, patients)
    for model, side in ((first, "first"), (second, "second")):
        alone = measure_classification(
            truth, model, patients, class_names=NAMES, points=POINTS, samples=200
        )
        assert getattr(found["mean_auc"], side) == alone.mean_auc
        label = alone.labels["effusion"]
        assert getattr(found["auc_effusion"], side) == label.auc
        assert getattr(found["auc_delong_effusion"], side) == label.auc_delong
        rates = label.points["specific"]
        assert getattr(found["sensitivity_specific_effusion"], side) == rates.sensitivity


def test_a_model_does_not_differ_from_itself(two_models):
    truth, first, _, patients = two_models
    for one in compared(truth, first, first, patients).values():
        assert one.difference.to_json() == {"value": 0.0, "low": 0.0, "high": 0.0}
        assert one.p_value == 1.0


def test_only_shared_points_are_compared_each_at_its_own_threshold(two_models):
    truth, first, _, patients = two_models
    own = {"balanced": dict.fromkeys(NAMES, 0.9), "screening": dict.fromkeys(NAMES, 0.1)}
    found = compared(truth, first, first, patients, points_second=own)
    assert [name for name in found if name.startswith("sens")] == [
        "sensitivity_balanced_tb",
        "sensitivity_balanced_effusion",
    ]
    assert found["sensitivity_balanced_tb"].difference.value < 0.0


@pytest.mark.parametrize("samples", [0, 20])
def test_without_images_nothing_is_claimed(samples):
    empty = np.zeros((0, 2))
    for one in compared(empty, empty, empty, [], samples=samples).values():
        assert (one.difference.value, one.p_value) == (None, None)


def test_models_of_other_classes_are_refused(two_models):
    truth, first, second, patients = two_models
    with pytest.raises(ValueError, match=r"must both be \(N, 2\)"):
        compared(truth, first, second[:, :1], patients)

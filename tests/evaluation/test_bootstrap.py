"""Drawing patients, and measuring the drawn sets."""

import numpy as np
import pytest

from lucency.evaluation import bootstrap
from lucency.evaluation.bootstrap import class_mean, measure_samples, patient_weights, ratio


def test_images_of_a_patient_are_drawn_together_and_patients_as_often_as_there_are():
    patients = np.array(["x", "y", "x", "z", "z", "z"])
    weights = patient_weights(patients, samples=500, seed=0)
    assert weights.shape == (500, 6)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, 3], weights[:, 5])
    assert set(weights[:, [0, 1, 3]].sum(axis=1)) == {3}
    # Each is drawn once on average, and not at all in (2/3)³ = 30% of the sets.
    assert weights.mean(axis=0) == pytest.approx(np.ones(6), abs=0.1)
    assert (weights[:, 1] == 0).mean() == pytest.approx(8 / 27, abs=0.07)


def test_a_seed_gives_the_same_sets_whatever_is_measured_at_once(monkeypatch):
    patients = np.arange(41)
    whole = patient_weights(patients, samples=30, seed=4)
    monkeypatch.setattr(bootstrap, "SAMPLES_AT_ONCE", 7)
    np.testing.assert_array_equal(patient_weights(patients, samples=30, seed=4), whole)
    assert (patient_weights(patients, samples=30, seed=5) != whole).any()


@pytest.mark.parametrize(
    ("patients", "samples", "expected"),
    [
        pytest.param([], 3, (3, 0), id="no images"),
        pytest.param(["a", "b"], 0, (0, 2), id="no samples"),
        pytest.param([], 0, (0, 0), id="neither"),
    ],
)
def test_nothing_to_draw(patients, samples, expected):
    assert patient_weights(patients, samples=samples, seed=0).shape == expected


def test_one_patient_is_always_drawn_whole():
    assert (patient_weights([7, 7, 7], samples=5, seed=0) == 1).all()


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    """200 patients of two images each, values N(5, 2): the error of the mean is 2 / √200."""
    values = np.random.default_rng(1).normal(5.0, 2.0, 200).repeat(2)

    def mean(weights):
        return {("mean",): values @ weights / weights.sum(axis=0)}

    seen = []
    found = measure_samples(
        [mean],
        np.arange(200).repeat(2),
        samples=1000,
        seed=0,
        rows=20_000,
        progress=lambda done, total: seen.append((done, total)),
    )["mean",]
    interval = found.estimate()
    assert interval.value == pytest.approx(values.mean())
    error = values.std() / np.sqrt(200)
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.25 * error)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.25 * error)
    # 20,000 rows allow 50 sets at a time.
    assert seen[0] == (50, 1000)
    assert seen[-1] == (1000, 1000)


def test_without_samples_there_is_a_value_and_no_interval():
    images = {("images",): lambda weights: weights.sum(axis=0)}
    found = measure_samples(
        [lambda weights: {key: count(weights) for key, count in images.items()}],
        [1, 2, 3],
        samples=0,
        seed=0,
    )["images",]
    assert found.estimate().to_json() == {"value": 3.0, "low": None, "high": None}


def test_what_cannot_be_measured_is_nan():
    assert ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0]))[0] == 0.5
    assert np.isnan(ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0]))[1])
    means = class_mean(np.array([[0.2, np.nan, np.nan], [0.4, 0.6, np.nan]]))
    assert means[:2] == pytest.approx([0.3, 0.6])
    assert np.isnan(means[2])

"""Temperatures that are known, folds that keep patients together, and what cannot be calibrated."""

import subprocess
import sys

import numpy as np
import pytest

from lucency.configs.calibration import ClassCalibration
from lucency.evaluation.calibration import FEWEST, measure_calibration
from lucency.evaluation.classifier_calibration import (
    LEAST_SLOPE,
    MOST_SLOPE,
    UNCHANGED,
    calibrate,
    cross_fitted,
    fit_classifier_calibration,
    fit_temperature,
    measure_classifier_calibration,
    uncalibrated_labels,
)

ONE = ("tb",)
THREE = ("chest", "bone", "other")


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def overconfident(seed, *, images=2000, slope=0.5):
    """Truth (N, 1) and probabilities whose log-odds are 1 / ``slope`` times too large."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(0, 1.5, images)
    truth = rng.random(images) < sigmoid(log_odds)
    return truth[:, None].astype(float), sigmoid(log_odds / slope)[:, None]


def softmax(values):
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def overconfident_classes(seed, *, images=3000, slope=0.5):
    """One-hot truth (N, 3) and probabilities whose logits are 1 / ``slope`` times too large."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (images, 3))
    drawn = (rng.random((images, 1)) > np.cumsum(softmax(logits), axis=1)).sum(axis=1)
    return np.eye(3)[np.minimum(drawn, 2)], softmax(logits / slope)


@pytest.mark.parametrize("slope", [0.3, 1.0, 2.5])
def test_the_temperature_of_one_label_is_found(slope):
    truth, raw = overconfident(0, slope=slope)
    fitted = fit_classifier_calibration(raw, truth, class_names=ONE, method="temperature")["tb"]
    assert (fitted.method, fitted.intercept) == ("platt", 0.0)
    assert fitted.slope == pytest.approx(slope, rel=0.1)


@pytest.mark.parametrize("slope", [0.3, 1.0, 2.5])
def test_the_common_temperature_of_exclusive_labels_is_found(slope):
    truth, raw = overconfident_classes(0, slope=slope)
    fitted = fit_classifier_calibration(
        raw, truth, class_names=THREE, method="temperature", exclusive=True
    )
    assert len(set(map(repr, fitted.values()))) == 1
    assert fitted["chest"].slope == pytest.approx(slope, rel=0.1)
    after = calibrate(raw, fitted, class_names=THREE, exclusive=True)
    np.testing.assert_allclose(after.sum(axis=1), 1.0)
    assert (after.argmax(axis=1) == raw.argmax(axis=1)).all()


def test_the_temperature_has_the_least_log_loss():
    """Of a grid of slopes none is better, with the true class of each image smoothed as said."""
    truth, raw = overconfident_classes(1, images=60)
    class_ids = truth.argmax(axis=1)
    counts = np.bincount(class_ids, minlength=3)[class_ids][:, None]
    targets = np.where(truth == 1, (counts + 1) / (counts + 3), 1 / (counts + 3))

    def loss(slope):
        return -(targets * np.log(softmax(slope * np.log(raw)))).sum(axis=1).mean()

    found = fit_temperature(raw, class_ids)
    assert all(loss(found) <= loss(found * factor) for factor in (0.5, 0.98, 1.02, 2.0))


@pytest.mark.parametrize(
    ("right", "least", "most"),
    [(True, 1.0, MOST_SLOPE), (False, LEAST_SLOPE, LEAST_SLOPE * 1.001)],
    ids=["wholly right", "wholly wrong"],
)
def test_the_slope_is_bounded(right, least, most):
    truth = np.arange(200) % 2 == 0
    raw = np.where(truth == right, 0.9, 0.1)
    slope = fit_temperature(np.stack([1 - raw, raw], axis=1), truth.astype(np.int64))
    assert least <= slope <= most
    # 100 of 100 right is 101/102 after smoothing, and not certain.
    if right:
        assert sigmoid(slope * np.log(9)) == pytest.approx(101 / 102, abs=1e-6)


def test_scores_of_exactly_zero_and_one_can_be_fitted_and_calibrated():
    truth = np.array([[1.0], [0.0]] * 20)
    raw = np.clip(truth + np.where(np.arange(40) < 4, 0.4, 0)[:, None] * (1 - 2 * truth), 0, 1)
    fitted = fit_classifier_calibration(raw, truth, class_names=ONE, method="temperature")
    after = calibrate(raw, fitted, class_names=ONE)
    assert np.isfinite(after).all()
    assert (after[4:] == raw[4:]).all()


def test_labels_are_calibrated_each_by_its_own_map():
    first, second = overconfident(0, slope=0.5), overconfident(1, slope=2.0)
    truth, raw = (np.concatenate(pair, axis=1) for pair in zip(first, second, strict=True))
    # Unknown truth teaches nothing: the opposite of it is the same.
    truth[:100] = np.nan
    names = ("tb", "effusion")
    fitted = fit_classifier_calibration(raw, truth, class_names=names, method="temperature")
    known = fit_classifier_calibration(
        raw[100:], truth[100:], class_names=names, method="temperature"
    )
    assert fitted == known
    assert fitted["tb"].slope < 1 < fitted["effusion"].slope
    after = calibrate(raw, fitted, class_names=names)
    for column, name in enumerate(names):
        expected = sigmoid(fitted[name].slope * np.log(raw[:, column] / (1 - raw[:, column])))
        np.testing.assert_allclose(after[:, column], expected)


def test_calibration_keeps_the_shape_and_none_changes_nothing():
    raw = np.random.default_rng(0).random((2, 4, 1)).astype(np.float32)
    shift = {"tb": ClassCalibration(method="platt", intercept=1.0)}
    assert calibrate(raw, shift, class_names=ONE).shape == raw.shape
    assert calibrate(raw[0, 0], shift, class_names=ONE).shape == (1,)
    assert (calibrate(raw, {}, class_names=ONE) == raw).all()
    assert calibrate(np.zeros((0, 1)), shift, class_names=ONE).shape == (0, 1)
    truth, scores = overconfident(0, images=100)
    assert fit_classifier_calibration(scores, truth, class_names=ONE, method="none") == {}
    assert (cross_fitted(scores, truth, [""] * 100, class_names=ONE, method="none") == scores).all()


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
@pytest.mark.parametrize("value", [0.0, 1.0], ids=["few positives", "few negatives"])
def test_a_label_with_too_few_images_stays_as_it_is(method, value):
    truth, raw = overconfident(0, images=100)
    scarce = np.full((100, 1), value)
    scarce[: FEWEST - 1] = 1 - value
    truth, raw = np.concatenate([truth, scarce], axis=1), np.concatenate([raw, raw], axis=1)
    names = ("tb", "effusion")
    assert uncalibrated_labels(truth, class_names=names) == ("effusion",)
    fitted = fit_classifier_calibration(raw, truth, class_names=names, method=method)
    assert fitted["effusion"] == UNCHANGED
    assert fitted["tb"] != UNCHANGED
    after = cross_fitted(raw, truth, [""] * 100, class_names=names, method=method)
    np.testing.assert_allclose(after[:, 1], raw[:, 1])
    assert not np.allclose(after[:, 0], raw[:, 0])


def test_exclusive_labels_need_two_with_enough_images():
    truth, raw = overconfident_classes(0, images=40)
    truth[:] = np.eye(3)[0]
    truth[:5], truth[5:10] = np.eye(3)[1], np.eye(3)[2]
    options = {"class_names": THREE, "exclusive": True}
    assert uncalibrated_labels(truth, **options) == THREE
    fitted = fit_classifier_calibration(raw, truth, method="temperature", **options)
    assert fitted == dict.fromkeys(THREE, UNCHANGED)
    after = cross_fitted(raw, truth, [""] * 40, method="temperature", **options)
    np.testing.assert_allclose(after, raw)


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_calibration_helps_on_images_it_was_not_fitted_on(method):
    truth, raw = overconfident(2, images=600)
    patients = [str(number // 2) for number in range(600)]
    after = cross_fitted(raw, truth, patients, class_names=ONE, method=method)
    effect = measure_classifier_calibration(
        raw, after, truth, patients, class_names=ONE, samples=100
    )["tb"]
    assert effect.after.ece.value < 0.6 * effect.before.ece.value
    assert effect.after.brier.value < effect.before.brier.value
    assert effect.ece_equal_mass_after.value < 0.6 * effect.ece_equal_mass_before.value
    assert effect.before.ece.low < effect.before.ece.value < effect.before.ece.high
    assert effect.before.count == 600


def test_noise_is_not_told_to_be_calibrated_by_what_it_was_fitted_on():
    """An isotonic map fits 40 images of no pattern perfectly; cross-fitting shows it does not."""
    rng = np.random.default_rng(0)
    truth, raw = (rng.random((40, 1)) < 0.5).astype(float), rng.random((40, 1))
    fitted = fit_classifier_calibration(raw, truth, class_names=ONE, method="isotonic")
    on_itself = calibrate(raw, fitted, class_names=ONE)
    crossed = cross_fitted(raw, truth, [""] * 40, class_names=ONE, method="isotonic")
    positive = truth[:, 0] == 1
    found = [measure_calibration(one[:, 0], positive).ece.value for one in (on_itself, crossed)]
    assert found[0] < 0.01
    assert found[1] > 0.05


def test_no_image_is_calibrated_by_others_of_its_patient():
    """What is known of one patient does not change that patient's own probabilities."""
    truth, raw = overconfident(3, images=100)
    patients = [f"p{number // 5}" for number in range(100)]
    before = cross_fitted(raw, truth, patients, class_names=ONE, method="temperature")
    raw[:5] = np.array([[0.999], [0.001], [0.5], [0.9], [0.2]])
    changed = cross_fitted(raw, truth, patients, class_names=ONE, method="temperature")
    again = raw.copy()
    again[1:5] = 0.7
    other = cross_fitted(again, truth, patients, class_names=ONE, method="temperature")
    assert other[0] == changed[0]
    # But it does change others'.
    assert not np.allclose(before[5:], changed[5:])


def test_folds_share_rare_labels_evenly():
    """Ten positive patients of 200: each fold has two of them, so each fit sees eight."""
    truth = np.zeros((200, 1))
    truth[:10] = 1.0
    raw = np.where(truth == 1, 0.7, np.linspace(0.1, 0.6, 200)[:, None])
    after = cross_fitted(raw, truth, [""] * 200, class_names=ONE, method="temperature")
    assert np.unique(after[:10].round(6)).size <= 5
    assert not np.allclose(after[:10], raw[:10])


@pytest.mark.parametrize("images", [0, 1, 3])
@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_few_images_or_patients_are_no_error(images, method):
    truth, raw = np.zeros((images, 1)), np.full((images, 1), 0.3)
    for patients in ([""] * images, ["p"] * images):
        after = cross_fitted(raw, truth, patients, class_names=ONE, method=method)
        np.testing.assert_allclose(after, raw)
    effect = measure_classifier_calibration(
        raw, raw, truth, [""] * images, class_names=ONE, samples=10
    )["tb"]
    assert effect.before.ece.value == (pytest.approx(0.3) if images else None)


@pytest.mark.parametrize(
    ("raw", "options", "message"),
    [
        pytest.param(np.zeros((3, 1)), {}, "must both be", id="lengths"),
        pytest.param(np.full((2, 1), np.nan), {}, "finite", id="nan"),
        pytest.param(
            np.zeros((2, 1)),
            {"method": "isotonic", "exclusive": True},
            "by a temperature only",
            id="exclusive isotonic",
        ),
    ],
)
def test_wrong_input_is_refused(raw, options, message):
    options = {"class_names": ONE, "method": "temperature", **options}
    with pytest.raises(ValueError, match=message):
        fit_classifier_calibration(raw, np.zeros((2, 1)), **options)


def test_probabilities_beyond_one_cannot_be_measured():
    raw, truth = np.array([[1.5]]), np.zeros((1, 1))
    with pytest.raises(ValueError, match="between 0 and 1"):
        measure_classifier_calibration(raw, raw, truth, [""], class_names=ONE)


def test_running_a_model_needs_neither_scikit_learn_nor_scipy():
    code = (
        "import sys, lucency.evaluation.classifier_calibration\n"
        "print([name for name in ('sklearn', 'scipy', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

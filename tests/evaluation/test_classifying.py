"""Figures of a classifier, by hand, against scikit-learn, and as if sets were really drawn."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, confusion_matrix, f1_score, roc_auc_score

from lucency.evaluation.bootstrap import patient_weights
from lucency.evaluation.classifying import label_meter, measure_classification
from lucency.evaluation.delong import delong_interval

NAMES = ("tb", "effusion")
POINTS = {
    "balanced": {"tb": 0.5, "effusion": 0.4},
    "specific": dict.fromkeys(NAMES, 0.8),
}


def made_up(seed, images=80, unknown=0.2, decimals=2):
    rng = np.random.default_rng(seed)
    truth = (rng.random((images, 2)) < [0.4, 0.2]).astype(np.float64)
    probabilities = np.clip(rng.normal(0.4 + 0.2 * truth, 0.2), 0, 1).round(decimals)
    truth[rng.random(truth.shape) < unknown] = np.nan
    patients = [f"p{number // 2}" if number % 5 else "" for number in range(images)]
    return truth, probabilities, patients


def measured(truth, probabilities, patients, **options):
    options = {"class_names": NAMES, "points": POINTS, "samples": 50, **options}
    return measure_classification(truth, probabilities, patients, **options)


def test_worked_example():
    """Three images with the label, four without, one unknown."""
    truth = np.array([1, 1, 1, 0, 0, 0, 0, np.nan])[:, None]
    probability = np.array([0.9, 0.6, 0.2, 0.7, 0.3, 0.1, 0.1, 0.99])[:, None]
    found = measured(
        truth,
        probability,
        ["p", "p", "q", "", "", "r", "s", "s"],
        class_names=("tb",),
        points={"balanced": {"tb": 0.6}},
    )
    assert (found.images, found.patients, found.images_without_patient) == (8, 6, 2)
    assert found.patients_known
    assert (found.accuracy, found.confusion) == (None, None)
    label = found.labels["tb"]
    assert (label.positives, label.negatives, label.prevalence) == (3, 4, 3 / 7)
    # Of 12 pairs, 9 are in order: 0.9 beats 4, 0.6 beats 3, 0.2 beats 2.
    assert label.auc.value == label.auc_delong.value == found.mean_auc.value == 9 / 12
    # Precision 1, 2/3 and 3/5 where each positive is reached.
    assert label.average_precision.value == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    rates = label.points["balanced"]
    assert rates.threshold == 0.6
    assert rates.confusion.tolist() == [[3, 1], [1, 2]]
    names = ("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1")
    assert [getattr(rates, name).value for name in names] == pytest.approx(
        [2 / 3, 3 / 4, 2 / 3, 3 / 4, 5 / 7, 2 / 3]
    )
    assert rates.sensitivity.low < 2 / 3 < rates.sensitivity.high


@pytest.mark.parametrize("seed", range(3))
def test_equals_scikit_learn(seed):
    truth, probabilities, patients = made_up(seed)
    found = measured(truth, probabilities, patients)
    aucs = []
    for column, name in enumerate(NAMES):
        known = ~np.isnan(truth[:, column])
        positive, score = truth[known, column] == 1, probabilities[known, column]
        label = found.labels[name]
        aucs.append(roc_auc_score(positive, score))
        assert label.auc.value == pytest.approx(aucs[-1], abs=1e-12)
        expected = average_precision_score(positive, score)
        assert label.average_precision.value == pytest.approx(expected, abs=1e-12)
        assert label.auc_delong == delong_interval(positive, score)
        rates = label.points["balanced"]
        called = score >= POINTS["balanced"][name]
        assert (rates.confusion == confusion_matrix(positive, called)).all()
        assert rates.f1.value == pytest.approx(f1_score(positive, called), abs=1e-12)
        curve = label.precision_recall
        steps = np.diff(curve.recall) * curve.precision[1:]
        assert steps.sum() == pytest.approx(expected, abs=1e-12)
        assert curve.thresholds[0] == label.roc.thresholds[0] == np.inf
    assert found.mean_auc.value == pytest.approx(np.mean(aucs), abs=1e-12)


@pytest.mark.parametrize("seed", range(2))
def test_drawn_sets_are_measured_as_if_really_drawn(seed):
    truth, probabilities, patients = made_up(seed, decimals=1)
    drawn = patient_weights(patients, samples=4, seed=seed)
    figures = label_meter(truth, probabilities, NAMES, POINTS)(drawn.T.astype(float))
    for column, times in enumerate(drawn):
        rows = np.repeat(np.arange(len(truth)), times)
        again = measured(truth[rows], probabilities[rows], [""] * len(rows), samples=0)
        assert figures["mean_auc",][column] == pytest.approx(again.mean_auc.value)
        for name, label in again.labels.items():
            assert figures["auc", name][column] == pytest.approx(label.auc.value)
            assert figures["ap", name][column] == pytest.approx(label.average_precision.value)
            for point, rates in label.points.items():
                for rate in ("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1"):
                    value = getattr(rates, rate).value
                    ours = figures["points", point, name, rate][column]
                    expected = np.nan if value is None else value
                    assert ours == pytest.approx(expected, nan_ok=True), (point, rate)


def test_patients_are_drawn_not_images():
    """Ten copies of each image of ten patients tell no more than one: the interval is as wide."""
    truth, probabilities, _ = made_up(3, images=40, unknown=0.0)
    patients = [str(number) for number in range(40)]
    once = measured(truth, probabilities, patients, samples=300)
    rows = np.repeat(np.arange(40), 10)
    copies = measured(
        truth[rows], probabilities[rows], [patients[row] for row in rows], samples=300
    )
    assert copies.patients == 40
    assert copies.labels["tb"].auc.low == pytest.approx(once.labels["tb"].auc.low, abs=0.03)
    images = measured(truth[rows], probabilities[rows], [""] * 400, samples=300)
    widths = [one.labels["tb"].auc.high - one.labels["tb"].auc.low for one in (copies, images)]
    assert widths[0] > 2 * widths[1]
    assert not images.patients_known


def test_labels_that_exclude_each_other_have_one_answer():
    """Two of chest and bone each, one other, and one image of which nothing is known."""
    truth = np.eye(3)[[0, 0, 1, 1, 2, 0]]
    truth[5] = np.nan
    probabilities = np.array(
        [
            [0.8, 0.1, 0.1],
            [0.3, 0.6, 0.1],
            [0.1, 0.8, 0.1],
            [0.2, 0.7, 0.1],
            [0.5, 0.2, 0.3],
            [0.1, 0.1, 0.8],
        ]
    )
    names = ("chest", "bone", "other")
    found = measured(
        truth, probabilities, [""] * 6, class_names=names, points={}, exclusive=True, samples=100
    )
    assert found.confusion.tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert found.accuracy.value == 3 / 5
    assert found.accuracy.low < 3 / 5 < found.accuracy.high
    assert [label.positives for label in found.labels.values()] == [2, 2, 1]
    # Of chest against the others: 0.8 beats 0.1, 0.2, 0.5 and 0.3 the first two.
    assert found.labels["chest"].auc.value == pytest.approx(5 / 6)


@pytest.mark.parametrize("value", [0.0, 1.0], ids=["none", "both"])
def test_an_image_has_one_of_labels_that_exclude_each_other(value):
    truth = np.array([[1.0, 0.0], [value, value]])
    with pytest.raises(ValueError, match=f"image 1 has {2 * value:.0f}"):
        measured(truth, np.full((2, 2), 0.5), ["", ""], exclusive=True)


@pytest.mark.parametrize("exclusive", [False, True], ids=["any", "exclusive"])
@pytest.mark.parametrize("images", [0, 4], ids=["no images", "nothing known"])
def test_nothing_to_measure_is_no_error(images, exclusive):
    found = measured(
        np.full((images, 2), np.nan), np.zeros((images, 2)), [""] * images, exclusive=exclusive
    )
    assert found.images == images
    assert found.mean_auc.value is None
    for label in found.labels.values():
        assert (label.positives, label.negatives, label.prevalence) == (0, 0, None)
        assert (label.roc, label.precision_recall, label.auc_delong.value) == (None, None, None)
        assert label.average_precision.value is None
        assert label.points["balanced"].sensitivity.value is None
    if exclusive:
        assert found.accuracy.value is None
        assert found.confusion.sum() == 0


def test_a_label_of_one_value_has_rates_but_no_area():
    truth = np.array([[1.0, 0], [1, 1], [1, 0]])
    found = measured(truth, np.full((3, 2), 0.6), ["", "", ""])
    label = found.labels["tb"]
    assert (label.auc.value, label.average_precision.value, label.roc) == (None, None, None)
    rates = label.points["balanced"]
    assert (rates.sensitivity.value, rates.accuracy.value) == (1.0, 1.0)
    assert (rates.ppv.value, rates.specificity.value, rates.f1.value) == (None, None, None)
    assert found.mean_auc.value == found.labels["effusion"].auc.value == 0.5


def test_without_samples_there_are_no_intervals_and_progress_is_told():
    truth, probabilities, patients = made_up(0)
    bare = measured(truth, probabilities, patients, samples=0)
    assert bare.labels["tb"].auc.low is None
    assert bare.labels["tb"].auc_delong.low is not None
    told = []
    measured(truth, probabilities, patients, progress=lambda *done: told.append(done))
    assert told == [(50, 50)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"patients": ["a"]}, r"patients must be \(2,\), got \(1,\)", id="patients"),
        pytest.param(
            {"points": {"balanced": {"tb": 0.5}}}, "no threshold for effusion", id="point"
        ),
        pytest.param({"class_names": ("tb",)}, "must both be", id="classes"),
    ],
)
def test_wrong_input_is_refused(changes, message):
    options = {"patients": ["a", "b"], **changes}
    with pytest.raises(ValueError, match=message):
        measured(np.zeros((2, 2)), np.zeros((2, 2)), options.pop("patients"), **options)

"""Images and patients as a whole, the AUC against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lucency.evaluation.bootstrap import measure_samples, patient_weights
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.case_rates import (
    RATES,
    auc_meter,
    case_meter,
    case_rates,
    image_cases,
    patient_cases,
)
from lucency.evaluation.match_table import limits_of, match_table

NAMES = ("fracture", "lesion")
POINTS = {"balanced": {"fracture": 0.6, "lesion": 0.3}}
BOX = np.array([[0.0, 0, 10, 10]])


def image(name, patient, positive, *boxes):
    """One image, and predictions given as (class, score)."""
    ids = np.zeros(int(positive), np.int64)
    truth = ImageTruth(name, (99, 99), BOX[: len(ids)], ids, patient)
    scores = np.array([score for _, score in boxes], np.float64)
    classes = np.array([class_id for class_id, _ in boxes], np.int64)
    return truth, ImagePredictions(name, BOX.repeat(len(boxes), 0), scores, classes)


def example():
    """Three patients of two images each."""
    pairs = [
        image("a", "p", True, (0, 0.7)),  # called
        image("b", "p", False, (1, 0.2)),
        image("c", "q", True, (0, 0.5)),  # below the fracture's threshold: missed
        image("d", "q", True, (1, 0.4)),  # another class, but the image is called
        image("e", "r", False),
        image("f", "r", False, (0, 0.1), (1, 0.3)),  # a false alarm, exactly at the threshold
    ]
    return [truth for truth, _ in pairs], [found for _, found in pairs]


def rates_of(table, cases, samples=0):
    limits = limits_of(POINTS, NAMES)
    figures = measure_samples(
        [case_meter(table, cases, limits), auc_meter(cases)],
        table.image_patient,
        samples=samples,
        seed=0,
    )
    return case_rates(table, cases, limits, figures)["balanced"], figures


def test_images_of_the_worked_example():
    table = match_table(*example(), class_names=NAMES)
    rates, figures = rates_of(table, image_cases(table))
    assert (rates.tp, rates.fp, rates.tn, rates.fn) == (2, 1, 2, 1)
    values = [getattr(rates, rate).value for rate in RATES]
    # Sensitivity 2/3, specificity 2/3, PPV 2/3, NPV 2/3.
    assert values == pytest.approx([2 / 3] * 4)
    # Best scores: positives 0.7, 0.5, 0.4; negatives 0.2, none, 0.3. All pairs in order.
    assert figures["image", "auc"].value == 1.0


def test_patients_of_the_worked_example():
    table = match_table(*example(), class_names=NAMES)
    cases = patient_cases(table)
    assert cases.positive.tolist() == [True, True, False]
    assert cases.score.tolist() == [0.7, 0.5, 0.3]
    rates, figures = rates_of(table, cases)
    assert (rates.tp, rates.fp, rates.tn, rates.fn) == (2, 1, 0, 0)
    assert rates.sensitivity.value == 1.0
    assert rates.specificity.value == 0.0
    assert rates.ppv.value == pytest.approx(2 / 3)
    assert rates.npv.value is None
    assert figures["patient", "auc"].value == 1.0


@pytest.mark.parametrize("level", [image_cases, patient_cases])
@pytest.mark.parametrize("seed", range(3))
def test_drawn_sets_are_measured_as_if_really_drawn(made_up_set, repeated_set, seed, level):
    truths, predictions = made_up_set(seed, images=24)
    table = match_table(truths, predictions, class_names=NAMES)
    cases = level(table)
    drawn = patient_weights(table.image_patient, samples=5, seed=seed)
    weights = drawn.T.astype(float)
    limits = limits_of(POINTS, NAMES)
    figures = {**case_meter(table, cases, limits)(weights), **auc_meter(cases)(weights)}
    for column, times in enumerate(drawn):
        again = match_table(*repeated_set(truths, predictions, times), class_names=NAMES)
        _, expected = rates_of(again, level(again))
        assert figures.keys() == expected.keys()
        for key, value in expected.items():
            assert figures[key][column] == pytest.approx(value.value, nan_ok=True, abs=1e-12)


def test_image_auc_from_boxes_equals_scikit_learn(made_up_set):
    truths, predictions = made_up_set(4, images=60, most_false=2, decimals=1)
    table = match_table(truths, predictions, class_names=NAMES)
    # An image without boxes is below all others.
    best = [one.scores.max(initial=-1.0) for one in predictions]
    assert -1.0 in best
    positive = [len(one.class_ids) > 0 for one in truths]
    ours = auc_meter(image_cases(table))(np.ones((60, 1)))["image", "auc"][0]
    assert ours == pytest.approx(roc_auc_score(positive, best), abs=1e-12)


@pytest.mark.parametrize("positive", [True, False], ids=["all positive", "all negative"])
def test_one_sided_sets_have_no_auc(positive):
    pairs = [image(name, "", positive, (0, 0.7)) for name in "ab"]
    table = match_table(*zip(*pairs, strict=True), class_names=NAMES)
    rates, figures = rates_of(table, image_cases(table), samples=10)
    assert figures["image", "auc"].estimate().value is None
    assert (rates.sensitivity.value, rates.specificity.value) == (
        (1.0, None) if positive else (None, 0.0)
    )


@pytest.mark.parametrize("level", [image_cases, patient_cases])
def test_no_images(level):
    table = match_table([], [], class_names=NAMES)
    rates, figures = rates_of(table, level(table), samples=3)
    assert (rates.tp, rates.fp, rates.tn, rates.fn) == (0, 0, 0, 0)
    assert all(one.estimate().value is None for one in figures.values())

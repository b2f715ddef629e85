"""Rates of findings at operating points."""

import numpy as np
import pytest

from lucency.evaluation.bootstrap import measure_samples, patient_weights
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.detection_measures import ALL_CLASSES
from lucency.evaluation.lesion_rates import RATES, lesion_meter, lesion_rates
from lucency.evaluation.match_table import limits_of, match_table

NAMES = ("fracture", "lesion")
POINTS = {
    "screening": {"fracture": 0.3, "lesion": 0.2},
    "specific": {"fracture": 0.8, "lesion": 0.9},
}


def rates_of(truths, predictions, points=POINTS, names=NAMES, samples=0):
    table = match_table(truths, predictions, class_names=names)
    limits = limits_of(points, names)
    figures = measure_samples(
        [lesion_meter(table, limits)], table.image_patient, samples=samples, seed=0
    )
    return lesion_rates(table, limits, figures)


def test_worked_example():
    """Fracture: 2 findings, one found at 0.8, one alarm at 0.5. Lesion: 1 finding, missed."""
    boxes = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]])
    truths = [
        ImageTruth("a", (99, 99), boxes, np.array([0, 0, 1])),
        ImageTruth("b", (99, 99), boxes[:0], np.zeros(0, np.int64)),
    ]
    predictions = [
        ImagePredictions("a", boxes[:1], np.array([0.8]), np.array([0])),
        ImagePredictions("b", boxes[:1], np.array([0.5]), np.array([0])),
    ]
    found = rates_of(truths, predictions)
    loose = found["screening"]["fracture"]
    assert (loose.threshold, loose.tp, loose.fp, loose.fn) == (0.3, 1, 1, 1)
    values = [getattr(loose, rate).value for rate in RATES]
    # Precision 1/2, recall 1/2, F1 2/(2 + 1 + 1), one alarm on two images.
    assert values == pytest.approx([0.5, 0.5, 0.5, 0.5])
    # A score equal to the threshold counts.
    strict = found["specific"]["fracture"]
    assert (strict.tp, strict.fp, strict.precision.value) == (1, 0, 1.0)
    missed = found["screening"]["lesion"]
    assert missed.precision.value is None
    assert (missed.recall.value, missed.f1.value) == (0.0, 0.0)
    pooled = found["screening"][ALL_CLASSES]
    assert pooled.threshold is None
    assert (pooled.tp, pooled.fp, pooled.fn) == (1, 1, 2)
    assert pooled.f1.value == pytest.approx(2 / 5)


@pytest.mark.parametrize("seed", range(3))
def test_drawn_sets_are_measured_as_if_really_drawn(made_up_set, repeated_set, seed):
    truths, predictions = made_up_set(seed, images=20)
    table = match_table(truths, predictions, class_names=NAMES)
    drawn = patient_weights(table.image_patient, samples=5, seed=seed)
    figures = lesion_meter(table, limits_of(POINTS, NAMES))(drawn.T.astype(float))
    for column, weights in enumerate(drawn):
        for point, by_class in rates_of(*repeated_set(truths, predictions, weights)).items():
            for name, one in by_class.items():
                for rate in RATES:
                    expected = getattr(one, rate).value
                    value = figures["points", point, name, rate][column]
                    assert value == pytest.approx(
                        np.nan if expected is None else expected, nan_ok=True
                    )


def test_pooled_alone_is_the_same(made_up_set):
    truths, predictions = made_up_set(0)
    table = match_table(truths, predictions, class_names=NAMES)
    limits, weights = limits_of(POINTS, NAMES), np.ones((len(truths), 1))
    every = lesion_meter(table, limits)(weights)
    pooled = lesion_meter(table, limits, kind="iou50", only_pooled=True)(weights)
    assert {key[2] for key in pooled} == {ALL_CLASSES}
    assert {key[0] for key in pooled} == {"iou50"}
    for (_, *key), value in pooled.items():
        assert value[0] == every["points", *key][0]


def test_intervals_hold_their_values(made_up_set):
    pooled = rates_of(*made_up_set(1, images=60), samples=200)["screening"][ALL_CLASSES]
    for rate in RATES:
        one = getattr(pooled, rate)
        assert one.low < one.value < one.high


def test_no_images():
    pooled = rates_of([], [], samples=3)["screening"][ALL_CLASSES]
    assert (pooled.tp, pooled.fp, pooled.fn) == (0, 0, 0)
    assert {getattr(pooled, rate).value for rate in RATES} == {None}

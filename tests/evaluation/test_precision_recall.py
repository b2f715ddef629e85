"""Counts and rates at an operating point."""

import numpy as np
import pytest

from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.precision_recall import DetectionRates, precision_recall_at

NAMES = ("fracture", "lesion")


@pytest.fixture
def measured():
    """Image a: a fracture and a lesion; image b: a confirmed negative."""
    here, there = [0.0, 0, 10, 10], [50.0, 50, 60, 60]
    truths = [
        ImageTruth("a", (99, 99), np.array([here, there]), np.array([0, 1])),
        ImageTruth("b", (99, 99), np.zeros((0, 4)), np.zeros(0, np.int64)),
    ]
    predictions = [
        ImagePredictions(
            "a", np.array([here, here, there]), np.array([0.9, 0.6, 0.3]), np.array([0, 0, 1])
        ),
        ImagePredictions("b", np.array([here]), np.array([0.5]), np.array([1])),
    ]
    return truths, predictions


def test_counts_by_class_and_pooled(measured):
    result = precision_recall_at(*measured, {"fracture": 0.5, "lesion": 0.4}, class_names=NAMES)
    assert result.per_class["fracture"] == DetectionRates(tp=1, fp=1, fn=0, images=2)
    assert result.per_class["lesion"] == DetectionRates(tp=0, fp=1, fn=1, images=2)
    assert result.overall == DetectionRates(tp=1, fp=2, fn=1, images=2)
    assert result.overall.precision == pytest.approx(1 / 3)
    assert result.overall.recall == 0.5
    assert result.overall.f1 == pytest.approx(0.4)
    assert result.overall.false_positives_per_image == 1.0


def test_a_score_at_the_threshold_counts(measured):
    at = precision_recall_at(*measured, {"fracture": 0.9, "lesion": 0.3}, class_names=NAMES)
    above = precision_recall_at(*measured, {"fracture": 0.91, "lesion": 0.31}, class_names=NAMES)
    assert (at.overall.tp, above.overall.tp) == (2, 0)


def test_rates_without_denominator_are_none():
    nothing = precision_recall_at([], [], {"fracture": 0.5}, class_names=("fracture",)).overall
    assert nothing == DetectionRates(tp=0, fp=0, fn=0, images=0)
    assert nothing.precision is None
    assert nothing.recall is None
    assert nothing.f1 is None
    assert nothing.false_positives_per_image is None


def test_no_predictions_are_recall_0_and_no_precision(measured):
    result = precision_recall_at(measured[0], [], dict.fromkeys(NAMES, 0.5), class_names=NAMES)
    assert result.overall.recall == 0.0
    assert result.overall.precision is None
    assert result.overall.f1 == 0.0

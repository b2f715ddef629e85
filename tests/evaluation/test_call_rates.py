"""Rates of calls by hand."""

import numpy as np
import pytest

from lucency.evaluation.call_rates import call_counts, call_rates


def rates(tp, fp, tn, fn):
    found = call_rates(*(np.array([float(count)]) for count in (tp, fp, tn, fn)))
    return {name: float(values[0]) for name, values in found.items()}


def test_worked_example():
    assert rates(2, 1, 3, 1) == pytest.approx(
        {
            "sensitivity": 2 / 3,
            "specificity": 3 / 4,
            "ppv": 2 / 3,
            "npv": 3 / 4,
            "f1": 2 / 3,
            "accuracy": 5 / 7,
        }
    )


@pytest.mark.parametrize(
    ("counts", "known"),
    [
        pytest.param((3, 0, 0, 1), {"sensitivity": 0.75, "accuracy": 0.75}, id="positives only"),
        pytest.param((0, 1, 3, 0), {"specificity": 0.75, "accuracy": 0.75}, id="negatives only"),
        pytest.param((0, 0, 0, 0), {}, id="nothing"),
        pytest.param(
            (0, 0, 3, 1),
            {"sensitivity": 0.0, "specificity": 1.0, "npv": 0.75, "f1": 0.0, "accuracy": 0.75},
            id="none called",
        ),
    ],
)
def test_rates_without_denominator_are_nan(counts, known):
    found = rates(*counts)
    assert {name: value for name, value in found.items() if not np.isnan(value)} == known


def test_each_case_is_counted_once():
    positive = np.array([True, True, False, False])
    called = np.array([True, False, True, False])
    tp, fp, tn, fn = call_counts(positive, called)
    assert [part.tolist() for part in (tp, fp, tn, fn)] == [
        [1, 0, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
        [0, 1, 0, 0],
    ]

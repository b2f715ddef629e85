"""Arrays that can be measured, and whose images they are of."""

import numpy as np
import pytest

from lucency.evaluation.image_labels import check_classified, patient_numbers


@pytest.mark.parametrize(
    ("patients", "numbers"),
    [
        pytest.param(["a", "b", "a"], [0, 1, 0], id="named"),
        pytest.param(["", "a", "", "a"], [0, 1, 2, 1], id="unknown"),
        pytest.param([], [], id="none"),
    ],
)
def test_images_without_patient_are_patients_of_their_own(patients, numbers):
    found = patient_numbers(patients)
    assert found.dtype == np.int64
    assert found.tolist() == numbers


@pytest.mark.parametrize(
    ("truth", "probabilities", "message"),
    [
        pytest.param(np.zeros((4, 1)), np.zeros((4, 1)), r"must both be \(N, 2\)", id="classes"),
        pytest.param(np.zeros((4, 2)), np.zeros((3, 2)), "must both be", id="lengths"),
        pytest.param(np.zeros((1, 2)), np.full((1, 2), np.nan), "finite", id="nan"),
    ],
)
def test_wrong_arrays_are_refused(truth, probabilities, message):
    with pytest.raises(ValueError, match=message):
        check_classified(truth, probabilities, ("a", "b"))


def test_unknown_truth_and_no_images_are_right():
    check_classified(np.full((1, 1), np.nan), np.zeros((1, 1)), ("a",))
    check_classified(np.zeros((0, 1)), np.zeros((0, 1)), ("a",))

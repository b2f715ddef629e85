"""Calibration in a manifest rises, or is refused."""

import pytest
from pydantic import ValidationError

from lucency.configs.calibration import ClassCalibration


def test_both_methods():
    assert ClassCalibration(method="platt").slope == 1.0
    found = ClassCalibration(method="isotonic", scores=(0, 0.4, 1), probabilities=(0.1, 0.2, 0.9))
    assert ClassCalibration.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({"method": "platt", "slope": 0}, "greater than 0", id="level"),
        pytest.param({"method": "isotonic"}, "two or more knots", id="no knots"),
        pytest.param(
            {"method": "isotonic", "scores": (0, 1), "probabilities": (0.5,)},
            "two or more knots each",
            id="lengths",
        ),
        pytest.param(
            {"method": "isotonic", "scores": (0, 1), "probabilities": (0.5, 0.5)},
            "probabilities must rise",
            id="level knots",
        ),
        pytest.param(
            {"method": "isotonic", "scores": (0, 0.6, 0.6, 1), "probabilities": (0, 0.1, 0.2, 1)},
            "scores must rise",
            id="a score twice",
        ),
        pytest.param(
            {"method": "isotonic", "scores": (0, 1), "probabilities": (0, 1.1)},
            "between 0 and 1",
            id="above 1",
        ),
        pytest.param(
            {"method": "isotonic", "scores": (0.1, 1), "probabilities": (0, 1)},
            "from 0 to 1",
            id="a score without a map",
        ),
    ],
)
def test_other_maps_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        ClassCalibration.model_validate(values)

"""Each operating point is chosen for one thing."""

import pytest
from pydantic import ValidationError

from lucency.configs.point_targets import DEFAULT_TARGETS, PointTarget, PointTargets


def test_a_recipe_may_say_one_and_keep_the_others():
    found = PointTargets.model_validate({"specific": {"false_positives_per_image": 0.05}})
    assert found.specific.false_positives_per_image == 0.05
    assert (found.screening, found.balanced) == (
        DEFAULT_TARGETS.screening,
        DEFAULT_TARGETS.balanced,
    )


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"best_f1": False}, id="not even F1"),
        pytest.param({"sensitivity": 0.9, "best_f1": True}, id="two"),
        pytest.param({"sensitivity": 1.1}, id="above 1"),
        pytest.param({"sensitivity": 0}, id="zero"),
        pytest.param({"false_positives_per_image": 0}, id="no false alarms at all"),
    ],
)
def test_other_targets_are_refused(values):
    with pytest.raises(ValidationError):
        PointTarget.model_validate(values)

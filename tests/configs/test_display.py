import pytest
from pydantic import ValidationError

from lucency.configs.display import DisplaySpec


def test_equal_parameters_have_equal_digests() -> None:
    assert DisplaySpec().digest() == DisplaySpec(method="as_displayed", low=0.5).digest()


@pytest.mark.parametrize(
    "other",
    [{"method": "percentile"}, {"low": 1.0}, {"high": 99.0}, {"longest_side": 640}],
    ids=["method", "low", "high", "longest_side"],
)
def test_every_parameter_changes_the_digest(other: dict[str, object]) -> None:
    assert DisplaySpec.model_validate(other).digest() != DisplaySpec().digest()


def test_the_digest_is_fixed() -> None:
    # Bundles hold it: if this changes, every bundle ever written is refused.
    assert DisplaySpec().digest().startswith("e593c457867a")


@pytest.mark.parametrize(
    "wrong",
    [
        {"low": 50, "high": 50},
        {"low": 60, "high": 40},
        {"low": -1},
        {"high": 101},
        {"low": float("nan")},
        {"longest_side": 31},
        {"method": "clahe"},
        {"gamma": 2.2},
    ],
    ids=lambda wrong: "-".join(f"{key}={value}" for key, value in wrong.items()),
)
def test_refuses(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DisplaySpec.model_validate(wrong)

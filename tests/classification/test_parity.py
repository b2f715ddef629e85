"""What an exported classifier may differ by, and how it is told."""

import numpy as np
import pytest

from lucency.classification.parity import Parity, measure_parity, refusal
from lucency.classification.stored_weights import Precision
from lucency.datasets.labelled import LabelledSplit

TRUTH = [[1, 0], [1, np.nan], [0, 1], [0, 0], [1, 1], [0, 0]]
EXPECTED = np.array([[0.9, 0.1], [0.8, 0.9], [0.3, 0.9], [0.2, 0.2], [0.7, 0.8], [0.1, 0.3]])


def split() -> LabelledSplit:
    return LabelledSplit("val", ("a", "b"), (), np.array(TRUTH, dtype=np.float32))


def test_the_same_probabilities_differ_by_nothing() -> None:
    found = measure_parity(EXPECTED, EXPECTED, split())
    assert found == Parity(6, 0.0, 0.0, 0.0, 12, 0.0)


def test_each_figure_tells_its_own_difference() -> None:
    other = EXPECTED.copy()
    other[4, 0] = 0.25  # of the label 'a' now below one that has it not, and below its threshold
    found = measure_parity(EXPECTED, other, split())
    assert found.probability == pytest.approx(0.45)
    assert found.mean_probability == pytest.approx(0.45 / 12)
    assert found.auc_drop == pytest.approx(1 / 9)
    assert (found.verdicts, found.changed) == (12, pytest.approx(1 / 12))


def test_a_label_that_gains_hides_no_loss() -> None:
    other = EXPECTED.copy()
    other[0, 1], other[2, 1] = 0.85, 0.95
    assert measure_parity(EXPECTED, other, split()).auc_drop == pytest.approx(1 / 6)


def test_what_is_not_finite_is_wholly_different() -> None:
    other = EXPECTED.copy()
    other[0, 0] = np.nan
    found = measure_parity(EXPECTED, other, split())
    assert found.probability == 1.0
    assert refusal(found, "int8") is not None


def test_without_both_values_there_is_no_auc() -> None:
    one = LabelledSplit("val", ("a",), (), np.ones((3, 1), dtype=np.float32))
    found = measure_parity(np.full((3, 1), 0.6), np.full((3, 1), 0.6), one)
    assert found.auc_drop is None
    assert found.to_manifest() == {
        "images": 3.0, "probability": 0.0, "mean_probability": 0.0, "verdicts": 3.0, "changed": 0.0,
    }  # fmt: skip


EQUAL = {
    "images": 1000, "probability": 0.0, "mean_probability": 0.0, "auc_drop": 0.0,
    "verdicts": 1000, "changed": 0.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("precision", "changes", "told"),
    [
        ("fp32", {}, None),
        ("fp32", {"probability": 2e-4}, "a probability off by 2.0e-04 (at most 1e-04)"),
        ("fp32", {"mean_probability": 5e-5}, "off by 5.0e-05 on average (at most 1e-05)"),
        ("fp32", {"changed": 0.002}, "0.20% of the verdicts at balanced changed (at most 0.10%)"),
        ("fp16", {"probability": 2e-4}, None),
        ("fp16", {"auc_drop": 0.01}, "AUC lower by 0.0100 (at most 0.001)"),
        ("int8", {"probability": 0.08, "mean_probability": 0.009, "changed": 0.019}, None),
        ("int8", {"probability": 0.3}, "a probability off by 3.0e-01"),
        ("int8", {"changed": 0.05}, "5.00% of the verdicts"),
        ("int8", {"auc_drop": -0.2}, None),
        ("int8", {"auc_drop": None}, None),
        ("int8", {"mean_probability": float("nan")}, "off by nan on average"),
    ],
)
def test_what_differs_too_much_is_refused_with_the_figures(
    precision: Precision, changes: dict[str, float], told: str | None
) -> None:
    found = refusal(Parity(**{**EQUAL, **changes}), precision)
    assert (found is None) if told is None else (found is not None and told in found)


@pytest.mark.parametrize(("changed", "passes"), [(1, True), (2, False)])
def test_of_few_verdicts_one_may_change(changed: int, passes: bool) -> None:
    parity = Parity(**{**EQUAL, "verdicts": 20, "changed": changed / 20})
    assert (refusal(parity, "fp32") is None) == passes

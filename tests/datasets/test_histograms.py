"""Counts in bins."""

import pytest

from lucency.datasets.histograms import even_edges, histogram, log_edges, whole_numbers


def test_values_beyond_the_edges_are_in_the_outermost_bins() -> None:
    found = histogram([-5, 0, 1, 1.5, 2, 99], even_edges(0, 3, 3))
    assert found.edges == (0, 1, 2, 3)
    assert found.counts == (2, 2, 2)
    assert found.median == 1.25


def test_no_values() -> None:
    found = histogram([], even_edges(0, 1, 2))
    assert (found.counts, found.median) == ((0, 0), None)


def test_logarithmic_edges_have_one_ratio() -> None:
    assert log_edges(1, 8, 3) == pytest.approx([1, 2, 4, 8])


def test_whole_numbers() -> None:
    assert whole_numbers([0, 2, 2, 7, 40], most=5) == {
        "0": 1, "1": 0, "2": 2, "3": 0, "4": 0, "5+": 2,
    }  # fmt: skip
    assert whole_numbers([3], most=5) == {"3": 1}
    assert whole_numbers([], most=5) == {}

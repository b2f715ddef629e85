import pytest

from lucency.annotations.findings import Finding
from lucency.annotations.geometry import Box
from lucency.annotations.matching import match


def finding(label: str, *corners: float) -> Finding:
    return Finding(label, Box(*corners))


def test_each_box_is_matched_once_and_the_best_overlap_first() -> None:
    first = [finding("a", 0, 0, 10, 10), finding("a", 1, 0, 11, 10)]
    second = [finding("a", 1, 0, 11, 10)]
    found = match(first, second, iou=0.5)
    assert found.same == ((1, 0, 1.0),)
    assert (found.only_first, found.only_second) == ((0,), ())


def test_one_label_goes_before_a_better_overlap() -> None:
    first = [finding("a", 0, 0, 10, 10)]
    second = [finding("b", 0, 0, 10, 10), finding("a", 1, 0, 11, 10)]
    found = match(first, second, iou=0.5)
    assert [(row, other) for row, other, _ in found.same] == [(0, 1)]
    assert found.relabelled == ()
    assert found.only_second == (0,)


def test_another_label_at_one_place_is_told_as_such() -> None:
    found = match([finding("a", 0, 0, 10, 10)], [finding("b", 0, 0, 10, 9)], iou=0.5)
    assert found.relabelled == ((0, 0, 0.9),)
    assert (found.only_first, found.only_second) == ((), ())


@pytest.mark.parametrize(("iou", "matched"), [(1 / 3, 1), (0.34, 0)], ids=["at", "above"])
def test_the_threshold_itself_is_enough(iou: float, matched: int) -> None:
    found = match([finding("a", 0, 0, 10, 10)], [finding("a", 5, 0, 15, 10)], iou=iou)
    assert len(found.same) == matched


def test_ties_go_to_the_earlier_rows() -> None:
    twins = [finding("a", 0, 0, 10, 10)] * 3
    found = match(twins, twins[:2], iou=0.5)
    assert [pair[:2] for pair in found.same] == [(0, 0), (1, 1)]
    assert found.only_first == (2,)


def test_nothing_against_nothing() -> None:
    found = match([], [], iou=0.5)
    assert (found.same, found.relabelled, found.only_first, found.only_second) == ((), (), (), ())

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from lucency.api.batching import Kind, Ways
from lucency.api.identical_runs import try_ways

KIND: Kind = ("a", (("image", (1, 8, 8), "<f4"),))
Answer = Callable[[np.ndarray], np.ndarray]


class FakeSession:
    """Answers what ``answer`` makes of its input, after so much work."""

    def __init__(self, answer: Answer, *, work: int = 0) -> None:
        self._answer = answer
        self._work = work
        self.runs: list[int] = []

    def run(self, names: Sequence[str] | None, feed: Mapping[str, Any], /) -> list[np.ndarray]:
        image = feed["image"]
        self.runs.append(len(image))
        values = np.ones(300_000, dtype=np.float64)
        for _ in range(self._work):
            np.sqrt(values, out=values)
        return [self._answer(image)]

    def get_inputs(self) -> Any:
        return []

    def get_outputs(self) -> Any:
        return []


def sums(image: np.ndarray) -> np.ndarray:
    return image.sum(axis=(1, 2, 3), keepdims=True)


def next_float(image: np.ndarray) -> np.ndarray:
    """A bit more where several are added up together."""
    found = sums(image)
    return found if len(image) == 1 else np.nextafter(found, np.float32(np.inf))


def one_only(image: np.ndarray) -> np.ndarray:
    if len(image) > 1:
        raise RuntimeError("Got invalid dimensions for input")
    return sums(image)


def first_row(image: np.ndarray) -> np.ndarray:
    return sums(image)[:1]


def tried(narrow: FakeSession, wide: FakeSession | None, *, most: int = 4) -> Ways:
    found = [Ways()]
    for _ in try_ways(KIND, narrow=narrow, wide=wide, most=most, found=found.append):
        pass
    return found[-1]


def test_what_gives_the_same_bits_and_saves_work_is_used() -> None:
    narrow = FakeSession(sums, work=8)
    found = tried(narrow, FakeSession(sums))
    assert found.wide
    assert found.sizes == (1, 2, 3, 4)
    assert max(narrow.runs) == 4


@pytest.mark.parametrize("answer", [next_float, one_only, first_row])
def test_batches_with_another_answer_are_not_used(answer: Answer) -> None:
    found = tried(FakeSession(answer, work=8), FakeSession(sums))
    assert found == Ways(sizes=(1,), wide=True)


def test_more_threads_with_another_answer_are_not_used() -> None:
    def other(image: np.ndarray) -> np.ndarray:
        return np.nextafter(sums(image), np.float32(np.inf))

    assert not tried(FakeSession(sums, work=8), FakeSession(other)).wide


def test_one_core_has_no_wide_session() -> None:
    assert not tried(FakeSession(sums, work=8), None).wide


def test_a_fast_model_needs_no_more_threads() -> None:
    wide = FakeSession(sums)
    assert not tried(FakeSession(sums), wide).wide
    assert wide.runs == []


def test_nothing_is_run_together_where_one_is_the_most() -> None:
    narrow = FakeSession(sums, work=8)
    assert tried(narrow, FakeSession(sums), most=1) == Ways(wide=True)
    assert set(narrow.runs) == {1}

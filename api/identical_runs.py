"""Which ways of running a network leave every bit of its answer as it is, found by trying.

A library for matrices may add up in another order when there are more rows, or more threads. So
each way is tried on noise, and what gives other bits than one input in one thread is not used; nor
is what saves no time. Kernels are chosen by shapes, not by values, so this holds for other inputs
of the same shapes.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lucency.api.batching import Feed, Kind, Ways
from lucency.configs.session import Session

Outputs = list[NDArray[Any]]
# Runs together must save so much of the processor's time an input, or they only cost memory.
_WORTH_IT = 0.97
# A network that takes longer gains nothing by it, and trying would hold up others.
_LONGEST_S = 0.2
# A network that takes less is done before other threads have woken.
_SHORTEST_S = 0.002
_SEED = 20


def try_ways(
    kind: Kind,
    *,
    narrow: Session,
    wide: Session | None,
    most: int,
    found: Callable[[Ways], None],
) -> Iterator[None]:
    """Try all ways of running inputs of one ``kind``, one step after each `next`.

    ``narrow`` is the session of one thread, ``wide`` that of all cores, if there are several, and
    ``most`` the largest number of inputs together. ``found`` is told what may be used, each time
    that it is more.
    """
    feeds = _noise(kind, most)
    outputs, single = timed_run(narrow, feeds[0])
    alone, ways = [outputs], Ways()
    yield
    if single >= _SHORTEST_S and wide is not None:
        outputs, _ = timed_run(wide, feeds[0])
        ways = Ways(wide=_same([outputs], alone))
        found(ways)
        yield
    if single > _LONGEST_S:
        return
    for feed in feeds[1:]:
        outputs, took = timed_run(narrow, feed)
        alone.append(outputs)
        single = min(single, took)
        yield
    for size in range(2, most + 1):
        together = run_together(narrow, feeds[:size])
        if together is None:
            return
        answers, took = together
        if _same(answers, alone[:size]) and took / size <= _WORTH_IT * single:
            ways = Ways((*ways.sizes, size), ways.wide)
            found(ways)
        yield


def run_together(session: Session, feeds: Sequence[Feed]) -> tuple[list[Outputs], float] | None:
    """The outputs for each of several inputs (1, …), and the seconds the processor worked.

    None where the model takes one at a time only.
    """
    try:
        outputs, took = timed_run(session, stacked(feeds))
    except Exception:  # ONNX Runtime's own exceptions share no public base class
        return None
    if any(len(array) != len(feeds) for array in outputs):
        return None
    return split(outputs), took


def timed_run(session: Session, feed: Feed) -> tuple[Outputs, float]:
    """All outputs, and the seconds that the processor worked in this thread."""
    start = time.thread_time()
    outputs = [np.asarray(value) for value in session.run(None, feed)]
    return outputs, time.thread_time() - start


def stacked(feeds: Sequence[Feed]) -> Mapping[str, NDArray[Any]]:
    """Several inputs (1, …) as one (B, …)."""
    if len(feeds) == 1:
        return feeds[0]
    return {name: np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]}


def split(outputs: Sequence[NDArray[Any]]) -> list[Outputs]:
    """Outputs (B, …) as B lists of (1, …)."""
    count = len(outputs[0])
    return [[array[row : row + 1] for array in outputs] for row in range(count)]


def _noise(kind: Kind, count: int) -> list[Feed]:
    rng = np.random.default_rng(_SEED)
    return [
        {
            name: rng.random((1, *shape), dtype=np.float32).astype(dtype)
            for name, shape, dtype in kind[1]
        }
        for _ in range(count)
    ]


def _same(answers: Sequence[Outputs], expected: Sequence[Outputs]) -> bool:
    """Whether all arrays are the same to the last bit."""
    return all(
        one.shape == other.shape and one.tobytes() == other.tobytes()
        for answer, alone in zip(answers, expected, strict=True)
        for one, other in zip(answer, alone, strict=True)
    )

"""Doing one thing to many images on all cores, in order, without holding all results at once."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Results that wait to be taken, for each thread: enough to keep all of them busy.
_AHEAD = 2


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int | None = None
) -> Generator[Result, None, None]:
    """Yield ``function`` of every item, in the order of the items.

    ``workers`` are threads, one for each core by default: Pillow, the DICOM decoders, NumPy's
    look-up and OpenCV release the interpreter's lock. Only a few items are begun ahead of what
    is taken, so memory stays small; what has not begun is called off when the caller stops.
    """
    count = workers or os.cpu_count() or 1
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(count) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > _AHEAD * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

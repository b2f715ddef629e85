"""`Sandbox`: files of strangers are decoded in processes that may do little and not for long.

A decoder that a hostile file makes crash, hang or swell takes its own process with it, never the
service. Files of one's own need none of this: `decode_radiograph` gives the same answers.
"""

import contextlib
import queue
import threading
import time
import weakref
from collections.abc import Callable
from types import TracebackType

from lucency.datasets.radiographs import Radiograph
from lucency.datasets.sandbox_process import DecodingProcess, ProcessStartError

DEFAULT_SECONDS = 1.8
DEFAULT_MEMORY_BYTES = 768 * 2**20


class Sandbox:
    """Decodes in ``workers`` processes, each limited to ``memory_bytes`` of address space.

    `decode` may be called from as many threads as there are; more than ``workers`` wait for
    each other. An image may take ``timeout_s`` seconds, waiting not counted. A process that
    crashed, hung, ran out of memory or has lost half of it to leaks is ended, and a fresh one
    starts at once.

    Leave it by `close`, or use it in a ``with`` statement.
    """

    def __init__(
        self,
        *,
        workers: int = 1,
        timeout_s: float = DEFAULT_SECONDS,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
    ) -> None:
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._closed = False
        self._children: set[DecodingProcess] = set()
        # None stands for a process that is still to be started.
        self._idle: queue.SimpleQueue[DecodingProcess | None] = queue.SimpleQueue()
        # Also where nobody closed it: when it is collected, or the interpreter ends.
        weakref.finalize(self, _end_all, self._children)
        for _ in range(workers):
            self._idle.put(self._start())

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def decode(
        self,
        data: bytes,
        *,
        name: str,
        frame: int | None = None,
        deadline: float | None = None,
        on_begin: Callable[[], None] | None = None,
    ) -> Radiograph:
        """As `decode_radiograph`; an image that a process died of is not tried again.

        ``deadline``, a value of `time.monotonic`, is until when to wait for a free process;
        ``on_begin`` is called when there is one.

        Raises
        ------
        ImageError
            As `decode_radiograph`; besides, decoding takes too long or too much memory, or the
            decoder crashes.
        RuntimeError
            The sandbox is closed, or its processes do not start.
        TimeoutError
            No process was free in time.

        """
        # A process may be killed while it starts; then it never saw the image.
        for again in (True, False):
            child = self._take(deadline)
            if on_begin is not None:
                on_begin()
            try:
                return child.decode(data, name=name, frame=frame, timeout_s=self._timeout_s)
            except ProcessStartError:
                if not again:
                    raise
            finally:
                self._give_back(child)
        raise AssertionError("the second try returns or raises")

    def pids(self) -> tuple[int, ...]:
        """The process numbers of the children, to measure them."""
        with self._lock:
            return tuple(child.pid for child in self._children)

    def close(self) -> None:
        """End all processes; an image that is being decoded counts as one that crashed."""
        with self._lock:
            self._closed = True
            with contextlib.suppress(queue.Empty):
                while True:
                    if (child := self._idle.get_nowait()) is not None:
                        child.end()
                        self._children.discard(child)
            for busy in self._children:
                busy.kill()  # the thread that waits for it does the rest
            self._idle.put(None)

    def _take(self, deadline: float | None) -> DecodingProcess:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            child = self._idle.get(timeout=left)
        except queue.Empty:
            raise TimeoutError("no decoding process was free in time") from None
        with self._lock:
            if self._closed:
                self._idle.put(None)  # for the next that waits
                raise RuntimeError("the sandbox is closed")
            if child is not None and child.has_exited():
                child.end()
                self._children.discard(child)
                child = None
            try:
                return child or self._start()
            except OSError:
                self._idle.put(None)
                raise

    def _give_back(self, child: DecodingProcess) -> None:
        with self._lock:
            if not child.usable or self._closed or child.is_swollen():
                child.end()
                self._children.discard(child)
            if not self._closed:
                self._idle.put(child if child.usable else self._start_or_none())

    def _start_or_none(self) -> DecodingProcess | None:
        try:
            return self._start()
        except OSError:  # there is no memory for it now; the next image tries again
            return None

    def _start(self) -> DecodingProcess:
        child = DecodingProcess(self._memory_bytes)
        self._children.add(child)
        return child


def _end_all(children: set[DecodingProcess]) -> None:
    for child in children.copy():
        child.end()

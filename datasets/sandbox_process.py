"""One decoding process, and the pipes over which it is asked."""

import contextlib
import fcntl
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from lucency.configs.errors import ImageError, ImageFault
from lucency.datasets.radiographs import Radiograph
from lucency.datasets.sandbox_answers import (
    MAX_ANSWER_BYTES,
    Refusal,
    read_answer,
    take_radiograph,
)
from lucency.datasets.sandbox_child import ANSWER, QUESTION, READY

# Importing NumPy, Pillow and pydicom takes half a second; a machine may be busy.
_START_SECONDS = 60.0
_PIPE_BYTES = 1 << 20
_PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")


class ProcessStartError(RuntimeError):
    """The process ended before it could be asked anything."""


class DecodingProcess:
    """One process and the pipes to it; one thread at a time may ask it."""

    def __init__(self, memory_bytes: int) -> None:
        command = [sys.executable, "-P", "-m", "lucency.datasets.sandbox_child", str(memory_bytes)]
        environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
        self._memory_bytes = memory_bytes
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=environment | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.usable = True
        self._ready = False
        self._ending = threading.Lock()
        self._question, self._answer = self._pipes()
        for pipe in (self._question, self._answer):
            os.set_blocking(pipe, False)
            with contextlib.suppress(OSError, AttributeError):  # Linux alone has larger pipes
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def decode(self, data: bytes, *, name: str, frame: int | None, timeout_s: float) -> Radiograph:
        """Ask for one image; afterwards the process is `usable` and idle, or ended."""
        if len(data) > self._memory_bytes // 2:
            raise ImageError(
                f"{name}: has more bytes than there is memory for; compress its pixels",
                ImageFault.MEMORY,
            )
        self._wait_until_ready()
        try:
            told = self._ask(data, frame=frame, timeout_s=timeout_s)
        except TimeoutError:
            self.end()
            raise ImageError(
                f"{name}: could not be decoded within {timeout_s:g} seconds; export it again, "
                "smaller or uncompressed",
                ImageFault.TIMEOUT,
            ) from None
        except (OSError, EOFError, ValueError):
            self.end()
            raise ImageError(
                f"{name}: crashed the decoder; export it again, uncompressed", ImageFault.CRASHED
            ) from None
        except BaseException:
            self.end()
            raise
        if isinstance(told, Radiograph):
            return told
        if told.fault == ImageFault.MEMORY:
            self.end()  # what is left of its memory may be in pieces
        raise ImageError(name + told.message, ImageFault(told.fault))

    def has_exited(self) -> bool:
        """Whether the process is gone, for whatever reason."""
        return self._process.poll() is not None

    def is_swollen(self) -> bool:
        """Whether half of the memory is gone although the process is idle.

        Decoders written in C leak where they fail: libjpeg a whole image for each damaged one.
        """
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_bytes().split()[0])
        except (OSError, ValueError, IndexError):  # Linux alone tells
            return False
        return pages * resource.getpagesize() > self._memory_bytes // 2

    def kill(self) -> None:
        """Kill the process and wait for its end; from any thread."""
        with self._ending:
            if not self.has_exited():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)
                self._process.wait()

    def end(self) -> None:
        """Kill the process and close the pipes; from the thread that has the child."""
        self.usable = False
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _pipes(self) -> tuple[int, int]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise TypeError("the process was started without pipes")
        return stdin.fileno(), stdout.fileno()

    def _wait_until_ready(self) -> None:
        """Wait for the end of the imports; raises `ProcessStartError` where they fail."""
        if self._ready:
            return
        try:
            self._ready = self._receive_text(time.monotonic() + _START_SECONDS) == READY
        except (OSError, EOFError, ValueError):
            self._ready = False
        if not self._ready:
            self.end()
            raise ProcessStartError(
                "the decoding process does not start; "
                f"`python -m lucency.datasets.sandbox_child {self._memory_bytes}` may say why"
            )

    def _ask(self, data: bytes, *, frame: int | None, timeout_s: float) -> Radiograph | Refusal:
        deadline = time.monotonic() + timeout_s
        self._send(QUESTION.pack(len(data), frame or 0, 2 * timeout_s + 1), deadline)
        self._send(data, deadline)
        told = read_answer(self._receive_text(deadline))
        if isinstance(told, Refusal):
            return told
        return take_radiograph(told, lambda buffer: self._receive(buffer, deadline))

    def _send(self, data: bytes, deadline: float) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._question, left) :]
            except BlockingIOError:
                _wait_for(self._question, select.POLLOUT, deadline)

    def _receive_text(self, deadline: float) -> bytes:
        head = bytearray(ANSWER.size)
        self._receive(memoryview(head), deadline)
        (length,) = ANSWER.unpack(head)
        if length > MAX_ANSWER_BYTES:
            raise ValueError("the answer is too long")
        text = bytearray(length)
        self._receive(memoryview(text), deadline)
        return bytes(text)

    def _receive(self, buffer: memoryview, deadline: float) -> None:
        while buffer:
            try:
                count = os.readv(self._answer, [buffer])
            except BlockingIOError:
                _wait_for(self._answer, select.POLLIN, deadline)
                continue
            if count == 0:
                raise EOFError("the process has ended")
            buffer = buffer[count:]


def _wait_for(pipe: int, what: int, deadline: float) -> None:
    """Wait until the pipe is ready or closed; raises `TimeoutError` at the deadline."""
    poll = select.poll()
    poll.register(pipe, what)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError("the process is not done in time")

"""What the analysis of one image spends its time on."""

import time

from lucency.api.model_runs import ModelRuns
from lucency.api.schemas import Timings


class Stopwatch:
    """Begins when it is made; `asked`, `decoding` and `decoded` follow in this order."""

    def __init__(self) -> None:
        self._start = self._asked = self._decoding = self._decoded = time.perf_counter()

    def asked(self) -> None:
        """A process to decode in is asked for."""
        self._asked = self._decoding = time.perf_counter()

    def decoding(self) -> None:
        """There is one."""
        self._decoding = time.perf_counter()

    def decoded(self) -> None:
        """The image is decoded."""
        self._decoded = time.perf_counter()

    def timings(self, runs: ModelRuns) -> Timings:
        """What is known now, when all but the answer is there."""
        total = time.perf_counter() - self._start
        wait = self._decoding - self._asked + runs.wait_s
        decode = self._decoded - self._decoding
        return Timings(
            wait=_ms(wait),
            decode=_ms(decode),
            models=runs.took_ms(),
            own=_ms(max(0.0, total - wait - decode - runs.network_s)),
            total=_ms(total),
        )


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)

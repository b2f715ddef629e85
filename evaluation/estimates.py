"""`Estimate`: a figure with its 95% interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Estimate:
    """A measured value with the 95% interval of its bootstrap.

    ``value`` is None where it cannot be measured (no truth, no denominator); ``low`` and
    ``high`` are None as well where no interval was asked for, or fewer than half of the
    samples had a value.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "–"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

    def to_json(self) -> dict[str, float | None]:
        """The three numbers by name."""
        return {"value": self.value, "low": self.low, "high": self.high}


def estimate(value: float | None, samples: ArrayLike = ()) -> Estimate:
    """A value with the percentile interval (2.5 to 97.5) of its bootstrap ``samples`` (S,).

    Samples that are NaN had no value.
    """
    drawn = np.asarray(samples, dtype=np.float64)
    known = drawn[np.isfinite(drawn)]
    if value is None or not np.isfinite(value):
        return Estimate(None)
    if not drawn.size or known.size * 2 < drawn.size:
        return Estimate(float(value))
    low, high = np.percentile(known, [2.5, 97.5])
    return Estimate(float(value), float(low), float(high))

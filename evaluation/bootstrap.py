"""The bootstrap over patients: how much a figure would vary with other patients of the kind.

Images of one patient resemble each other, so patients are drawn, not images (Efron and Tibshirani
1993, ch. 8; Rutter 2000 for lesions within patients). A drawn set is told by weights alone: how
often each image stands in it. A `Meter` measures many drawn sets at once from their weights, so
nothing is ever matched or sorted again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lucency.evaluation.estimates import Estimate, estimate

# What a figure is called: a few words, such as ("recall", "balanced", "fracture").
Key = tuple[str, ...]
# From weights (I, S) of the images in S sets to each figure's values (S,), NaN where it has none.
Meter = Callable[[NDArray[np.float64]], Mapping[Key, NDArray[np.float64]]]
Progress = Callable[[int, int], None]

# Elements of one array of (rows, samples), 8 bytes each: meters hold some ten such at a time.
ELEMENTS_AT_ONCE = 1_000_000
SAMPLES_AT_ONCE = 100


@dataclass(frozen=True)
class Sampled:
    """A figure's value on the set itself, NaN if it has none, and on the drawn sets (S,)."""

    value: float
    samples: NDArray[np.float64]

    def estimate(self) -> Estimate:
        """The value with its 95% interval."""
        return estimate(self.value, self.samples)


def patient_weights(patients: ArrayLike, *, samples: int, seed: int) -> NDArray[np.int32]:
    """How often each image stands in each of ``samples`` drawn sets: (S, I).

    ``patients`` (I,) names or numbers the patient of each image. As many patients as there are
    are drawn with replacement, each with all of its images.
    """
    parts = list(_weights(patients, samples=samples, seed=seed, at_once=SAMPLES_AT_ONCE))
    return np.concatenate([np.zeros((0, np.size(patients)), np.int32), *parts])


def measure_samples(
    meters: Sequence[Meter],
    patients: ArrayLike,
    *,
    samples: int,
    seed: int,
    rows: int = 0,
    progress: Progress | None = None,
) -> dict[Key, Sampled]:
    """Measure the set itself and ``samples`` sets drawn from it.

    ``patients`` (I,) as in `patient_weights`; ``rows`` is the longest axis that a meter works
    on, which bounds the sets measured at once. ``progress`` is told how many sets of how many
    are done.
    """
    count = int(np.size(patients))
    whole = _measured(meters, np.ones((count, 1)))
    at_once = min(SAMPLES_AT_ONCE, max(1, ELEMENTS_AT_ONCE // max(1, count, rows)))
    drawn: dict[Key, list[NDArray[np.float64]]] = {key: [] for key in whole}
    done = 0
    for weights in _weights(patients, samples=samples, seed=seed, at_once=at_once):
        for key, values in _measured(meters, weights.T.astype(np.float64, order="C")).items():
            drawn[key].append(values)
        done += len(weights)
        if progress is not None:
            progress(done, samples)
    return {
        key: Sampled(float(value[0]), np.concatenate([np.zeros(0), *drawn[key]]))
        for key, value in whole.items()
    }


def ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """``part`` / ``whole``, NaN where there is no denominator."""
    part, whole = np.broadcast_arrays(part, whole)
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))


def class_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over the classes of (C, S) that have a value; NaN where none has."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))


def _weights(
    patients: ArrayLike, *, samples: int, seed: int, at_once: int
) -> Iterator[NDArray[np.int32]]:
    """The rows of `patient_weights`, some at a time; how many does not change what is drawn."""
    names, patient = np.unique(np.asarray(patients).ravel(), return_inverse=True)
    rng = np.random.default_rng(seed)
    for start in range(0, samples, at_once):
        size = min(at_once, samples - start)
        if not names.size:
            yield np.zeros((size, 0), np.int32)
            continue
        drawn = rng.integers(0, names.size, (size, names.size))
        drawn += np.arange(size)[:, None] * names.size
        times = np.bincount(drawn.ravel(), minlength=size * names.size)
        yield times.reshape(size, names.size).astype(np.int32)[:, patient]


def _measured(
    meters: Sequence[Meter], weights: NDArray[np.float64]
) -> dict[Key, NDArray[np.float64]]:
    return {key: values for meter in meters for key, values in meter(weights).items()}

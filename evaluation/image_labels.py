"""What a classifier is measured on: what is known of images, what was said, and whose they are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def check_classified(
    truth: NDArray[np.generic], probabilities: NDArray[np.floating], class_names: Sequence[str]
) -> None:
    """Check what is to be measured: ``truth`` and ``probabilities`` (N, C) of C classes.

    Raises
    ------
    ValueError
        They are not both (N, C), or a probability is not finite.

    """
    if truth.shape != probabilities.shape or truth.shape[1:] != (len(class_names),):
        raise ValueError(
            f"truth and probabilities must both be (N, {len(class_names)}), "
            f"got {truth.shape} and {probabilities.shape}"
        )
    if not np.isfinite(probabilities).all():
        raise ValueError("probabilities must be finite")


def patient_numbers(patients: Sequence[str]) -> NDArray[np.int64]:
    """The number (N,) of each image's patient; where it is "", the image is one of its own."""
    numbers: dict[tuple[str, int], int] = {}
    keys = ((name, -1) if name else ("", row) for row, name in enumerate(patients))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)

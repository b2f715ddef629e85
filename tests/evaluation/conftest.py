"""Made-up truth and predictions, and sets in which images stand several times."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.detection_measures import LesionRates
from lucency.evaluation.measuring import measure_detections

DetectionSet = tuple[list[ImageTruth], list[ImagePredictions]]


def _boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corner = rng.uniform(0, 150, (count, 2))
    return np.hstack([corner, corner + rng.uniform(10, 50, corner.shape)])


def _made_up(
    seed: int,
    *,
    images: int = 25,
    classes: int = 2,
    most_truths: int = 4,
    most_false: int = 6,
    decimals: int = 2,
    images_per_patient: int = 2,
) -> DetectionSet:
    rng = np.random.default_rng(seed)
    truths, predictions = [], []
    for number in range(images):
        marked = _boxes(rng, int(rng.integers(0, most_truths + 1)) * int(rng.random() < 0.6))
        ids = rng.integers(0, classes, len(marked))
        kept = rng.random(len(marked)) < 0.8
        near = marked[kept] + rng.normal(0, 4, (int(kept.sum()), 4))
        # Some findings are found twice.
        near = np.vstack([near, near[:1] + 1.0])
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        near_ids = np.concatenate([ids[kept], ids[kept][:1]])
        false = _boxes(rng, int(rng.integers(0, most_false + 1)))
        every = np.vstack([near, false])
        every_ids = np.concatenate([near_ids, rng.integers(0, classes, len(false))])
        scores = rng.random(len(every)).round(decimals)
        name, patient = f"{number}.png", f"p{number // images_per_patient}"
        truths.append(ImageTruth(name, (200, 200), marked, ids, patient))
        predictions.append(ImagePredictions(name, every, scores, every_ids))
    return truths, predictions


def _repeated(
    truths: list[ImageTruth], predictions: list[ImagePredictions], weights: np.ndarray
) -> DetectionSet:
    rows = np.repeat(np.arange(len(truths)), np.asarray(weights, dtype=np.int64))
    names = [f"{place:06d}" for place in range(len(rows))]
    again = np.concatenate([np.arange(count) for count in np.asarray(weights, dtype=np.int64)])
    return (
        [
            # A patient drawn twice is two patients.
            replace(truths[row], image=name, patient_id=f"{truths[row].patient_id}-{copy}")
            for row, name, copy in zip(rows, names, again, strict=True)
        ],
        [replace(predictions[row], image=name) for row, name in zip(rows, names, strict=True)],
    )


@pytest.fixture
def made_up_set() -> Callable[..., DetectionSet]:
    """Makes truth and predictions with finds, duplicates, misses and false alarms.

    Scores are rounded to ``decimals``, so that some are equal; `images_per_patient` images in a
    row share a patient.
    """
    return _made_up


@pytest.fixture
def repeated_set() -> Callable[..., DetectionSet]:
    """Makes the set in which each image stands ``weights`` (I,) times, its copies side by side."""
    return _repeated


@pytest.fixture
def rates_at() -> Callable[..., Mapping[str, LesionRates]]:
    """Hits, false alarms and misses at thresholds, by class and of all classes."""

    def measured(truths, predictions, thresholds, *, class_names):
        points = {"chosen": thresholds}
        return measure_detections(
            truths, predictions, class_names=class_names, thresholds=points, samples=0
        ).points["chosen"]

    return measured

"""How good a detector's scores are as probabilities, before and after its calibration."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.configs.calibration import ClassCalibration
from lucency.evaluation.calibration import CalibrationMeasures, least_raw, measure_calibration
from lucency.evaluation.match_table import MatchTable

SCREENING = "screening"


@dataclass(frozen=True)
class Calibrated:
    """Calibration on one choice of boxes; ``before`` is that of raw scores, where they differ."""

    boxes: str
    after: CalibrationMeasures
    before: CalibrationMeasures | None


def measure_scores(
    table: MatchTable,
    *,
    raw: NDArray[np.float64] | None,
    screening: Mapping[str, float] | None,
    samples: int,
) -> tuple[Calibrated, ...]:
    """Calibration of all boxes, and of those that reach the `screening` thresholds, if any.

    ``table`` is matched by `IOU_50`, which bundles are calibrated to; ``raw`` (N,) are its scores
    before calibration, None where there is none. Scores near 0 are by far the most, so the figure
    of all boxes tells little of those that are shown.
    """
    patients = table.image_patient.astype(np.str_)[table.prediction_image]
    correct = table.prediction_truth >= 0
    choices = {"all boxes": np.ones(len(correct), dtype=np.bool_)}
    if screening is not None:
        limits = np.array([screening[name] for name in table.class_names])
        shown = table.prediction_score >= limits[table.prediction_class]
        choices[f"boxes that reach '{SCREENING}'"] = shown

    def of(scores: NDArray[np.float64], kept: NDArray[np.bool_]) -> CalibrationMeasures:
        groups = patients[kept].tolist()
        return measure_calibration(scores[kept], correct[kept], groups=groups, samples=samples)

    return tuple(
        Calibrated(
            boxes,
            after=of(table.prediction_score, kept),
            before=None if raw is None else of(raw, kept),
        )
        for boxes, kept in choices.items()
        if kept.any()
    )


def raw_scores(
    table: MatchTable, calibration: Mapping[str, ClassCalibration]
) -> NDArray[np.float64]:
    """The scores (N,) of the table before calibration; every class has one."""
    raw = np.empty_like(table.prediction_score)
    for class_id, name in enumerate(table.class_names):
        of_class = table.prediction_class == class_id
        scores = table.prediction_score[of_class].tolist()
        raw[of_class] = [least_raw(score, calibration[name]) for score in scores]
    return raw

"""Images and patients as a whole: called positive or not, and the AUC of their best box."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.evaluation.bootstrap import Key, Meter, Sampled
from lucency.evaluation.call_rates import call_counts, call_rates
from lucency.evaluation.detection_measures import CaseRates
from lucency.evaluation.match_table import MatchTable
from lucency.evaluation.roc import weighted_auc

RATES = ("sensitivity", "specificity", "ppv", "npv")


@dataclass(frozen=True)
class Cases:
    """N images, or patients.

    ``kind`` names them in keys; ``case`` (I,) int64 is the case of each image and ``row`` (N,)
    an image of each, which carries its weight; ``positive`` (N,) bool, any finding; ``score``
    (N,) float64, that of the best box of any class, -inf without boxes.
    """

    kind: str
    case: NDArray[np.int64]
    row: NDArray[np.int64]
    positive: NDArray[np.bool_]
    score: NDArray[np.float64]


def image_cases(table: MatchTable) -> Cases:
    """Each image a case."""
    return _cases(table, "image", np.arange(len(table.images)))


def patient_cases(table: MatchTable) -> Cases:
    """Each patient a case: positive if any of its images is, scored as the best of them."""
    return _cases(table, "patient", table.image_patient)


def case_meter(table: MatchTable, cases: Cases, limits: Mapping[str, NDArray[np.float64]]) -> Meter:
    """Measures (kind, point, rate) with rates `RATES`; ``limits`` map points to thresholds (C,)."""
    called = {point: _called(table, cases, values) for point, values in limits.items()}

    def measured(weights: NDArray[np.float64]) -> dict[Key, NDArray[np.float64]]:
        weight = weights[cases.row]
        figures: dict[Key, NDArray[np.float64]] = {}
        for point, calls in called.items():
            tp, fp, tn, fn = (part @ weight for part in call_counts(cases.positive, calls))
            rates = call_rates(tp, fp, tn, fn)
            for rate in RATES:
                figures[cases.kind, point, rate] = rates[rate]
        return figures

    return measured


def case_rates(
    table: MatchTable,
    cases: Cases,
    limits: Mapping[str, NDArray[np.float64]],
    figures: Mapping[Key, Sampled],
) -> dict[str, CaseRates]:
    """Counts by operating point, with the rates that `case_meter` measured."""
    result: dict[str, CaseRates] = {}
    for point, values in limits.items():
        calls = _called(table, cases, values)
        tp, fp, tn, fn = (int(part.sum()) for part in call_counts(cases.positive, calls))
        rates = {rate: figures[cases.kind, point, rate].estimate() for rate in RATES}
        result[point] = CaseRates(tp=tp, fp=fp, tn=tn, fn=fn, **rates)
    return result


def auc_meter(cases: Cases) -> Meter:
    """Measures (kind, "auc"): the area under the ROC curve of the cases' scores."""

    def measured(weights: NDArray[np.float64]) -> dict[Key, NDArray[np.float64]]:
        return {(cases.kind, "auc"): weighted_auc(cases.positive, cases.score, weights[cases.row])}

    return measured


def _cases(table: MatchTable, kind: str, case: NDArray[np.int64]) -> Cases:
    _, row = np.unique(case, return_index=True)
    positive = np.zeros(len(row), dtype=np.bool_)
    positive[case[table.truth_image]] = True
    score = np.full(len(row), -np.inf)
    np.maximum.at(score, case[table.prediction_image], table.prediction_score)
    return Cases(kind, case, row, positive, score)


def _called(table: MatchTable, cases: Cases, limits: NDArray[np.float64]) -> NDArray[np.bool_]:
    reached = table.prediction_score >= limits[table.prediction_class]
    called = np.zeros(len(cases.row), dtype=np.bool_)
    called[cases.case[table.prediction_image[reached]]] = True
    return called

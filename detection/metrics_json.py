"""``metrics.json``: everything that was measured, under keys that stay (docs/detection.md)."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lucency.detection.box_calibration import Calibrated
from lucency.detection.evaluate import Evaluation
from lucency.detection.measurement import CHIEF_POINT, Compared
from lucency.detection.thresholds import ChosenThresholds
from lucency.evaluation.calibration import CalibrationMeasures
from lucency.evaluation.comparison import Difference
from lucency.evaluation.detection_measures import DetectionMeasures, Froc
from lucency.evaluation.error_types import ErrorTypes
from lucency.evaluation.match_rules import IOU_50

SCHEMA = 1


def metrics_json(
    found: Evaluation, *, prediction_files: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The document; ``prediction_files`` says of each file of predictions whose they are.

    Each figure is ``{"value", "low", "high"}``, its 95% interval included; what cannot be
    measured is null.
    """
    measured, compared = found.measured, found.compared
    measures = measured.measures
    return {
        "schema": SCHEMA,
        "facts": dict(found.facts),
        "notes": list(found.notes),
        **_basis(measures),
        "thresholds": _thresholds(measured.thresholds),
        "figures": {
            "map50": measures.map50,
            "map50_95": measures.map50_95,
            "map50_positives": measures.map50_positives,
            "agnostic_ap50": measures.agnostic_ap50,
            "image_auc": measures.image_auc,
            "patient_auc": measures.patient_auc,
        },
        "classes": {name: asdict(one) for name, one in measures.classes.items()},
        "froc": {name: _froc(one) for name, one in measures.froc.items()},
        "operating_points": {point: _point(measures, point) for point in measures.points},
        "calibration": {one.boxes: _calibrated(one) for one in found.calibration},
        "error_types": _errors(found.errors),
        "confusion_matrix": _confusion(found),
        "subgroups": {
            "operating_point": CHIEF_POINT,
            "groups": [asdict(one) for one in found.subgroups],
        },
        "comparison": None if compared is None else _comparison(compared),
        "predictions": prediction_files,
    }


def _basis(found: DetectionMeasures) -> dict[str, Any]:
    drawn_by = "patient" if found.patients_known else "image"
    return {
        "match_rule": {"name": found.rule.name, "sentence": found.rule.sentence},
        "prevalence": {
            "images": found.images,
            "positive_images": found.images - found.negatives,
            "negative_images": found.negatives,
            "share_of_images": found.prevalence,
            "patients": found.patients if found.patients_known else None,
            "positive_patients": found.positive_patients if found.patients_known else None,
            "images_without_patient": found.images_without_patient,
            "findings": found.findings,
        },
        "intervals": {"level": 0.95, "samples": found.samples, "drawn_by": drawn_by},
    }


def _point(found: DetectionMeasures, point: str) -> dict[str, Any]:
    patients = found.patient_level.get(point)
    return {
        "findings": {name: asdict(rates) for name, rates in found.points[point].items()},
        "images": asdict(found.image_level[point]),
        "patients": None if patients is None else asdict(patients),
        "recall_by_rule": found.recall_by_rule[point],
    }


def _thresholds(chosen: ChosenThresholds) -> dict[str, Any]:
    return {
        "origin": chosen.origin,
        "flattering": chosen.flattering,
        "values": chosen.values,
    }


def _froc(found: Froc) -> dict[str, Any]:
    at = {f"{rate:g}": sensitivity for rate, sensitivity in found.at.items()}
    return {"mean_sensitivity": found.mean, "sensitivity_at": at}


def _calibrated(found: Calibrated) -> dict[str, Any]:
    before = None if found.before is None else _calibration(found.before)
    # What bundles are calibrated to, whatever the rule of the other figures.
    rule = {"match_rule": IOU_50.name}
    return {**rule, "after": _calibration(found.after), "before": before}


def _calibration(found: CalibrationMeasures) -> dict[str, Any]:
    return {
        "ece": found.ece,
        "brier": found.brier,
        "boxes": found.count,
        "share_of_hits": found.base_rate,
        "bins": asdict(found.bins),
    }


def _errors(found: ErrorTypes | None) -> dict[str, Any] | None:
    if found is None:
        return None
    basis = {"operating_point": CHIEF_POINT, "match_rule": IOU_50.name}
    return {**basis, "hits": found.hits, "counts": found.counts}


def _confusion(found: Evaluation) -> dict[str, Any] | None:
    if found.confusion is None:
        return None
    names = [*found.measured.measures.classes, "background"]
    return {"operating_point": CHIEF_POINT, "classes": names, "counts": found.confusion}


def _comparison(compared: Compared) -> dict[str, Any]:
    return {
        "model": compared.model.name,
        "model_sha256": compared.model.sha256,
        "thresholds": _thresholds(compared.thresholds),
        "figures": {one.name: _difference(one) for one in compared.differences},
    }


def _difference(found: Difference) -> dict[str, Any]:
    return {
        "first": found.first,
        "second": found.second,
        "difference": found.difference,
        "p_value": found.p_value,
    }

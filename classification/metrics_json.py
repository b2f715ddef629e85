"""``metrics.json``: everything measured of a classifier, under keys that stay."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lucency.classification.evaluate import Evaluation
from lucency.classification.measurement import Compared
from lucency.classification.thresholds import ChosenThresholds
from lucency.evaluation.calibration import CalibrationMeasures
from lucency.evaluation.classification_measures import ClassificationMeasures, LabelMeasures
from lucency.evaluation.classification_subgroups import ClassificationSubgroup

SCHEMA = 2


def metrics_json(
    found: Evaluation, *, prediction_files: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The document; ``prediction_files`` says of each file of probabilities whose they are.

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
        "figures": {"mean_auc": measures.mean_auc, "accuracy": measures.accuracy},
        "labels": {name: _label(one) for name, one in measures.labels.items()},
        "confusion_matrix": None
        if measures.confusion is None
        else {"classes": list(measures.labels), "counts": measures.confusion},
        "calibration": {
            name: {
                "after": _calibration(effect.after, effect.ece_equal_mass_after.to_json()),
                "before": _calibration(effect.before, effect.ece_equal_mass_before.to_json())
                if found.is_calibrated
                else None,
            }
            for name, effect in found.calibration.items()
        },
        "subgroups": {
            "operating_point": measured.chief_point,
            "groups": [_group(one) for one in found.subgroups],
        },
        "comparison": None if compared is None else _comparison(compared),
        "predictions": prediction_files,
    }


def _basis(found: ClassificationMeasures) -> dict[str, Any]:
    return {
        "images": found.images,
        "patients": found.patients if found.patients_known else None,
        "images_without_patient": found.images_without_patient,
        "intervals": {
            "level": 0.95,
            "samples": found.samples,
            "drawn_by": "patient" if found.patients_known else "image",
        },
    }


def _label(found: LabelMeasures) -> dict[str, Any]:
    return {
        "positives": found.positives,
        "negatives": found.negatives,
        "auc": found.auc,
        "auc_delong": found.auc_delong,
        "average_precision": found.average_precision,
        "operating_points": {point: asdict(rates) for point, rates in found.points.items()},
    }


def _thresholds(chosen: ChosenThresholds) -> dict[str, Any]:
    return {"origin": chosen.origin, "flattering": chosen.flattering, "values": chosen.values}


def _calibration(found: CalibrationMeasures, equal_mass: dict[str, float | None]) -> dict[str, Any]:
    return {
        "ece": found.ece,
        "ece_equal_mass": equal_mass,
        "brier": found.brier,
        "images": found.count,
        "share_of_positives": found.base_rate,
        "bins": asdict(found.bins),
    }


def _group(found: ClassificationSubgroup) -> dict[str, Any]:
    measures = found.measures
    return {
        "column": found.column,
        "value": found.value,
        "images": found.images,
        "positives": found.positives,
        "negatives": found.negatives,
        "accuracy": None if measures is None else measures.accuracy,
        "labels": {}
        if measures is None
        else {name: _label(one) for name, one in measures.labels.items()},
    }


def _comparison(compared: Compared) -> dict[str, Any]:
    return {
        "model": compared.model.name,
        "model_sha256": compared.model.sha256,
        "thresholds": _thresholds(compared.thresholds),
        "figures": {one.name: asdict(one) for one in compared.differences},
    }

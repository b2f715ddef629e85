"""The evaluation page of a detector: figures with intervals, curves, misses, alarms and hits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import Dataset
from lucency.configs.display import DisplaySpec
from lucency.datasets.display import display
from lucency.datasets.radiographs import read_radiograph
from lucency.detection.evaluate import Evaluation
from lucency.detection.measurement import CHIEF_POINT
from lucency.detection.report_tables import (
    basis_line,
    calibration_table,
    cases_table,
    comparison_table,
    errors_table,
    froc_table,
    headline,
    points_table,
    precision_table,
    rules_table,
    subgroups_table,
)
from lucency.evaluation.detection_measures import DetectionMeasures, LesionRates
from lucency.evaluation.detection_plots import (
    detection_confusion_plot,
    error_types_plot,
    froc_plot,
    learning_curves,
)
from lucency.evaluation.gallery import detection_gallery
from lucency.evaluation.match_rules import IOU_50
from lucency.evaluation.plots import precision_recall_plot, reliability_diagram
from lucency.evaluation.report import EvaluationReport, Picture, Section, link_to, write_report


def write_page(found: Evaluation, path: Path, *, dataset: Dataset, lies_in: Path) -> None:
    """Write the page to ``path``; links to images are relative to the folder ``lies_in``."""
    measures = found.measured.measures
    sections = [
        _curves(measures),
        _operating_points(measures),
        _errors(found),
        _subgroups(found),
        _calibration(found),
        _comparison(found),
        _training(found),
        _gallery(found, dataset, lies_in),
    ]
    facts = {
        name.replace("_", " "): f"{value[:12]}…" if name.endswith("sha256") else value
        for name, value in found.facts.items()
    }
    facts["thresholds"] = found.measured.thresholds.origin
    page = EvaluationReport(
        title=f"{found.facts['model']} on {found.facts['dataset']}",
        subtitle=f"Detection of {found.facts['classes']}, split '{found.facts['split']}'",
        facts=facts,
        headline=headline(measures, CHIEF_POINT),
        basis=basis_line(measures),
        notes=found.notes,
        sections=[section for section in sections if section is not None],
    )
    write_report(page, path)


def _curves(found: DetectionMeasures) -> Section:
    # Of a single class the pooled curve is the same.
    froc = {
        name: c for name, c in found.froc.items() if len(found.froc) != 2 or name in found.curves
    }
    return Section(
        "Average precision and FROC",
        figures=(
            Picture(
                "Precision and recall",
                precision_recall_plot(found.curves, _precision_recall(found)),
                "At IoU 0.5 (COCO's interpolated precision), on lines of equal F1.",
            ),
            Picture(
                "Free-response ROC",
                froc_plot(froc, _sensitivity_false_alarms(found)),
                f"A hit: {found.rule.sentence}. With the operating points that lie inside; of a "
                "single class with 95% intervals.",
            ),
        ),
        tables=(precision_table(found), froc_table(found)),
    )


def _operating_points(found: DetectionMeasures) -> Section | None:
    if not found.points:
        return None
    tables = [points_table(found), cases_table(found.image_level, "images")]
    if found.patient_level:
        tables.append(cases_table(found.patient_level, "patients"))
    return Section("Operating points", tables=[*tables, rules_table(found)])


def _errors(found: Evaluation) -> Section | None:
    if found.errors is None or found.confusion is None:
        return None
    names = tuple(found.measured.measures.classes)
    figures = (
        Picture("Kinds of error", error_types_plot(found.errors), f"At '{CHIEF_POINT}'."),
        Picture(
            "Confusion matrix",
            detection_confusion_plot(found.confusion, class_names=names),
            f"Findings by row, boxes at '{CHIEF_POINT}' by column: the last column are misses, "
            "the last row false alarms on no finding.",
        ),
    )
    return Section("Errors", figures=figures, tables=(errors_table(found.errors),))


def _subgroups(found: Evaluation) -> Section | None:
    if not found.subgroups:
        return None
    return Section("Subgroups", tables=(subgroups_table(found.subgroups, CHIEF_POINT),))


def _calibration(found: Evaluation) -> Section | None:
    if not found.calibration:
        return None
    everything = found.calibration[0]
    curves = {"scores as they are": everything.after.bins}
    if everything.before is not None:
        curves = {"calibrated": everything.after.bins, "raw": everything.before.bins}
    diagram = Picture(
        "Reliability",
        reliability_diagram(curves, outcome="Share that found a finding", counted="Boxes"),
        f"Of {everything.boxes}, by score: the share that found a finding (IoU ≥ 0.5), with 95% "
        "intervals, and below how many boxes there are. On the diagonal a score is a probability.",
    )
    return Section(
        "Are scores probabilities?", figures=(diagram,), tables=(calibration_table(found),)
    )


def _training(found: Evaluation) -> Section | None:
    results_csv = found.measured.model.results_csv
    if results_csv is None or not results_csv.is_file():
        return None
    curves = Picture(
        "Learning curves",
        learning_curves(results_csv),
        "Losses and Ultralytics' own figures, epoch by epoch, on the validation split of training.",
        wide=True,
    )
    return Section("Training", figures=(curves,), on_basis=False)


def _comparison(found: Evaluation) -> Section | None:
    table = comparison_table(found)
    return None if table is None else Section("Comparison of two models", tables=(table,))


def _gallery(found: Evaluation, dataset: Dataset, lies_in: Path) -> Section | None:
    measured = found.measured
    thresholds = measured.chief_thresholds
    if thresholds is None:
        return None
    galleries = detection_gallery(
        measured.truths,
        measured.predictions,
        thresholds,
        class_names=dataset.label_map.names,
        read_image=_reader(dataset, measured.model.display or DisplaySpec()),
        link=lambda image: link_to(dataset.root / image, lies_in),
        rule=measured.measures.rule,
    )
    return Section(
        "Images to look at",
        f"At the operating point '{CHIEF_POINT}'. The small picture is the whole image with the "
        "place; the name leads to the file.",
        galleries=galleries,
    )


def _reader(dataset: Dataset, spec: DisplaySpec) -> Callable[[str], NDArray[np.uint8]]:
    """Images as the model sees them, at their stored size, so that boxes in its pixels fit."""
    whole = spec.whole()
    return lambda image: display(read_radiograph(dataset.root / image), whole).image


def _precision_recall(found: DetectionMeasures) -> dict[str, dict[str, tuple[float, float]]]:
    """Where the operating points lie on each class's curve, as (recall, precision)."""
    if found.rule != IOU_50:  # the curve's own rule
        return {}
    return _marks(found, lambda rates: (rates.recall.value, rates.precision.value))


def _sensitivity_false_alarms(
    found: DetectionMeasures,
) -> dict[str, dict[str, tuple[float, float]]]:
    """The same as (false alarms an image, sensitivity)."""
    return _marks(found, lambda r: (r.false_positives_per_image.value, r.recall.value))


def _marks(
    found: DetectionMeasures, place: Callable[[LesionRates], tuple[float | None, float | None]]
) -> dict[str, dict[str, tuple[float, float]]]:
    marks: dict[str, dict[str, tuple[float, float]]] = {name: {} for name in found.curves}
    for point, by_class in found.points.items():
        for name, of_class in marks.items():
            x, y = place(by_class[name])
            if x is not None and y is not None:
                of_class[point] = (x, y)
    return marks

"""The evaluation page of a classifier: figures with intervals, curves, subgroups, wrong images."""

from pathlib import Path

import numpy as np

from lucency.annotations.records import Dataset
from lucency.classification.evaluate import Evaluation
from lucency.classification.gallery import wrong_images
from lucency.classification.measurement import Measured
from lucency.classification.report_tables import (
    auc_table,
    basis_line,
    calibration_table,
    comparison_table,
    confusion_table,
    counts_table,
    headline,
    points_table,
    subgroups_table,
)
from lucency.evaluation.classification_measures import ClassificationMeasures
from lucency.evaluation.classification_plots import label_precision_recall_plot, label_roc_plot
from lucency.evaluation.plots import confusion_plot, reliability_diagram, score_histogram
from lucency.evaluation.report import EvaluationReport, Picture, Section, link_to, write_report

# Pictures of more labels one by one would fill the page; the tables have all.
MOST_PICTURED = 4


def write_page(found: Evaluation, path: Path, *, dataset: Dataset, lies_in: Path) -> None:
    """Write the page to ``path``; links to images are relative to the folder ``lies_in``."""
    measured = found.measured
    sections = [
        _confusion(measured.measures),
        _curves(measured.measures),
        _operating_points(measured),
        _subgroups(found),
        _calibration(found),
        _comparison(found),
        _gallery(measured, dataset, lies_in),
    ]
    facts = {
        name.replace("_", " "): f"{value[:12]}…" if name.endswith("sha256") else value
        for name, value in found.facts.items()
    }
    facts["thresholds"] = measured.thresholds.origin
    page = EvaluationReport(
        title=f"{found.facts['model']} on {found.facts['dataset']}",
        subtitle=f"Classification of {found.facts['labels']}, split '{found.facts['split']}'",
        facts=facts,
        headline=headline(measured),
        basis=basis_line(measured.measures),
        notes=found.notes,
        sections=[section for section in sections if section is not None],
    )
    write_report(page, path)


def _curves(found: ClassificationMeasures) -> Section:
    figures: tuple[Picture, ...] = ()
    if any(label.roc is not None for label in found.labels.values()):
        marks = (
            "With the operating points and the 95% intervals of their rates"
            if len(found.labels) == 1
            else "With the operating points, where there are few labels"
        )
        figures = (
            Picture("ROC curve", label_roc_plot(found.labels), f"{marks}; the line is chance."),
            Picture(
                "Precision and recall",
                label_precision_recall_plot(found.labels),
                f"{marks}. The dashed line of a single label is its share of the images.",
            ),
        )
    return Section("ROC and precision", figures=figures, tables=(auc_table(found),))


def _operating_points(measured: Measured) -> Section:
    """Where the probabilities lie that thresholds divide, and what the thresholds make of them."""
    figures = []
    for column, label in enumerate(measured.split.labels[:MOST_PICTURED]):
        known = measured.split.known(label)
        scores, truth = measured.probabilities.values[known, column], measured.split.truth(label)
        thresholds = {
            point: by_class[label] for point, by_class in measured.thresholds.values.items()
        }
        picture = score_histogram(
            scores[truth],
            scores[~truth],
            names=(f"with {label}", f"without {label}"),
            thresholds=thresholds,
        )
        figures.append(Picture(f"Probabilities: {label}", picture, "Images by probability."))
        if not measured.model.exclusive:
            figures.append(_two_by_two(measured, label))
    measures, points = measured.measures, list(measured.thresholds.values)
    tables = (points_table(measures, points), counts_table(measures))
    return Section("Operating points", _pictured(measured), figures=figures, tables=tables)


def _pictured(measured: Measured) -> str:
    """What is said where not every label has pictures."""
    rest = len(measured.split.labels) - MOST_PICTURED
    return f"Pictures of the first {MOST_PICTURED} labels; tables of all." if rest > 0 else ""


def _two_by_two(measured: Measured, label: str) -> Picture:
    point = measured.chief_point
    counts = measured.measures.labels[label].points[point].confusion
    matrix = confusion_plot(counts, names=(f"no {label}", label))
    return Picture(f"Confusion matrix: {label}", matrix, f"Images at '{point}'.")


def _confusion(found: ClassificationMeasures) -> Section | None:
    """Of labels that exclude each other."""
    table = confusion_table(found)
    if table is None or found.confusion is None:
        return None
    matrix = Picture(
        "Confusion matrix",
        confusion_plot(found.confusion, names=list(found.labels)),
        "Images by what they are (row) and by what is most probable (column).",
    )
    return Section("Confusion", figures=(matrix,), tables=(table,))


def _subgroups(found: Evaluation) -> Section | None:
    if not found.subgroups:
        return None
    table = subgroups_table(found.subgroups, found.measured.chief_point)
    return Section("Subgroups", tables=(table,))


def _calibration(found: Evaluation) -> Section:
    figures = []
    for name, effect in list(found.calibration.items())[:MOST_PICTURED]:
        curves = {"probabilities as they are": effect.after.bins}
        if found.is_calibrated:
            curves = {"calibrated": effect.after.bins, "raw": effect.before.bins}
        if not np.any(effect.after.bins.count):
            continue
        diagram = reliability_diagram(curves, outcome=f"Share with {name}", counted="Images")
        caption = (
            "Of the images with about this probability the share that has the label, with 95% "
            "intervals, and below how many images there are."
        )
        figures.append(Picture(f"Reliability: {name}", diagram, caption))
    return Section(
        "Are they probabilities?",
        _pictured(found.measured),
        figures=figures,
        tables=(calibration_table(found),),
    )


def _comparison(found: Evaluation) -> Section | None:
    table = comparison_table(found)
    return None if table is None else Section("Comparison of two models", tables=(table,))


def _gallery(measured: Measured, dataset: Dataset, lies_in: Path) -> Section:
    at = "" if measured.model.exclusive else f"At the operating point '{measured.chief_point}'. "
    return Section(
        "Images to look at",
        f"{at}With what readers marked, where they did; the name leads to the file.",
        galleries=wrong_images(
            measured, dataset, link=lambda record: link_to(dataset.image_path(record), lies_in)
        ),
    )

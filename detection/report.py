"""The evaluation page of a detector: figures, precision-recall curves, hits, misses, alarms."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import Dataset
from lucency.datasets.display import display
from lucency.datasets.radiographs import read_radiograph
from lucency.detection.detector import Detector
from lucency.detection.evaluate import DetectionFigures
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.gallery import detection_gallery
from lucency.evaluation.plots import precision_recall_plot
from lucency.evaluation.report import (
    Cell,
    EvaluationReport,
    Picture,
    Table,
    format_cell,
    write_report,
)

if TYPE_CHECKING:
    from rich.table import Table as TerminalTable

GALLERY_POINT = "balanced"
POINT_COLUMNS = (
    "operating point",
    "class",
    "threshold",
    "precision",
    "recall",
    "F1",
    "found",
    "missed",
    "false alarms",
    "false alarms an image",
)
# A terminal of 80 columns has room for these; the page and the JSON have all.
TERMINAL_COLUMNS = ("operating point", "class", "threshold", "precision", "recall", "F1")


def write_page(
    found: DetectionFigures,
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    path: Path,
    *,
    detector: Detector,
    dataset: Dataset,
    facts: Mapping[str, str],
) -> None:
    """Write the page for one bundle on one split, with pictures at the balanced point."""
    manifest = detector.manifest
    gallery = detection_gallery(
        truths,
        predictions,
        found.thresholds[GALLERY_POINT],
        class_names=manifest.class_names,
        read_image=lambda image: _stored_size(dataset.root / image, detector),
    )
    chosen = found.points[GALLERY_POINT].overall
    page = EvaluationReport(
        title=f"{manifest.name} on {dataset.root.name}",
        subtitle=f"Detection of {', '.join(manifest.class_names)}, split '{facts['split']}'",
        facts={
            **facts,
            "model_sha256": detector.bundle.digest[:12] + "…",
            "images": str(found.images),
            "confirmed negatives among them": str(found.negatives),
            "match rule": "same class, IoU ≥ 0.5, best score first",
            "thresholds": "chosen on validation data",
        },
        headline={
            "mAP50": found.ap.map50,
            "mAP50-95": found.ap.map50_95,
            "precision (balanced)": chosen.precision,
            "recall (balanced)": chosen.recall,
        },
        tables=(_ap_table(found), _points_table(found)),
        figures=(
            Picture(
                "Precision and recall",
                precision_recall_plot(found.ap.curves, _marks(found)),
                "At IoU 0.5, with the operating points.",
            ),
        ),
        gallery=gallery,
    )
    write_report(page, path)


def figures_table(found: DetectionFigures) -> "TerminalTable":
    """The operating points as a table for the terminal, average precision in its caption."""
    from rich.table import Table as TerminalTable

    caption = (
        f"mAP50 {format_cell(found.ap.map50)}, mAP50-95 {format_cell(found.ap.map50_95)} "
        f"on {found.images} images, {found.negatives} of them negative"
    )
    table = TerminalTable(caption=caption)
    for index, column in enumerate(POINT_COLUMNS):
        if column in TERMINAL_COLUMNS:
            table.add_column(column, justify="left" if index < 2 else "right")
    for row in _point_rows(found):
        cells = zip(POINT_COLUMNS, row, strict=True)
        table.add_row(*(format_cell(cell) for column, cell in cells if column in TERMINAL_COLUMNS))
    return table


def _marks(found: DetectionFigures) -> dict[str, dict[str, tuple[float, float]]]:
    """Where the operating points lie on each class's curve, as (recall, precision)."""
    marks: dict[str, dict[str, tuple[float, float]]] = {name: {} for name in found.ap.curves}
    for name, of_class in marks.items():
        for point, metrics in found.points.items():
            rates = metrics.per_class[name]
            if rates.recall is not None and rates.precision is not None:
                of_class[point] = (rates.recall, rates.precision)
    return marks


def _ap_table(found: DetectionFigures) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (name, ap.truths, ap.ap50, ap.ap50_95) for name, ap in found.ap.per_class.items()
    ]
    rows.append(("mean", sum(int(row[1] or 0) for row in rows), found.ap.map50, found.ap.map50_95))
    return Table(
        "Average precision",
        ("class", "findings", "AP50", "AP50-95"),
        rows,
        "By pycocotools, at most 100 boxes an image.",
    )


def _points_table(found: DetectionFigures) -> Table:
    return Table(
        "Operating points", POINT_COLUMNS, _point_rows(found), "Boxes that reach the threshold."
    )


def _point_rows(found: DetectionFigures) -> list[tuple[Cell, ...]]:
    return [
        (
            point,
            name,
            found.thresholds[point][name],
            rates.precision,
            rates.recall,
            rates.f1,
            rates.tp,
            rates.fn,
            rates.fp,
            rates.false_positives_per_image,
        )
        for point, metrics in found.points.items()
        for name, rates in metrics.per_class.items()
    ]


def _stored_size(path: Path, detector: Detector) -> NDArray[np.uint8]:
    """The displayed image at its stored size, so that boxes in stored pixels fit."""
    return display(read_radiograph(path), detector.manifest.display.whole()).image

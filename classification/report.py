"""The pages that show how a classifier did: one in HTML, one table for the terminal."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import Dataset, ImageRecord
from lucency.classification.classifier import Classifier
from lucency.classification.evaluate import DEFAULT_POINT, ClassificationFigures
from lucency.datasets.display import display
from lucency.datasets.labelled import LabelledSplit
from lucency.datasets.radiographs import read_radiograph
from lucency.evaluation.pictures import BoxKind, DrawnBox, draw_boxes, encode_jpeg
from lucency.evaluation.plots import roc_plot
from lucency.evaluation.report import (
    Cell,
    EvaluationReport,
    GalleryItem,
    GallerySection,
    Picture,
    Section,
    Table,
    format_cell,
    write_report,
)

if TYPE_CHECKING:
    from rich.table import Table as TerminalTable

MOST_SHOWN = 12
PICTURE_PX = 440
COLUMNS = (
    "label",
    "operating point",
    "threshold",
    "sensitivity",
    "specificity",
    "PPV",
    "NPV",
    "found",
    "missed",
    "false alarms",
    "rightly negative",
)
_RATES_END = COLUMNS.index("NPV") + 1


def write_page(
    found: ClassificationFigures,
    probabilities: NDArray[np.float64],
    path: Path,
    *,
    classifier: Classifier,
    dataset: Dataset,
    split: LabelledSplit,
    facts: Mapping[str, str],
) -> None:
    """Write the page for one bundle on one split, with the most wrong images."""
    manifest = classifier.manifest
    curves = {name: label.roc for name, label in found.labels.items() if label.roc is not None}
    headline: dict[str, Cell] = {}
    for name, label in found.labels.items():
        chosen = label.points[DEFAULT_POINT]
        headline[f"AUC, {name}"] = label.auc
        headline[f"sensitivity, {name} ({DEFAULT_POINT})"] = chosen.sensitivity
        headline[f"specificity, {name} ({DEFAULT_POINT})"] = chosen.specificity
    points = Table(
        "Operating points",
        COLUMNS,
        _rows(found),
        "PPV and NPV hold for this set's prevalence only.",
    )
    roc = Picture(
        "ROC curve",
        roc_plot(curves, {name: _marks(found, name) for name in curves}),
        "With the operating points.",
    )
    page = EvaluationReport(
        title=f"{manifest.name} on {dataset.root.name}",
        subtitle=f"Classification of {', '.join(split.labels)}, split '{split.name}'",
        facts={
            **facts,
            "images": str(found.images),
            "known labels": split.counts(),
            "thresholds": "chosen on validation data",
        },
        headline=headline,
        sections=(
            Section("Figures", figures=(roc,) if curves else (), tables=(points,)),
            Section(
                "Images to look at",
                galleries=[
                    section
                    for label in split.labels
                    for section in _gallery(label, probabilities, classifier, dataset, split)
                ],
            ),
        ),
    )
    write_report(page, path)


def figures_table(found: ClassificationFigures) -> "TerminalTable":
    """The operating points as a table for the terminal, the AUC in its caption."""
    from rich import box
    from rich.table import Table as TerminalTable

    aucs = ", ".join(f"{name} {format_cell(label.auc)}" for name, label in found.labels.items())
    table = TerminalTable(caption=f"AUC: {aucs}; {found.images} images", box=box.SIMPLE)
    # The counts would not fit on 80 characters; they stand in the page and in metrics.json.
    for index, column in enumerate(COLUMNS[:_RATES_END]):
        table.add_column(column, justify="left" if index < 2 else "right")
    for row in _rows(found):
        table.add_row(*(format_cell(cell) for cell in row[:_RATES_END]))
    return table


def _rows(found: ClassificationFigures) -> list[tuple[Cell, ...]]:
    return [
        (
            name,
            point,
            rates.threshold,
            rates.sensitivity,
            rates.specificity,
            rates.ppv,
            rates.npv,
            rates.tp,
            rates.fn,
            rates.fp,
            rates.tn,
        )
        for name, label in found.labels.items()
        for point, rates in label.points.items()
    ]


def _marks(found: ClassificationFigures, label: str) -> dict[str, tuple[float, float]]:
    """Where the operating points lie on the curve, as (1 - specificity, sensitivity)."""
    return {
        point: (1.0 - rates.specificity, rates.sensitivity)
        for point, rates in found.labels[label].points.items()
        if rates.specificity is not None and rates.sensitivity is not None
    }


def _gallery(
    label: str,
    probabilities: NDArray[np.float64],
    classifier: Classifier,
    dataset: Dataset,
    split: LabelledSplit,
) -> tuple[GallerySection, GallerySection]:
    """What was missed and what was called wrongly at the balanced point, the worst first."""
    threshold = classifier.manifest.operating_points[DEFAULT_POINT][label]
    column = split.labels.index(label)
    scores, targets = probabilities[:, column], split.targets[:, column]
    missed = np.flatnonzero((targets == 1) & (scores < threshold))
    alarms = np.flatnonzero((targets == 0) & (scores >= threshold))
    missed = missed[np.argsort(scores[missed], kind="stable")]
    alarms = alarms[np.argsort(-scores[alarms], kind="stable")]
    sections = []
    for title, caption, rows in (
        (f"Missed: {label}", "Images with it, the lowest probability first.", missed),
        (f"False alarms: {label}", "Images without it, the highest probability first.", alarms),
    ):
        shown = rows[:MOST_SHOWN].tolist()
        items = [
            _item(split.records[row], float(scores[row]), classifier, dataset) for row in shown
        ]
        counted = f"{caption} {len(items)} of {len(rows)} shown." if items else ""
        sections.append(GallerySection(title, counted, items))
    return sections[0], sections[1]


def _item(
    record: ImageRecord, score: float, classifier: Classifier, dataset: Dataset
) -> GalleryItem:
    """One image at its stored size, with what a reader marked in it."""
    radiograph = read_radiograph(dataset.image_path(record))
    image = display(radiograph, classifier.manifest.display.whole()).image
    marked = [DrawnBox(f.box, BoxKind.TRUTH, f.label) for f in dataset.findings(record)]
    picture = draw_boxes(image, marked, longest_side=PICTURE_PX)
    return GalleryItem(encode_jpeg(picture), f"{record.image.name}: probability {score:.2f}")

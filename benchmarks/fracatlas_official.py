"""Detectors on FracAtlas' official validation images, from what `lucency evaluate` left.

    python benchmarks/fracatlas_official.py SET REPORT [REPORT …]

SET is FracAtlas as `lucency import` and `lucency split` leave it; each REPORT is a folder that
`lucency evaluate … --split val` wrote. The official list names positives only, and `lucency split`
adds to them the training images that show the same exposure; here those are left out. Prints a
Markdown table with 95% intervals on the 82 positives alone and with the split's negatives, and
the paired difference of each report's mAP50 from the first's.
"""

import argparse
import json
from pathlib import Path

from lucency.annotations.findings import Status
from lucency.annotations.records import read_dataset
from lucency.detection.predictions import split_records, split_truths
from lucency.evaluation.coco_results import read_results
from lucency.evaluation.comparison import compare_detections
from lucency.evaluation.detection_measures import ALL_CLASSES
from lucency.evaluation.measuring import measure_detections

COLUMNS = ("images", "model", "mAP50", "mAP50-95", "precision", "recall", "difference of mAP50")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("reports", type=Path, nargs="+")
    options = parser.parse_args()
    dataset = read_dataset(options.set)
    names = dataset.label_map.names
    records = split_records(dataset, "val")
    official = [r for r in records if r.extra.get("official_split") == "val"]
    negatives = [r for r in records if r.status is Status.NEGATIVE]
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for label, chosen in (
        (f"{len(official)} positives", official),
        (f"{len(official)} positives, {len(negatives)} negatives", [*official, *negatives]),
    ):
        truths = split_truths(dataset, chosen)
        first = None
        for report in options.reports:
            found = read_results(report / "predictions.json", dataset).predictions
            predictions = [found[t.image] for t in truths if t.image in found]
            points = _thresholds(report)
            measured = measure_detections(truths, predictions, class_names=names, thresholds=points)
            rates = measured.points["balanced"][ALL_CLASSES]
            difference = "–"
            if first is None:
                first = (predictions, points)
            else:
                changes = compare_detections(
                    truths,
                    first[0],
                    predictions,
                    class_names=names,
                    thresholds_first=first[1],
                    thresholds_second=points,
                )
                difference = str(changes[0].difference)
            cells = (measured.map50, measured.map50_95, rates.precision, rates.recall)
            row = " | ".join(str(cell) for cell in cells)
            print(f"| {label} | {report.name} | {row} | {difference} |", flush=True)


def _thresholds(report: Path) -> dict[str, dict[str, float]]:
    points = json.loads((report / "metrics.json").read_text())["thresholds"]["values"]
    return {name: dict(values) for name, values in points.items()}


if __name__ == "__main__":
    main()

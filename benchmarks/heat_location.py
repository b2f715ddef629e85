"""Where a chest classifier's heat lies: in the lungs, and in the boxes that readers drew.

    python benchmarks/heat_location.py BUNDLE SET [SET …] --split test

Each SET is a folder as `lucency import` leaves it. For every image the map of the label is drawn,
its share inside the lungs (as far as `lucency.datasets.lungs` finds them) is set against the lungs'
share of the image, which heat without any knowledge would have there; images with and without the
label stand apart. Of sets with boxes, the same for the boxes, and the pointing game (Zhang et al.,
ECCV 2016): how often the hottest place is in a box, against the boxes' share of the image and of
the lungs. Prints Markdown tables: medians with the quartiles, shares of images with 95% intervals.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.findings import Finding
from lucency.annotations.records import Dataset, ImageRecord, read_dataset
from lucency.classification.class_map import METHODS
from lucency.classification.classifier import Classifier, open_classifier
from lucency.classification.heat_map import explain
from lucency.datasets.lungs import find_lungs
from lucency.datasets.radiographs import read_radiograph
from lucency.evaluation.heat_shares import HeatShare, share_in

Mask = NDArray[np.bool_]
NO_LUNGS = HeatShare(float("nan"), float("nan"))


@dataclass(frozen=True)
class Located:
    """Where the heat of one image lies; NaN where the lungs or boxes are not known."""

    label: bool | None
    lungs: HeatShare
    boxes: HeatShare
    hit: float
    boxes_of_lungs: float


def main() -> None:
    """Measure the sets one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle")
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--split", default="test", help="'all' for every image")
    parser.add_argument("--label", help="the bundle's first label if not given")
    parser.add_argument("--method", choices=METHODS, default="gradcam")
    parser.add_argument("--images", type=int, default=10**9, help="at most so many of a set")
    options = parser.parse_args()
    classifier = open_classifier(options.bundle)
    label = options.label or classifier.manifest.class_names[0]
    found = {
        folder.name: _located(
            classifier,
            folder,
            label,
            split=options.split,
            most=options.images,
            method=options.method,
        )
        for folder in options.sets
    }
    print(
        f"| set | {label} | images | lungs found | heat in the lungs | lungs' share of the image |"
    )
    print("|---|---|---|---|---|---|")
    for name, rows in found.items():
        for value, said in ((True, "yes"), (False, "no"), (None, "unknown")):
            of_label = [row for row in rows if row.label is value]
            if of_label:
                print(f"| {name} | {said} | {_lung_cells(of_label)} |")
    print("\n| set | images with boxes | heat in the boxes | boxes' share of the image | hottest "
          "place in a box | by chance in the image | by chance in the lungs |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for name, rows in found.items():
        boxed = [row for row in rows if not np.isnan(row.hit)]
        if boxed:
            print(f"| {name} | {_box_cells(boxed)} |")


def _located(
    classifier: Classifier, folder: Path, label: str, *, split: str, most: int, method: str
) -> list[Located]:
    dataset = read_dataset(folder)
    records = dataset.records if split == "all" else dataset.in_split(split)
    # Not the first ones: tables are sorted, and so by label or site.
    chosen = np.random.default_rng(0).permutation(len(records))[:most]
    return [_locate(classifier, dataset, records[i], label, method) for i in sorted(chosen)]


def _locate(
    classifier: Classifier, dataset: Dataset, record: ImageRecord, label: str, method: str
) -> Located:
    radiograph = read_radiograph(dataset.image_path(record))
    heat = explain(classifier, radiograph, label, method=method).heat
    lungs = find_lungs(radiograph)
    inside = NO_LUNGS if lungs is None or not heat.any() else share_in(heat, lungs)
    findings = dataset.findings(record)
    if not findings or not heat.any():
        return Located(record.label(label), inside, NO_LUNGS, float("nan"), float("nan"))
    boxes = _mask(findings, heat.shape)
    # Along an edge the hottest place is a plateau; its middle counts.
    y, x = np.argwhere(heat == heat.max()).mean(axis=0).astype(int)
    return Located(
        record.label(label),
        inside,
        share_in(heat, boxes),
        float(boxes[y, x]),
        float("nan") if lungs is None else float(boxes[lungs].mean()),
    )


def _mask(findings: Sequence[Finding], shape: tuple[int, ...]) -> Mask:
    mask = np.zeros(shape, dtype=np.bool_)
    for finding in findings:
        x1, y1, x2, y2 = (round(value) for value in finding.box)
        mask[max(y1, 0) : y2, max(x1, 0) : x2] = True
    return mask


def _lung_cells(rows: Sequence[Located]) -> str:
    heat = np.array([row.lungs.heat for row in rows])
    area = np.array([row.lungs.area for row in rows])
    known = np.isfinite(heat)
    return f"{len(rows)} | {known.sum()} | {_spread(heat[known])} | {_spread(area[known])}"


def _box_cells(rows: Sequence[Located]) -> str:
    hits = np.array([row.hit for row in rows])
    drawn = np.random.default_rng(0).choice(hits, (1000, len(hits))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    area = np.array([row.boxes.area for row in rows])
    of_lungs = np.array([row.boxes_of_lungs for row in rows])
    return (
        f"{len(rows)} | {_spread(np.array([row.boxes.heat for row in rows]))} | {_spread(area)} | "
        f"{hits.mean():.1%} ({low:.1%} to {high:.1%}) | {area.mean():.1%} | "
        f"{np.nanmean(of_lungs):.1%}"
    )


def _spread(values: NDArray[np.float64]) -> str:
    """Median and quartiles."""
    if not len(values):
        return "–"
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:.1%} ({low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main()

"""The chest-lesion detector on chest radiographs of other hospitals, by image.

    python benchmarks/chest_sites.py BUNDLE DATA/tb_sites

The folder holds ``labels.csv`` (image, site, split, tb) and ``images/``. No boxes are known there:
the best box's score is the image's, and its AUC for "has tuberculosis" is measured for each site,
with what the ``balanced`` point raises on images without. Prints a Markdown table.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from lucency.datasets.radiographs import read_radiograph
from lucency.detection.detector import open_detector

SAMPLES = 1000


def main() -> None:
    """Measure site by site."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    detector = open_detector(options.bundle)
    thresholds = np.array(
        [detector.manifest.operating_points["balanced"][n] for n in detector.manifest.class_names]
    )
    with (options.folder / "labels.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    scores, alarms = [], []
    for row in rows:
        found = detector.detect(
            read_radiograph(options.folder / "images" / row["image"]), conf=0.001
        )
        scores.append(found.scores.max(initial=0.0))
        alarms.append(int((found.scores >= thresholds[found.class_ids]).sum()))
    tb = np.array([row["tb"] == "1" for row in rows])
    sites = np.array([row["site"] for row in rows])
    print("| site | images | with TB | AUC by image | boxes an image without TB |")
    print("|---|---|---|---|---|")
    for site in [*sorted(set(sites)), "all"]:
        of_site = np.flatnonzero((sites == site) | (site == "all"))
        print(_row(site, tb[of_site], np.array(scores)[of_site], np.array(alarms)[of_site]))


def _row(site: str, tb: np.ndarray, scores: np.ndarray, alarms: np.ndarray) -> str:
    random = np.random.default_rng(0)
    drawn = []
    while len(drawn) < SAMPLES:
        rows = random.integers(0, len(tb), len(tb))
        if 0 < tb[rows].sum() < len(tb):
            drawn.append(roc_auc_score(tb[rows], scores[rows]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return (
        f"| {site} | {len(tb)} | {int(tb.sum())} | {roc_auc_score(tb, scores):.3f} "
        f"({low:.3f} to {high:.3f}) | {alarms[~tb].mean():.2f} |"
    )


if __name__ == "__main__":
    main()

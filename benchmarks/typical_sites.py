"""How many images of a hospital that a network has never seen are flagged as unlike its own.

    python benchmarks/typical_sites.py FOLDS
    python benchmarks/typical_sites.py LEFT-OUT

FOLDS and LEFT-OUT are what ``lucency cross-validate --folds`` and ``--leave-out site`` leave.
Each fold's network is exported, limit and all, and looks at the images that it was not trained on:
of the hospitals that it knows in FOLDS, of another one in LEFT-OUT. Prints a Markdown table: the
share flagged with its 95% interval, and how often the verdict at ``balanced`` is wrong among
flagged images and among the others.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from lucency.annotations.records import read_dataset
from lucency.classification.classifier import Classifier
from lucency.classification.export import export
from lucency.classification.typical_images import distance_of, is_typical, read_typical
from lucency.datasets.labelled import labelled_split
from lucency.datasets.radiographs import read_radiograph

Flags = NDArray[np.bool_]


def main() -> None:
    """Measure fold by fold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    options = parser.parse_args()
    print("| held out | images | flagged | wrong, flagged | wrong, not flagged |")
    print("|---|---|---|---|---|")
    found = []
    for fold in sorted(options.study.glob("fold-*")):
        flagged, wrong = _measured(fold)
        found.append((flagged, wrong))
        print(_row(fold.name.removeprefix("fold-"), flagged, wrong), flush=True)
    together = [np.concatenate(part) for part in zip(*found, strict=True)]
    print(_row("all", together[0], together[1]))


def _measured(fold: Path) -> tuple[Flags, Flags]:
    """Which of a fold's held-out images are flagged, and of which any verdict is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "bundle"
        bundle = export(fold / "run", fold / "set", out, samples=10, with_weights=False)
    classifier, typical = Classifier(bundle, threads=1), read_typical(bundle)
    if typical is None:
        raise SystemExit(f"{fold}: has too few validation images for a limit")
    dataset, names = read_dataset(fold / "set"), bundle.manifest.class_names
    split = labelled_split(dataset, split="test", labels=names, both_values=False)
    points = bundle.manifest.operating_points["balanced"]
    thresholds = np.array([points[name] for name in names])
    flagged, verdicts = [], []
    for record in split.records:
        look = classifier.look(read_radiograph(dataset.image_path(record)))
        flagged.append(not is_typical(typical, distance_of(typical, look.maps)))
        verdicts.append(classifier.calibrated(look.raw) >= thresholds)
    known = ~np.isnan(split.targets)
    wrong = (np.array(verdicts) != (split.targets == 1)) & known
    return np.array(flagged), wrong.any(axis=1)


def _row(name: str, flagged: Flags, wrong: Flags) -> str:
    cells = (_share(flagged), _share(wrong[flagged]), _share(wrong[~flagged]))
    return f"| {name} | {len(flagged)} | {' | '.join(cells)} |"


def _share(flags: Flags) -> str:
    if not len(flags):
        return "–"
    inside = binomtest(int(flags.sum()), len(flags)).proportion_ci(method="wilson")
    return f"{flags.mean():.1%} ({inside.low:.1%} to {inside.high:.1%}) of {len(flags)}"


if __name__ == "__main__":
    main()

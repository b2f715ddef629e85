"""How well a classifier tells images unlike those it has learnt from, beside other methods.

    python benchmarks/typical_images.py BUNDLE SET --other 'adults without TB=OTHER-SET:tb=0' \
        --other bones=FOLDER
    python benchmarks/typical_images.py BUNDLE SET --write NEW-BUNDLE

SET is the set that the bundle was trained on. Each OTHER is a set as ``lucency import`` leaves it,
perhaps of one value of a column, or a folder of images; 300 of each at most are drawn, and made
smaller first with ``--reduce``. Damaged displays are made of 150 validation images. With
``--write`` the bundle is written anew with its ``typical.npy``, and nothing is measured. Prints two
Markdown tables: for each group of images the shares called positive at ``balanced`` and flagged,
with 95% intervals, and flagged by a limit of 1% in place of 5%; then, of other methods on the same
features, the AUC against ordinary validation images and the share flagged, each with the limit that
flags 5% of validation images.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress as ProgressBars
from scipy.special import logit
from scipy.stats import binomtest
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score

from lucency.annotations.image_size import IMAGE_SUFFIXES
from lucency.annotations.records import DATASET_CSV, read_dataset
from lucency.classification.classifier import Classifier, open_classifier
from lucency.classification.typical_bundle import drawn, with_typical
from lucency.classification.typical_images import FALSE_SHARE, distances, fit_typical, pooled
from lucency.configs.errors import ImageError
from lucency.datasets.display import reduce_to
from lucency.datasets.radiographs import Radiograph, read_radiograph
from lucency.evaluation.step_bars import step_bars

MOST, MOST_DAMAGED, HALVES = 300, 150, 100
Features = NDArray[np.float32]
Score = Callable[["Seen"], NDArray[np.floating]]


@dataclass(frozen=True)
class Seen:
    """Pooled ``features`` (N, K) of a group of images, raw ``probabilities`` (N, C), verdicts."""

    features: Features
    probabilities: NDArray[np.float32]
    positive: NDArray[np.bool_]
    patients: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.features)


def main() -> None:
    """Write the bundle anew, or measure it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle")
    parser.add_argument("set", type=Path)
    parser.add_argument("--other", action="append", default=[], metavar="NAME=PATH[:COLUMN=VALUE]")
    parser.add_argument("--reduce", type=int, metavar="PIXELS", help="longest side of OTHER images")
    parser.add_argument("--write", type=Path, metavar="NEW-BUNDLE")
    options = parser.parse_args()
    classifier, dataset = open_classifier(options.bundle, threads=1), read_dataset(options.set)
    if options.write:
        with ProgressBars(console=Console(stderr=True), transient=True) as bars:
            with_typical(classifier.bundle, dataset, options.write, on_step=step_bars(bars))
        return
    validation = dataset.in_split("val")
    training = _look(classifier, [dataset.image_path(r) for r in drawn(dataset.in_split("train"))])
    ordinary = _look(
        classifier,
        [dataset.image_path(r) for r in validation],
        patients=[r.patient_id or str(r.image) for r in validation],
    )
    groups = {}
    for other in options.other:
        name, _, where = other.partition("=")
        groups[name] = _look(classifier, _images(where), _reduced(options.reduce))
    some = [dataset.image_path(r) for r in drawn(validation, most=MOST_DAMAGED)]
    for name, damage in DAMAGES.items():
        groups[name] = _look(classifier, some, damage)
    _tell_groups(training, ordinary, groups)
    _tell_methods(training, ordinary, groups)


def _reduced(longest: int | None) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None:
    """To images of at most that side, so that it is not their resolution that gives them away."""
    if longest is None:
        return None
    return lambda pixels: reduce_to(pixels, longest_side=longest)


def _turned(pixels: NDArray[np.uint8], quarters: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.rot90(pixels, quarters))


def _blurred(pixels: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), share * max(pixels.shape)), np.uint8)


def _noisy(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).normal(0, 40, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


DAMAGES: Mapping[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "inverted": lambda pixels: 255 - pixels,
    "turned by 90°": lambda pixels: _turned(pixels, 1),
    "upside down": lambda pixels: _turned(pixels, 2),
    "mirrored": lambda pixels: np.ascontiguousarray(pixels[:, ::-1]),
    "a quarter of the image": lambda pixels: pixels[: len(pixels) // 2, : pixels.shape[1] // 2],
    "the left half": lambda pixels: pixels[:, : pixels.shape[1] // 2],
    "blurred by 2% of the side": lambda pixels: _blurred(pixels, 0.02),
    "blurred by 1% of the side": lambda pixels: _blurred(pixels, 0.01),
    "contrast 6%": lambda pixels: np.round(118 + (pixels - 128.0) * 0.06).astype(np.uint8),
    "burnt out": lambda pixels: np.minimum(pixels.astype(int) * 2, 255).astype(np.uint8),
    "dark (gamma 4)": lambda pixels: np.round(255 * (pixels / 255) ** 4).astype(np.uint8),
    "noise of 40 grey levels": _noisy,
    "framed in black": lambda pixels: np.pad(pixels, max(pixels.shape) // 3),
}


def _images(where: str) -> list[Path]:
    folder, _, only = where.partition(":")
    path = Path(folder)
    if (path / DATASET_CSV).is_file():
        dataset = read_dataset(path)
        column, _, value = only.partition("=")
        records = [r for r in dataset.records if not only or r.extra.get(column) == value]
        return [dataset.image_path(record) for record in drawn(records, most=MOST)]
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    rows = np.random.default_rng(0).permutation(len(found))[:MOST]
    return [found[row] for row in np.sort(rows)]


def _look(
    classifier: Classifier,
    paths: Sequence[Path],
    damage: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None,
    *,
    patients: Sequence[str] = (),
) -> Seen:
    manifest = classifier.manifest
    points = manifest.operating_points["balanced"]
    thresholds = np.array([points[name] for name in manifest.class_names])
    features, raw = [], []
    for path in paths:
        try:
            radiograph = read_radiograph(path)
        except ImageError:  # FracAtlas has truncated files
            continue
        if damage is not None:
            radiograph = Radiograph(np.ascontiguousarray(damage(radiograph.pixels)), 8, "png")
        look = classifier.look(radiograph)
        features.append(pooled(look.maps))
        raw.append(look.raw)
    probabilities = np.array(raw)
    positive = (classifier.calibrated(probabilities) >= thresholds).any(axis=1)
    return Seen(np.array(features), probabilities, positive, tuple(patients))


def _tell_groups(training: Seen, ordinary: Seen, groups: Mapping[str, Seen]) -> None:
    typical = fit_typical(training.features, ordinary.features)
    if typical is None:
        raise SystemExit("too few images of either split")
    strict = fit_typical(training.features, ordinary.features, false_share=0.01)
    print(
        "| images | number | called positive | flagged | of those called positive | limit of 1% |"
    )
    print("|---|---|---|---|---|---|")
    for name, seen in {"validation, which chose the limit": ordinary, **groups}.items():
        found = distances(typical, seen.features)
        flagged = found > typical.limit
        cells = (_share(seen.positive), _share(flagged), _share(flagged[seen.positive]))
        at_strict = f"{(found > strict.limit).mean():.1%}" if strict else "–"
        print(f"| {name} | {len(seen)} | {' | '.join(cells)} | {at_strict} |")
    unseen = _false_flags(training, ordinary)
    low, high = np.percentile(unseen, [2.5, 97.5])
    print(
        f"\nOrdinary images that did not choose the limit, by halves of the validation patients "
        f"({HALVES} divisions): {np.mean(unseen):.1%} flagged ({low:.1%} to {high:.1%}).\n"
    )


def _false_flags(training: Seen, ordinary: Seen) -> list[float]:
    """Shares flagged of one half of the validation patients, the limit chosen by the other."""
    random, patients = np.random.default_rng(0), np.array(ordinary.patients)
    names, shares = np.unique(patients), []
    known = fit_typical(training.features, ordinary.features)
    if known is None:
        return []
    all_distances = distances(known, ordinary.features)
    for _ in range(HALVES):
        chosen = np.isin(patients, random.permutation(names)[: len(names) // 2])
        limit = _limit(all_distances[chosen])
        shares.append(float((all_distances[~chosen] > limit).mean()))
    return shares


def _tell_methods(training: Seen, ordinary: Seen, groups: Mapping[str, Seen]) -> None:
    print(f"| method | {' | '.join(groups)} |")
    print(f"|---|{'---|' * len(groups)}")
    for name, score in _methods(training.features).items():
        usual = score(ordinary)
        limit, cells = _limit(usual), []
        for seen in groups.values():
            values = score(seen)
            truth = np.r_[np.zeros(len(usual)), np.ones(len(values))]
            auc = roc_auc_score(truth, np.r_[usual, values])
            cells.append(f"{auc:.2f}, {(values > limit).mean():.0%}")
        print(f"| {name} | {' | '.join(cells)} |")


def _methods(training: Features) -> dict[str, Score]:
    """Higher is less typical."""
    fitted = {size: fit_typical(training, training, most_directions=size) for size in (16, 64, 256)}
    shrunk, unit = LedoitWolf().fit(training), _unit(training)
    mean = training.mean(axis=0)
    _, values, basis = np.linalg.svd(training - mean, full_matrices=False)
    scale = values[:64] / np.sqrt(len(training) - 1)

    def residual(size: int) -> Score:
        typical = fitted[size]
        if typical is None:
            raise SystemExit("too few training images")
        return lambda seen: distances(typical, seen.features)

    def neighbour(which: int) -> Score:
        return lambda seen: -np.sort(_unit(seen.features) @ unit.T, axis=1)[:, -which]

    return {
        "residual outside 64 directions": residual(64),
        "the same, 16": residual(16),
        "the same, 256": residual(256),
        "Mahalanobis in 64 directions": lambda seen: np.linalg.norm(
            (seen.features - mean) @ basis[:64].T / scale, axis=1
        ),
        "Mahalanobis, Ledoit-Wolf": lambda seen: shrunk.mahalanobis(seen.features),
        "10th nearest neighbour": neighbour(10),
        "nearest neighbour": neighbour(1),
        "highest probability": lambda seen: -np.abs(seen.probabilities - 0.5).min(axis=1),
        "energy": lambda seen: -np.log1p(np.exp(_logits(seen))).sum(axis=1),
    }


def _logits(seen: Seen) -> NDArray[np.float64]:
    return np.asarray(logit(np.clip(seen.probabilities.astype(float), 1e-7, 1 - 1e-7)))


def _unit(features: Features) -> Features:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)


def _limit(values: NDArray[np.floating]) -> float:
    rank = int(np.ceil((len(values) + 1) * (1 - FALSE_SHARE)))
    return float(np.sort(values)[min(rank, len(values)) - 1])


def _share(flags: NDArray[np.bool_]) -> str:
    if not len(flags):
        return "–"
    inside = binomtest(int(flags.sum()), len(flags)).proportion_ci(method="wilson")
    return f"{flags.mean():.1%} ({inside.low:.1%} to {inside.high:.1%})"


if __name__ == "__main__":
    main()

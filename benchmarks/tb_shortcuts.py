"""What could be a shortcut in a set of several sites: what it takes to tell TB, and the site.

    python benchmarks/tb_shortcuts.py SET [BUNDLE]

SET is the four-site set, imported (columns ``tb`` and ``site``). A logistic regression is learnt
from (a) a few statistics of the image: its size and shape, its grey levels, its border; (b) a
thumbnail of 32 pixels; (c) the pooled features of the classifier BUNDLE. Of each it is measured
how well it tells tuberculosis within one site (five folds) and at a site that it was not learnt
from, and how well it tells the site. AUC with DeLong's intervals; prints Markdown.

Features of a bundle that was trained on these images, or chosen by them, flatter in every column;
those of one trained on other images do not.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from lucency.annotations.records import Dataset, ImageRecord, read_dataset
from lucency.classification.classifier import open_classifier
from lucency.classification.feature_probe import patients_of, probe
from lucency.configs.display import DisplaySpec
from lucency.datasets.display import display
from lucency.datasets.model_input import square_image
from lucency.datasets.parallel import in_order
from lucency.datasets.radiographs import Radiograph, read_radiograph
from lucency.datasets.shortcuts import associate
from lucency.evaluation.delong import delong_interval

FOLDS, SEED = 5, 0
THUMBNAIL_PX = 32
BORDER = 0.05
# By the number of features: hundreds of correlated ones need a stronger penalty.
FEW, PENALTY_OF_FEW, PENALTY_OF_MANY = 50, 1.0, 0.01

Features = Callable[[Radiograph], np.ndarray]


def main() -> None:
    """Measure each sort of features and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("bundle", nargs="?")
    options = parser.parse_args()
    dataset = read_dataset(options.dataset)
    records = [r for r in dataset.records if r.label("tb") is not None and r.extra.get("site")]
    sorts: dict[str, Features] = {"statistics": statistics, "32-pixel thumbnail": small_image}
    if options.bundle:
        sorts[f"features of {Path(options.bundle).name}"] = features_of(options.bundle)
    measured = {name: gather(dataset, records, function) for name, function in sorts.items()}
    tb = np.array([record.label("tb") for record in records], dtype=bool)
    sites = np.array([record.extra["site"] for record in records])
    alone = associate(sites.tolist(), tb.tolist(), names=("site", "tb"))
    if alone is not None:
        print(f"The site alone tells tuberculosis with an AUC of {alone.auc:.3f}.\n")
    tell_tuberculosis(measured, tb, sites, records)
    tell_sites(measured, sites, records)


def statistics(radiograph: Radiograph) -> np.ndarray:
    """Size, shape, grey levels, and how dark and how even each side's border is."""
    image = display(radiograph, DisplaySpec(method="as_displayed")).image.astype(np.float64)
    height, width = image.shape
    rim = max(1, round(BORDER * min(height, width)))
    sides = (image[:rim], image[-rim:], image[:, :rim], image[:, -rim:])
    return np.array(
        [
            np.log(width),
            np.log(height),
            width / height,
            image.mean(),
            image.std(),
            (image <= 5).mean(),
            (image >= 250).mean(),
            *(side.mean() for side in sides),
            *(side.std() for side in sides),
        ]
    )


def small_image(radiograph: Radiograph) -> np.ndarray:
    """The displayed image at 32 × 32 pixels."""
    image = display(radiograph, DisplaySpec(method="percentile")).image
    return square_image(image, size=THUMBNAIL_PX).ravel().astype(np.float64)


def features_of(bundle: str) -> Features:
    classifier = open_classifier(bundle)
    return lambda radiograph: classifier.look(radiograph).maps.mean(axis=(1, 2))


def gather(dataset: Dataset, records: list[ImageRecord], function: Features) -> np.ndarray:
    """The features (N, K) of all images."""
    return np.array(
        list(in_order(lambda r: function(read_radiograph(dataset.image_path(r))), records))
    )


def tell_tuberculosis(
    measured: dict[str, np.ndarray],
    tb: np.ndarray,
    sites: np.ndarray,
    records: list[ImageRecord],
) -> None:
    """TB at each site: learnt there, and learnt at the others; then all sites in one pot."""
    patients = np.array(patients_of(records))
    print("| tuberculosis from | site | images | with TB | learnt there | learnt elsewhere |")
    print("|---|---|---|---|---|---|")
    for name, features in measured.items():
        for site in sorted(set(sites)):
            here = sites == site
            inside = cross_validated(features[here], tb[here], patients[here])
            model = regression(features).fit(features[~here], tb[~here])
            outside = model.decision_function(features[here])
            cells = [str(delong_interval(tb[here], score)) for score in (inside, outside)]
            print(f"| {name} | {site} | {here.sum()} | {tb[here].sum()} | {' | '.join(cells)} |")
        mixed = delong_interval(tb, cross_validated(features, tb, patients))
        print(f"| {name} | all, mixed | {len(tb)} | {tb.sum()} | {mixed} | |")


def tell_sites(
    measured: dict[str, np.ndarray], sites: np.ndarray, records: list[ImageRecord]
) -> None:
    """Each site against the others by cross-validation, and how often the right one is named."""
    patients = patients_of(records)
    names = sorted(set(sites))
    print(f"\n| site from | {' | '.join(names)} | named rightly | most frequent |")
    print("|---|" + "---|" * (len(names) + 2))
    for name, features in measured.items():
        cells = []
        for site in names:
            here = sites == site
            cells.append(str(delong_interval(here, cross_validated(features, here, patients))))
        found = probe(features.astype(np.float32), sites.tolist(), patients, column="site")
        cells += [str(found.accuracy), f"{found.chance:.3f}"]
        print(f"| {name} | {' | '.join(cells)} |")


def cross_validated(features: np.ndarray, truth: np.ndarray, patients: object) -> np.ndarray:
    """A score (N,) for each image by a regression that has not seen its patient."""
    score = np.empty(len(truth))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
    for learnt, asked in folds.split(features, truth, patients):
        model = regression(features).fit(features[learnt], truth[learnt])
        score[asked] = model.decision_function(features[asked])
    return score


def regression(features: np.ndarray) -> Pipeline:
    penalty = PENALTY_OF_FEW if features.shape[1] <= FEW else PENALTY_OF_MANY
    return make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=2000))


if __name__ == "__main__":
    main()

"""What is measured, a classifier of whatever kind, and the probabilities it gives to images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import Dataset, ImageRecord
from lucency.classification.classifier import Classifier
from lucency.configs.bundle import RadiographKind
from lucency.configs.display import DisplaySpec
from lucency.datasets.radiographs import read_radiograph

Progress = Callable[[int, int], None]
Thresholds = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Probabilities:
    """What a model says of N images: ``values`` (N, C) in [0, 1], calibrated where it is.

    ``raw`` (N, C) are the network's own, None where nothing is calibrated.
    """

    values: NDArray[np.float64]
    raw: NDArray[np.float64] | None = None

    def columns(self, which: Sequence[int]) -> "Probabilities":
        """Those of some of the labels, in the order given."""
        chosen = list(which)
        raw = None if self.raw is None else self.raw[:, chosen]
        return Probabilities(self.values[:, chosen], raw)


@dataclass(frozen=True)
class Model:
    """A classifier of whatever kind, on one set.

    ``predict`` gives the probabilities of images, columns as ``class_names``, and tells how far it
    is. ``thresholds`` are operating points that were chosen before, None where there are none.
    ``exclusive`` labels exclude each other. ``kinds`` are the radiographs it is for, none: any.
    ``display`` is how its pixels are prepared, None where nobody says. ``data_sha256`` is the
    digest of the table it was trained on, empty where unknown; ``notes`` what the report must say
    of it; ``covers`` the images that a file has probabilities of, None where any can be looked at.
    """

    name: str
    kind: Literal["bundle", "table of probabilities"]
    sha256: str
    class_names: tuple[str, ...]
    predict: Callable[[Sequence[ImageRecord], Progress | None], Probabilities]
    exclusive: bool = False
    thresholds: Thresholds | None = None
    kinds: tuple[RadiographKind, ...] = ()
    display: DisplaySpec | None = None
    trained_on: str = ""
    data_sha256: str = ""
    notes: tuple[str, ...] = ()
    covers: frozenset[str] | None = None

    def predict_labels(
        self, records: Sequence[ImageRecord], labels: Sequence[str], on_image: Progress | None
    ) -> Probabilities:
        """The probabilities of some of the labels, in the order given."""
        found = self.predict(records, on_image)
        return found.columns([self.class_names.index(label) for label in labels])


def bundle_model(classifier: Classifier, dataset: Dataset) -> Model:
    """An open bundle."""
    manifest = classifier.manifest

    def predict(records: Sequence[ImageRecord], on_image: Progress | None) -> Probabilities:
        raw = raw_probabilities(classifier, dataset, records, on_image=on_image)
        if not manifest.calibration:
            return Probabilities(raw)
        return Probabilities(classifier.calibrated(raw).astype(np.float64), raw)

    return Model(
        name=manifest.name,
        kind="bundle",
        sha256=classifier.bundle.digest,
        class_names=manifest.class_names,
        predict=predict,
        exclusive=manifest.exclusive,
        thresholds=manifest.operating_points,
        kinds=manifest.kinds,
        display=manifest.display,
        trained_on=manifest.training_data.get("name", ""),
        data_sha256=manifest.training_data.get("sha256", ""),
    )


def raw_probabilities(
    classifier: Classifier,
    dataset: Dataset,
    records: Sequence[ImageRecord],
    *,
    on_image: Progress | None = None,
) -> NDArray[np.float64]:
    """Probabilities (N, C) without calibration, of images read and displayed as the service does.

    ``on_image`` is told how many of how many images are done.

    Raises
    ------
    ImageError
        An image cannot be read.

    """
    rows = np.zeros((len(records), len(classifier.manifest.class_names)))
    for number, record in enumerate(records):
        rows[number] = classifier.classify_raw(read_radiograph(dataset.image_path(record)))
        if on_image is not None:
            on_image(number + 1, len(records))
    return rows

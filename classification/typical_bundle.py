"""The part of a classifier's bundle that tells images unlike those it has learnt from.

It is fitted to what the bundle's own network makes, in ONNX Runtime and through the bundle's own
display, of the data set that it was trained on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import Dataset, ImageRecord
from lucency.classification.classifier import Classifier
from lucency.classification.measurement import measured_split
from lucency.classification.predictions import Progress, bundle_model
from lucency.classification.typical_images import (
    FALSE_SHARE,
    distances,
    fit_typical,
    pooled,
    typical_bytes,
)
from lucency.configs.bundle import MODEL_CARD, TYPICAL, Bundle, write_bundle
from lucency.configs.errors import ConfigError
from lucency.configs.typical import TypicalSpec
from lucency.datasets.digest import table_digest
from lucency.datasets.parallel import in_order
from lucency.datasets.radiographs import read_radiograph

# Of a split with more, so many at random: further ones move the figures by less than their noise.
MOST_IMAGES = 1000
_HEADING, _BEFORE = "## Images unlike those it has learnt from", "## Limits"
_UNTOLD = ", and it does not say so"


@dataclass(frozen=True)
class TypicalPart:
    """What a bundle is given: an entry of its manifest and a file, or neither."""

    spec: TypicalSpec | None = None
    files: Mapping[str, bytes] | None = None


def typical_part(
    classifier: Classifier, dataset: Dataset, *, on_step: Callable[[str], Progress]
) -> TypicalPart:
    """Fit to the training and validation images of the set that a classifier was trained on.

    Nothing for a router, which has a class for everything else, and where the set has too few
    images. ``on_step`` names what begins and is told how far it is.

    Raises
    ------
    DatasetError
        The set has no training or validation image with a label of the classifier.
    ImageError
        An image cannot be read.

    """
    if classifier.manifest.role == "router":
        return TypicalPart()
    model = bundle_model(classifier, dataset)
    training, validation = (
        pooled_features(
            classifier,
            dataset,
            drawn(measured_split(model, dataset, split).records),
            on_image=on_step(f"Learning what is typical of '{split}'"),
        )
        for split in ("train", "val")
    )
    typical = fit_typical(training, validation)
    if typical is None:
        return TypicalPart()
    spec = TypicalSpec(
        limit=typical.limit,
        false_share=FALSE_SHARE,
        validation_share=float((distances(typical, validation) > typical.limit).mean()),
        training_images=len(training),
        validation_images=len(validation),
    )
    return TypicalPart(spec, {TYPICAL: typical_bytes(typical)})


def with_typical(
    bundle: Bundle, dataset: Dataset, out: Path, *, on_step: Callable[[str], Progress]
) -> Bundle:
    """Write a bundle anew with that part, fitted again if it has one; its model stays as it is.

    Raises
    ------
    BundleError
        It is no classifier.
    ConfigError
        The set is another one than it was trained on, is too small, or ``out`` exists already.

    """
    classifier = Classifier(bundle)
    if bundle.manifest.training_data.get("sha256") != table_digest(dataset):
        raise ConfigError(
            f"{dataset.root}: is not the set that {bundle.path} was trained on; name that set"
        )
    part = typical_part(classifier, dataset, on_step=on_step)
    if part.spec is None or part.files is None:
        raise ConfigError(
            f"{dataset.root}: has too few training or validation images to tell what is typical, "
            f"or {bundle.path} is a router, which has no such part"
        )
    files = {name: (bundle.path / name).read_bytes() for name in bundle.manifest.files}
    card = with_typical_section(files[MODEL_CARD].decode("utf-8"), part.spec)
    manifest = bundle.manifest.model_copy(update={"typical": part.spec})
    return write_bundle(out, manifest, {**files, **part.files, MODEL_CARD: card.encode("utf-8")})


def drawn(records: Sequence[ImageRecord], *, most: int = MOST_IMAGES) -> tuple[ImageRecord, ...]:
    """At most so many of the images, always the same, in their order."""
    rows = np.random.default_rng(0).permutation(len(records))[:most]
    return tuple(records[row] for row in np.sort(rows))


def pooled_features(
    classifier: Classifier,
    dataset: Dataset,
    records: Sequence[ImageRecord],
    *,
    on_image: Progress | None = None,
) -> NDArray[np.float32]:
    """Features (N, K) of images read and displayed as the service does; raises `ImageError`."""
    rows = []
    paths = (dataset.image_path(record) for record in records)
    for radiograph in in_order(read_radiograph, paths):
        rows.append(pooled(classifier.look(radiograph).maps))
        if on_image is not None:
            on_image(len(rows), len(records))
    return np.array(rows, dtype=np.float32)


def typical_section(spec: TypicalSpec | None) -> str:
    """What a model card says of it; nothing where the bundle has no such part."""
    if spec is None:
        return ""
    return f"""{_HEADING}

An image is flagged whose last feature maps lie far from those of {spec.training_images} training
images, beyond a limit that {spec.validation_share:.1%} of {spec.validation_images} validation
images exceed. Probabilities of a flagged image deserve no trust. That an image is not flagged does
not say that the model is good on it: another hospital's may look the same and be judged worse."""


def with_typical_section(card: str, spec: TypicalSpec) -> str:
    """A card, written without such a part or with one, that tells of this one."""
    head, _, rest = card.partition(_BEFORE)
    head = head.partition(_HEADING)[0].rstrip()
    return f"{head}\n\n{typical_section(spec)}\n\n{_BEFORE}{rest.replace(_UNTOLD, '')}"

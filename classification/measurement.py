"""One classifier measured on one split: probabilities, thresholds, and all that follows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import Dataset
from lucency.classification.caveats import PATIENTS_UNKNOWN, notes_on
from lucency.classification.predictions import Model, Probabilities, Progress
from lucency.classification.thresholds import ChosenThresholds, thresholds_of
from lucency.configs.errors import DatasetError
from lucency.datasets.labelled import LabelledSplit, labelled_split
from lucency.evaluation.classification_comparison import compare_classification
from lucency.evaluation.classification_measures import ClassificationMeasures
from lucency.evaluation.classifying import measure_classification
from lucency.evaluation.comparison import Difference

# The point that pictures, subgroups and the headline are of.
CHIEF_POINT = "balanced"


@dataclass(frozen=True)
class Measured:
    """What a model says of the images of one split, and its figures."""

    model: Model
    split: LabelledSplit
    probabilities: Probabilities
    thresholds: ChosenThresholds
    measures: ClassificationMeasures
    notes: tuple[str, ...]

    @property
    def chief_point(self) -> str:
        """The operating point of the headline and of the pictures."""
        values = self.thresholds.values
        return CHIEF_POINT if CHIEF_POINT in values else next(iter(values))

    @property
    def truth(self) -> NDArray[np.float64]:
        """(N, C) 1, 0, or NaN where a label is not known."""
        return self.split.targets.astype(np.float64)


@dataclass(frozen=True)
class Compared:
    """A second model on the same images, and its difference from the first, figure by figure.

    ``split`` are the images with the labels that both know.
    """

    model: Model
    split: LabelledSplit
    probabilities: Probabilities
    thresholds: ChosenThresholds
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


def measured_split(model: Model, dataset: Dataset, split: str) -> LabelledSplit:
    """The images of a split of which something is known that the model tells.

    Of labels that exclude each other an image has exactly one; images of which the set does not
    say which are left out.

    Raises
    ------
    DatasetError
        The set has none of the model's labels or no such image, or an image has two labels that
        exclude each other.

    """
    known = {name for record in dataset.records for name in record.extra}
    labels = tuple(name for name in model.class_names if name in known)
    if model.exclusive or not labels:
        labels = model.class_names
    found = labelled_split(dataset, split=split, labels=labels, both_values=False)
    return _one_of_each(found, dataset) if model.exclusive else found


def measure(
    model: Model,
    dataset: Dataset,
    split: str,
    *,
    samples: int = 1000,
    on_step: Callable[[str], Progress],
) -> Measured:
    """Classify a split and measure it; ``on_step`` names what begins and is told how far it is.

    Raises
    ------
    DatasetError
        As `measured_split`; or a table of probabilities lacks images.
    ImageError
        An image cannot be read.

    """
    labelled = measured_split(model, dataset, split)
    step = on_step(f"Classifying '{split}'")
    probabilities = model.predict_labels(labelled.records, labelled.labels, step)
    thresholds = thresholds_of(model, dataset, labelled, probabilities, on_step)
    measures = measure_classification(
        labelled.targets.astype(np.float64),
        probabilities.values,
        patients_of(labelled),
        class_names=labelled.labels,
        points=thresholds.values,
        exclusive=model.exclusive,
        samples=samples,
        progress=on_step("Drawing samples of patients"),
    )
    notes = notes_on(model, dataset, labelled, thresholds)
    if not measures.patients_known:
        notes = (*notes, PATIENTS_UNKNOWN)
    return Measured(model, labelled, probabilities, thresholds, measures, notes)


def compare(
    measured: Measured,
    second: Model,
    dataset: Dataset,
    *,
    samples: int = 1000,
    on_step: Callable[[str], Progress],
) -> Compared:
    """Measure a second model on the same images and the labels that both tell; raises as `measure`.

    Raises
    ------
    DatasetError
        They have no label in common.

    """
    of_first = measured.split
    labels = tuple(name for name in of_first.labels if name in second.class_names)
    if not labels:
        raise DatasetError(
            f"{second.name}: tells {', '.join(second.class_names)} and {measured.model.name} "
            f"{', '.join(of_first.labels)}; only models with a label in common can be compared"
        )
    columns = [of_first.labels.index(label) for label in labels]
    common = replace(of_first, labels=labels, targets=of_first.targets[:, columns])
    step = on_step(f"Classifying '{of_first.name}' with {second.name}")
    probabilities = second.predict_labels(common.records, labels, step)
    thresholds = thresholds_of(second, dataset, common, probabilities, on_step)
    differences = compare_classification(
        common.targets.astype(np.float64),
        measured.probabilities.columns(columns).values,
        probabilities.values,
        patients_of(common),
        class_names=labels,
        points_first=_of_labels(measured.thresholds, labels),
        points_second=_of_labels(thresholds, labels),
        samples=samples,
        progress=on_step("Comparing on the same samples"),
    )
    return Compared(
        model=second,
        split=common,
        probabilities=probabilities,
        thresholds=thresholds,
        differences=differences,
        notes=notes_on(second, dataset, common, thresholds),
    )


def patients_of(split: LabelledSplit) -> list[str]:
    """The patient of each image, empty where the set does not say."""
    return [record.patient_id for record in split.records]


def _of_labels(thresholds: ChosenThresholds, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    return {
        point: {label: by_class[label] for label in labels}
        for point, by_class in thresholds.values.items()
    }


def _one_of_each(split: LabelledSplit, dataset: Dataset) -> LabelledSplit:
    """The images with exactly one of the labels, the others then 0 even where nothing is said."""
    positive = split.targets == 1
    several = np.flatnonzero(positive.sum(axis=1) > 1)
    if several.size:
        record = split.records[int(several[0])]
        both = [n for n, has in zip(split.labels, positive[several[0]], strict=True) if has]
        raise DatasetError(
            f"{dataset.root / 'dataset.csv'}: {record.image}: is {' and '.join(both)}, which "
            "exclude each other; correct the table"
        )
    kept = np.flatnonzero(positive.any(axis=1))
    if not kept.size:
        raise DatasetError(
            f"{dataset.root / 'dataset.csv'}: no image of '{split.name}' is any of "
            f"{', '.join(split.labels)}; split the set again, or name another split"
        )
    records = tuple(split.records[row] for row in kept.tolist())
    return replace(split, records=records, targets=positive[kept].astype(np.float32))

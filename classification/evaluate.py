"""Evaluating a classifier on one split of a data set: what a report and a manifest are made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from lucency.annotations.records import Dataset
from lucency.classification.measurement import (
    Compared,
    Measured,
    compare,
    measure,
    patients_of,
)
from lucency.classification.predictions import Model, Progress
from lucency.datasets.digest import table_digest
from lucency.evaluation.classification_measures import ClassificationMeasures
from lucency.evaluation.classification_subgroups import (
    ClassificationSubgroup,
    measure_classification_subgroups,
)
from lucency.evaluation.classifier_calibration import (
    CalibrationEffect,
    measure_classifier_calibration,
)
from lucency.evaluation.estimates import Estimate
from lucency.evaluation.subgroups import subgroups


@dataclass(frozen=True)
class Evaluation:
    """Everything that a report shows of a classifier on one split of a set.

    ``facts`` are who was measured on what. ``calibration`` by label; of a model whose
    probabilities are not calibrated, before and after are the same. ``subgroups`` are at the
    measurement's chief operating point. ``compared`` is a second model on the same images.
    """

    facts: Mapping[str, str]
    measured: Measured
    calibration: Mapping[str, CalibrationEffect]
    subgroups: tuple[ClassificationSubgroup, ...]
    compared: Compared | None

    @property
    def is_calibrated(self) -> bool:
        """Whether the model's probabilities are calibrated, so that there is a before."""
        return self.measured.probabilities.raw is not None

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known of the figures, of a second model under its name."""
        if self.compared is None:
            return self.measured.notes
        name = self.compared.model.name
        new = (note for note in self.compared.notes if note not in self.measured.notes)
        return (*self.measured.notes, *(f"{name}: {note}" for note in new))


def evaluate(
    model: Model,
    dataset: Dataset,
    split: str,
    *,
    second: Model | None = None,
    by: Sequence[str] = (),
    samples: int = 1000,
    on_step: Callable[[str], Progress],
) -> Evaluation:
    """Measure a classifier on a split, and a ``second`` one against it.

    Subgroups are those of the columns ``by`` of the set's table, or of columns that suit.
    ``on_step`` names what begins and is told how far it is.

    Raises
    ------
    DatasetError
        The set or the split knows nothing of the model's labels, or a column is missing.
    ImageError
        An image cannot be read.

    """
    if by:
        # A misspelt column is refused before any image is read.
        subgroups(dataset.records, by)
    measured = measure(model, dataset, split, samples=samples, on_step=on_step)
    compared = None
    if second is not None:
        compared = compare(measured, second, dataset, samples=samples, on_step=on_step)
    on_step("Measuring calibration and subgroups")(0, 1)
    found, labels = measured.probabilities, measured.split.labels
    calibration = measure_classifier_calibration(
        found.values if found.raw is None else found.raw,
        found.values,
        measured.truth,
        patients_of(measured.split),
        class_names=labels,
        samples=samples,
    )
    point = measured.chief_point
    groups = measure_classification_subgroups(
        measured.split.records,
        measured.truth,
        found.values,
        columns=by or None,
        class_names=labels,
        points={point: measured.thresholds.values[point]},
        exclusive=model.exclusive,
        samples=samples,
    )
    return Evaluation(
        facts=_facts(measured, second, dataset),
        measured=measured,
        calibration=calibration,
        subgroups=groups,
        compared=compared,
    )


def manifest_figures(
    measures: ClassificationMeasures,
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """The figures that a bundle's manifest holds, and the 95% intervals of those that have one.

    What cannot be measured is left out. ``auc`` is the mean over the labels.
    """
    estimates: dict[str, Estimate] = {"auc": measures.mean_auc}
    if measures.accuracy is not None:
        estimates["accuracy"] = measures.accuracy
    figures = {"images": float(measures.images)}
    if measures.patients_known:
        figures["patients"] = float(measures.patients)
    for name, label in measures.labels.items():
        figures[f"positives_{name}"] = float(label.positives)
        figures[f"negatives_{name}"] = float(label.negatives)
        estimates[f"auc_{name}"] = label.auc
        estimates[f"average_precision_{name}"] = label.average_precision
        for point, rates in label.points.items():
            estimates[f"sensitivity_{point}_{name}"] = rates.sensitivity
            estimates[f"specificity_{point}_{name}"] = rates.specificity
    figures |= {name: one.value for name, one in estimates.items() if one.value is not None}
    intervals = {
        name: (one.low, one.high)
        for name, one in estimates.items()
        if one.low is not None and one.high is not None
    }
    return figures, intervals


def _facts(measured: Measured, second: Model | None, dataset: Dataset) -> dict[str, str]:
    model = measured.model
    facts = {
        "model": model.name,
        "kind": model.kind,
        "model_sha256": model.sha256,
        "dataset": dataset.root.resolve().name,
        "dataset_csv_sha256": table_digest(dataset),
        "split": measured.split.name,
        "labels": ", ".join(measured.split.labels),
        "lucency": version("lucency"),
    }
    if second is not None:
        facts |= {"compared_with": second.name, "compared_sha256": second.sha256}
    return facts

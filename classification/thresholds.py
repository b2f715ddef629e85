"""The operating points that a classifier is measured at: its own, or chosen on validation data."""

from collections.abc import Callable
from dataclasses import dataclass, field

from lucency.annotations.records import Dataset
from lucency.classification.predictions import Model, Probabilities, Progress, Thresholds
from lucency.datasets.digest import table_digest
from lucency.datasets.labelled import LabelledSplit, labelled_split
from lucency.evaluation.operating_points import choose_classification_points

VALIDATION = "val"
# Where nothing can choose a threshold: what is more likely than not.
EVEN = "0.5"


@dataclass(frozen=True)
class ChosenThresholds:
    """A model's operating points on a split, and in one sentence where they come from.

    ``flattering`` is True if they were chosen on the images that are measured. ``chosen_on`` are
    the validation images that they were chosen on and what the model says of them, where
    these are others.
    """

    values: Thresholds
    origin: str
    flattering: bool = False
    chosen_on: tuple[LabelledSplit, Probabilities] | None = field(default=None, repr=False)


def thresholds_of(
    model: Model,
    dataset: Dataset,
    split: LabelledSplit,
    probabilities: Probabilities,
    on_step: Callable[[str], Progress],
) -> ChosenThresholds:
    """The model's own operating points, or those chosen on the set's validation split.

    Where there is nothing to choose them on, the only point is 0.5. ``split`` is what is measured,
    and tells the labels.
    """
    if model.thresholds is not None:
        same = split.name == VALIDATION and model.data_sha256 in ("", table_digest(dataset))
        where = "on these very images" if same else "on validation data"
        whose = "the bundle's own" if model.kind == "bundle" else "recorded with the probabilities"
        own = {
            point: {label: by_class[label] for label in split.labels}
            for point, by_class in model.thresholds.items()
        }
        return ChosenThresholds(own, f"{whose}, chosen {where}", flattering=same)
    if split.name == VALIDATION:
        origin = f"chosen on these very images, split '{VALIDATION}'"
        return ChosenThresholds(_chosen(split, probabilities), origin, flattering=True)
    chosen_on = _validation(model, dataset, split)
    if chosen_on is None:
        even = {EVEN: dict.fromkeys(split.labels, 0.5)}
        origin = f"0.5, for want of probabilities of images of '{VALIDATION}' to choose them on"
        return ChosenThresholds(even, origin)
    step = on_step(f"Classifying '{VALIDATION}', to choose thresholds")
    found = model.predict_labels(chosen_on.records, split.labels, step)
    return ChosenThresholds(
        _chosen(chosen_on, found),
        f"chosen on the set's {len(chosen_on)} images of '{VALIDATION}'",
        chosen_on=(chosen_on, found),
    )


def _chosen(split: LabelledSplit, probabilities: Probabilities) -> Thresholds:
    return choose_classification_points(
        split.targets, probabilities.values, class_names=split.labels
    ).to_manifest()


def _validation(model: Model, dataset: Dataset, split: LabelledSplit) -> LabelledSplit | None:
    """The validation images, if there are any and the model has probabilities of all of them."""
    if not any(r.label(n) is not None for r in dataset.in_split(VALIDATION) for n in split.labels):
        return None
    found = labelled_split(dataset, split=VALIDATION, labels=split.labels, both_values=False)
    covered = model.covers is None or all(str(r.image) in model.covers for r in found.records)
    return found if covered else None

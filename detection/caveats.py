"""What must be known before figures are believed, in sentences; and what cannot be measured."""

from collections.abc import Sequence

from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs.errors import DatasetError
from lucency.datasets.digest import dataset_digest
from lucency.detection.predictions import Model, split_records
from lucency.detection.thresholds import VALIDATION, ChosenThresholds

# A note lists no more targets than these.
_NAMED = 5
PATIENTS_UNKNOWN = (
    "The set does not say which images are of one patient, so each is taken for a patient of its "
    "own: if some have several images, the intervals are too narrow."
)


def check_coverage(model: Model, records: Sequence[ImageRecord], split: str) -> None:
    """Refuse results that are all of other images than those to be measured.

    Results without any box at all are measured: they may be those of a model that finds nothing.

    Raises
    ------
    DatasetError
        There are results, and none is of these images.

    """
    if model.covers and not any(str(record.image) in model.covers for record in records):
        raise DatasetError(
            f"{model.name}: has results of {len(model.covers)} images, none of which is in "
            f"'{split}'; name the split that they are of with --split"
        )


def notes_on(
    model: Model, dataset: Dataset, split: str, thresholds: ChosenThresholds
) -> tuple[str, ...]:
    """What a model, its results and its thresholds ask to be known of the figures."""
    notes = [*model.notes, *_coverage(model, split_records(dataset, split), split)]
    if thresholds.predictions:
        notes += _coverage(model, split_records(dataset, VALIDATION), VALIDATION)
    trained_here = bool(model.data_sha256) and model.data_sha256 == dataset_digest(dataset)
    if split == "train":
        notes.append("Models learn from the training split: figures on it say nothing of others.")
    if thresholds.flattering:
        notes.append(_flattering(model, trained_here=trained_here))
    if not thresholds.values:
        notes.append(f"Thresholds: {thresholds.origin}; only figures that need none are given.")
    if thresholds.missed:
        more = len(thresholds.missed) - _NAMED
        named = "; ".join(thresholds.missed[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
        notes.append(f"On validation data these points fall short of their targets: {named}.")
    if model.data_sha256 and not trained_here:
        called = f" ('{model.trained_on}')" if model.trained_on else ""
        notes.append(
            f"{model.name} was trained on another set{called}, or on this one before it was "
            f"changed: whether it has seen images of these patients is not known."
        )
    return tuple(notes)


def _flattering(model: Model, *, trained_here: bool) -> str:
    """What looks too good on the images that chose the thresholds, and perhaps more."""
    parts = [
        "The thresholds were chosen on the images that are measured here, so precision, recall and "
        "all other figures at operating points flatter."
    ]
    if model.calibration:
        parts.append("The calibration was fitted on them too: so do ECE and Brier score.")
    parts.append(
        "Average precision, FROC and AUC need no threshold, but training kept the epoch that was "
        "best on them, so these are somewhat too good as well."
        if trained_here
        else "Average precision, FROC and AUC need no threshold."
    )
    return " ".join(parts)


def _coverage(model: Model, records: Sequence[ImageRecord], split: str) -> list[str]:
    """The note on images without results: COCO's form cannot tell them from those without boxes."""
    if model.covers is None:
        return []
    absent = sum(str(record.image) not in model.covers for record in records)
    if not absent:
        return []
    return [
        f"Images of '{split}' without a result, {absent} of {len(records)}, count as images in "
        "which nothing was found."
    ]

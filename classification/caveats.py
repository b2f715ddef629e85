"""What must be known before a classifier's figures are believed, in sentences."""

from collections import Counter
from collections.abc import Sequence

from lucency.annotations.records import Dataset, ImageRecord
from lucency.classification.predictions import Model
from lucency.classification.thresholds import EVEN, ChosenThresholds
from lucency.datasets.digest import table_digest
from lucency.datasets.labelled import LabelledSplit

# A note lists no more names than these.
_NAMED = 5
_CHEST = ("chest", "thorax")
BODY_PART = "body_part"
PATIENTS_UNKNOWN = (
    "The set does not say which images are of one patient, so each is taken for a patient of its "
    "own: if some have several images, the intervals are too narrow."
)


def notes_on(
    model: Model, dataset: Dataset, split: LabelledSplit, thresholds: ChosenThresholds
) -> tuple[str, ...]:
    """What a model, the images and its thresholds ask to be known of the figures."""
    trained_here = bool(model.data_sha256) and model.data_sha256 == table_digest(dataset)
    notes = [*model.notes, *_unmeasured(model, dataset), *_one_valued(split)]
    notes += _wrong_kind(model, split.records)
    if split.name == "train":
        notes.append("Models learn from the training split: figures on it say nothing of others.")
    if thresholds.flattering:
        notes.append(_flattering(model, trained_here=trained_here))
    if EVEN in thresholds.values:
        notes.append(
            "No operating point was chosen for this model: sensitivity, specificity and what "
            "follows from them are at 0.5, which suits calibrated probabilities alone."
        )
    if model.data_sha256 and not trained_here:
        notes.append(_trained_elsewhere(model, dataset))
    return tuple(notes)


def _flattering(model: Model, *, trained_here: bool) -> str:
    """What looks too good on the images that chose the thresholds, and perhaps more."""
    parts = [
        "The thresholds were chosen on the images that are measured here, so sensitivity, "
        "specificity and all other figures at operating points flatter."
    ]
    if model.kind == "bundle":
        parts.append("The calibration was fitted on them too: so do ECE and Brier score.")
    parts.append(
        "AUC and average precision need no threshold, but training kept the epoch that was best "
        "on them, so these are somewhat too good as well."
        if trained_here
        else "AUC and average precision need no threshold."
    )
    return " ".join(parts)


def _trained_elsewhere(model: Model, dataset: Dataset) -> str:
    name = dataset.root.resolve().name
    if model.trained_on == name:
        return (
            f"{model.name} was trained on a set of this name ('{name}') that was split or changed "
            "otherwise: it has probably learnt from some of the images measured here."
        )
    called = f" ('{model.trained_on}')" if model.trained_on else ""
    return (
        f"{model.name} was trained on another set{called}, or on this one before it was changed: "
        "whether it has seen images of these patients is not known."
    )


def _unmeasured(model: Model, dataset: Dataset) -> list[str]:
    """The note on labels of the model that the set does not know."""
    known = {name for record in dataset.records for name in record.extra}
    rest = [name for name in model.class_names if name not in known]
    return [f"The set says nothing of {_listed(rest)}: not measured."] if rest else []


def _one_valued(split: LabelledSplit) -> list[str]:
    """Notes on labels that all images have, or none has."""
    notes = []
    for label in split.labels:
        truth = split.truth(label)
        if not len(truth):
            notes.append(f"'{label}' is not known of any image of '{split.name}'.")
        elif truth.all() or not truth.any():
            have, missing = ("all", "specificity") if truth.all() else ("none", "sensitivity")
            notes.append(
                f"Of the {len(truth)} images of '{split.name}' {have} have '{label}': AUC and "
                f"{missing} cannot be measured."
            )
    return notes


def _wrong_kind(model: Model, records: Sequence[ImageRecord]) -> list[str]:
    """The note on images of a part of the body that the model is not for."""
    if not model.kinds:
        return []
    strange = Counter(
        part
        for part in (record.extra.get(BODY_PART, "").strip().lower() for record in records)
        if part and ("chest" if any(word in part for word in _CHEST) else "bone") not in model.kinds
    )
    if not strange:
        return []
    parts = [part for part, _ in strange.most_common()]
    return [
        f"{model.name} is for radiographs of the {' or '.join(model.kinds)}; {strange.total()} of "
        f"{len(records)} images are of another part ({_listed(parts)})."
    ]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more

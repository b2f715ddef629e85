"""The operating points that a model is measured at: its own, or chosen on validation data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lucency.annotations.records import Dataset
from lucency.configs.point_targets import PointTargets
from lucency.datasets.digest import dataset_digest
from lucency.detection.predictions import (
    Model,
    Progress,
    Thresholds,
    predict_records,
    split_records,
    split_truths,
)
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.match_rules import MatchRule
from lucency.evaluation.operating_points import choose_detection_points
from lucency.evaluation.reached_points import reached_points

VALIDATION = "val"


@dataclass(frozen=True)
class ChosenThresholds:
    """A model's operating points on a split, and in one sentence where they come from.

    ``values`` is empty where there are none; ``flattering`` is True if they were chosen on the
    images that are measured. ``predictions`` are those of the images that they were chosen
    on, where these are others; ``missed`` tells of targets that no threshold reached there.
    """

    values: Thresholds
    origin: str
    flattering: bool = False
    predictions: tuple[ImagePredictions, ...] = ()
    missed: tuple[str, ...] = ()


def thresholds_of(
    model: Model,
    dataset: Dataset,
    split: str,
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    rule: MatchRule,
    on_step: Callable[[str], Progress],
) -> ChosenThresholds:
    """The model's own operating points, or those chosen on the set's validation split."""
    if model.thresholds is not None:
        same = split == VALIDATION and model.data_sha256 in ("", dataset_digest(dataset))
        where = "on these very images" if same else "on validation data"
        whose = "the bundle's own" if model.kind == "bundle" else "recorded with the predictions"
        return ChosenThresholds(model.thresholds, f"{whose}, chosen {where}", same)
    class_names = dataset.label_map.names
    if split == VALIDATION:
        values, missed = _choose(model, truths, predictions, class_names, rule)
        origin = f"chosen on these very images, split '{split}'"
        return ChosenThresholds(values, origin, flattering=True, missed=missed)
    if not dataset.in_split(VALIDATION):
        return ChosenThresholds({}, f"none: the set has no '{VALIDATION}' split to choose them on")
    records = split_records(dataset, VALIDATION)
    step = on_step(f"Detecting in '{VALIDATION}', to choose thresholds")
    found = predict_records(model, records, on_image=step)
    if not any(len(one.scores) for one in found):
        return ChosenThresholds(
            {}, f"none: it predicts nothing in '{VALIDATION}' to choose them on"
        )
    values, missed = _choose(model, split_truths(dataset, records), found, class_names, rule)
    origin = f"chosen on the set's {len(records)} images of '{VALIDATION}'"
    return ChosenThresholds(values, origin, predictions=tuple(found), missed=missed)


def _choose(
    model: Model,
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    class_names: Sequence[str],
    rule: MatchRule,
) -> tuple[Thresholds, tuple[str, ...]]:
    """Thresholds for the model's targets, and in words which of these they do not reach."""
    targets = model.targets or PointTargets()
    points = choose_detection_points(
        truths, predictions, class_names=class_names, targets=targets, rule=rule
    )
    reached = reached_points(
        truths, predictions, points, class_names=class_names, targets=targets, rule=rule
    )
    return points.to_manifest(), tuple(str(one) for one in reached if not one.met)

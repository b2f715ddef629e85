"""`lucency evaluate`: one command, whatever the task of the model."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lucency.api.training_libraries import need_training_libraries


class Rule(StrEnum):
    """The match rules of `lucency.evaluation.match_rules`."""

    IOU50 = "iou50"
    IOU30 = "iou30"
    IOU10 = "iou10"
    CENTRE = "centre"


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            help="A bundle (folder or shipped name); a detector's run, .pt or COCO results .json; "
            "a classifier's .csv of probabilities."
        ),
    ],
    dataset: Annotated[
        Path, typer.Argument(help="A split data set with the same classes, or label columns.")
    ],
    out: Annotated[Path, typer.Argument(help="New folder for report.html and metrics.json.")],
    split: Annotated[str, typer.Option(help="Which split to measure on.")] = "test",
    compare: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="A second model to measure on the same images."),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Subgroups by this column of dataset.csv; repeatable."),
    ] = None,
    rule: Annotated[
        Rule, typer.Option(help="When a box has found a finding (detectors).")
    ] = Rule.IOU50,
    samples: Annotated[
        int, typer.Option(min=0, help="Bootstrap samples for the 95% intervals; 0 for none.")
    ] = 1000,
    coco_truth: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The COCO file whose ids a results .json uses."),
    ] = None,
) -> None:
    """Measure a model on one split of a data set: tables, metrics.json and an HTML report."""
    from lucency.configs.errors import ConfigError
    from lucency.detection.evaluate_command import EvaluateOptions, evaluate_detector

    model, compare = _best_of_run(model), compare and _best_of_run(compare)
    if _is_classifier(model):
        if coco_truth or rule is not Rule.IOU50:
            raise ConfigError(
                f"{model}: is a classifier; --rule and --coco-truth are for detectors, so leave "
                "them out"
            )
        from lucency.classification import evaluate_command as classifiers

        chosen = classifiers.EvaluateOptions(split, compare, tuple(by or ()), samples)
        classifiers.evaluate_classifier(model, dataset, out, chosen)
        return
    if any(Path(name).suffix == ".pt" for name in (model, compare or "")):
        need_training_libraries()
    options = EvaluateOptions(split, compare, tuple(by or ()), rule.value, samples, coco_truth)
    evaluate_detector(model, dataset, out, options)


def _best_of_run(model: str) -> str:
    """The best checkpoint of a detector's run folder; all else as it is."""
    best = Path(model) / "weights" / "best.pt"
    return str(best) if best.is_file() else model


def _is_classifier(model: str) -> bool:
    """Whether it is a table of probabilities, or the bundle of a classifier, given or shipped."""
    from lucency.api.loading import find_any_bundle
    from lucency.configs.bundle import load_bundle
    from lucency.configs.errors import BundleError

    if Path(model).suffix.lower() == ".csv":
        return True
    try:
        folder = find_any_bundle(model)
    except BundleError:
        return False
    return load_bundle(folder).manifest.task == "classification"

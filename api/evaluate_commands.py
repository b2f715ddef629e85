"""`lucency evaluate`: one command, whatever the task of the model."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder.")],
    dataset: Annotated[Path, typer.Argument(help="A data set with the same classes.")],
    out: Annotated[Path, typer.Argument(help="New folder for report.html and metrics.json.")],
    split: Annotated[str, typer.Option(help="Which split to measure on.")] = "test",
) -> None:
    """Measure a bundle on one split of a data set."""
    from lucency.configs.bundle import load_bundle

    if load_bundle(bundle).manifest.task == "detection":
        from lucency.detection.evaluate_command import evaluate_detector

        evaluate_detector(bundle, dataset, out, split=split)
    else:
        from lucency.classification.commands import evaluate_classifier

        evaluate_classifier(bundle, dataset, out, split=split)

"""`train`, `export` and `evaluate`: one command each, whatever the task of the model."""

from pathlib import Path
from typing import Annotated

import typer

TASKS = ("detection", "classification")


def train(
    config: Annotated[str, typer.Argument(help="A YAML file, or the name of a shipped one.")],
    dataset: Annotated[Path, typer.Argument(help="A data set made by `lucency convert`.")],
    run: Annotated[Path, typer.Argument(help="New folder for the run.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replace one key of the configuration."),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on with an interrupted run.")] = False,
) -> None:
    """Train a detector or a classifier from a configuration."""
    from lucency.configs.errors import ConfigError
    from lucency.configs.schema import find_config
    from lucency.configs.yaml_files import read_yaml

    path = find_config(config)
    task = read_yaml(path).get("task")
    if task not in TASKS:
        raise ConfigError(f"{path}: task: must be one of {', '.join(TASKS)}, got {task!r}")
    need_training_libraries()
    if task == "detection":
        from lucency.detection.commands import train_detector

        train_detector(path, dataset, run, overrides=overrides or (), resume=resume)
    else:
        from lucency.classification.commands import train_classifier

        train_classifier(path, dataset, run, overrides=overrides or (), resume=resume)


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    dataset: Annotated[Path, typer.Argument(help="The data set it was trained on.")],
    out: Annotated[Path, typer.Argument(help="New folder for the bundle.")],
) -> None:
    """Export a run as a bundle, after comparing ONNX Runtime with torch."""
    from lucency.configs.errors import ConfigError
    from lucency.configs.yaml_files import read_yaml

    if not (run / "config.yaml").is_file():
        raise ConfigError(f"{run}: is not a run folder: it has no config.yaml")
    need_training_libraries()
    if read_yaml(run / "config.yaml").get("task") == "detection":
        from lucency.detection.commands import export_detector

        export_detector(run, dataset, out)
    else:
        from lucency.classification.commands import export_classifier

        export_classifier(run, dataset, out)


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder.")],
    dataset: Annotated[Path, typer.Argument(help="A data set with the same classes.")],
    out: Annotated[Path, typer.Argument(help="New folder for report.html and metrics.json.")],
    split: Annotated[str, typer.Option(help="Which split to measure on.")] = "test",
) -> None:
    """Measure a bundle on one split of a data set."""
    from lucency.configs.bundle import load_bundle

    if load_bundle(bundle).manifest.task == "detection":
        from lucency.detection.commands import evaluate_detector

        evaluate_detector(bundle, dataset, out, split=split)
    else:
        from lucency.classification.commands import evaluate_classifier

        evaluate_classifier(bundle, dataset, out, split=split)


def need_training_libraries() -> None:
    """Say in one line what to install where the training libraries are missing."""
    from importlib.util import find_spec

    from lucency.configs.errors import ConfigError

    if find_spec("torch") is None or find_spec("ultralytics") is None:
        raise ConfigError('training needs torch and ultralytics: pip install "lucency[train]"')

"""`lucency train`: one command, whatever the task of the model."""

from pathlib import Path
from typing import Annotated

import typer

from lucency.api.training_libraries import need_training_libraries

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
        from lucency.detection.train_command import train_detector

        train_detector(path, dataset, run, overrides=overrides or (), resume=resume)
    else:
        from lucency.classification.commands import train_classifier

        train_classifier(path, dataset, run, overrides=overrides or (), resume=resume)

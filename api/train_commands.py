"""`lucency train`, whatever the task of the model, and `lucency tune`."""

from pathlib import Path
from typing import Annotated

import typer

from lucency.api.training_libraries import need_training_libraries

TASKS = ("detection", "classification")
Config = Annotated[str, typer.Argument(help="A YAML file, or the name of a shipped one.")]
DataSet = Annotated[Path, typer.Argument(help="A data set made by `lucency convert`.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace one key of the configuration."),
]


def train(
    config: Config,
    dataset: DataSet,
    run: Annotated[Path, typer.Argument(help="New folder for the run.")],
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option(help="Go on with an interrupted run.")] = False,
    seeds: Annotated[
        int, typer.Option(min=1, help="Train with so many seeds; tell mean and spread.")
    ] = 1,
) -> None:
    """Train a detector or a classifier from a configuration."""
    path, task = _path_and_task(config)
    need_training_libraries()
    if task == "detection":
        from lucency.detection.train_command import train_detector

        train_detector(path, dataset, run, overrides=overrides or (), resume=resume, seeds=seeds)
        return
    from lucency.classification.train_command import train_classifier

    train_classifier(path, dataset, run, overrides=overrides or (), resume=resume, seeds=seeds)


def tune(
    config: Config,
    dataset: DataSet,
    out: Annotated[Path, typer.Argument(help="New folder for the trials.")],
    space: Annotated[Path, typer.Option(help="A YAML file: which keys, within what range.")],
    trials: Annotated[int, typer.Option(min=1, help="How many configurations are tried.")] = 20,
    address: Annotated[
        str | None,
        typer.Option(help="A Ray cluster: auto, HOST:PORT or ray://HOST:PORT; else this machine."),
    ] = None,
    cpus: Annotated[float, typer.Option(min=0.1, help="Cores of a trial.")] = 2,
    gpus: Annotated[
        float | None,
        typer.Option(min=0, help="GPUs of a trial; 0.5 lets two share. One, where there is one."),
    ] = None,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option(help="Go on with an interrupted search.")] = False,
) -> None:
    """Search hyperparameters of a detector with Ray Tune."""
    from lucency.configs.errors import ConfigError

    path, task = _path_and_task(config)
    if task != "detection":
        raise ConfigError(f"{path}: task: tune is for detectors, got {task!r}")
    need_training_libraries()
    from lucency.detection.tune_command import tune_detector

    tune_detector(
        path,
        dataset,
        out,
        space=space,
        trials=trials,
        address=address,
        cpus=cpus,
        gpus=gpus,
        overrides=overrides or (),
        resume=resume,
    )


def _path_and_task(config: str) -> tuple[Path, str]:
    from lucency.configs.errors import ConfigError
    from lucency.configs.schema import find_config
    from lucency.configs.yaml_files import read_yaml

    path = find_config(config)
    task = read_yaml(path).get("task")
    if task not in TASKS:
        raise ConfigError(f"{path}: task: must be one of {', '.join(TASKS)}, got {task!r}")
    return path, str(task)

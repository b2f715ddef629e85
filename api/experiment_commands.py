"""`lucency cross-validate` and `lucency compare`: what several trainings show together."""

from pathlib import Path
from typing import Annotated

import typer

from lucency.api.training_libraries import need_training_libraries

DataSet = Annotated[Path, typer.Argument(help="A data set made by `lucency convert`.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace one key of the configuration."),
]


def cross_validate(
    config: Annotated[str, typer.Argument(help="A YAML file, or the name of a shipped one.")],
    dataset: DataSet,
    out: Annotated[Path, typer.Argument(help="New folder for the folds.")],
    leave_out: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Hold out each value of a column in turn: site."),
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Hold out each of so many parts, by patient.")
    ] = None,
    beside: Annotated[
        Path | None,
        typer.Option(help="A finished study of --folds: its in-site figures stand beside."),
    ] = None,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option(help="Go on with an interrupted study.")] = False,
) -> None:
    """Train a classifier once a fold; measure each on what it never saw."""
    from lucency.configs.errors import ConfigError
    from lucency.configs.schema import find_config

    if (leave_out is None) == (folds is None):
        raise ConfigError("cross-validate: give --leave-out COLUMN or --folds NUMBER, one of them")
    if beside is not None and leave_out is None:
        raise ConfigError("--beside: goes with --leave-out; name a study made with --folds")
    path = find_config(config)
    _need_task(path, "classification", "cross-validate")
    need_training_libraries()
    from lucency.classification.cross_validate_command import cross_validate_classifier

    cross_validate_classifier(
        path,
        dataset,
        out,
        left_out=leave_out or "",
        folds=folds or 0,
        overrides=overrides or (),
        resume=resume,
        beside=beside,
    )


def compare(
    experiment: Annotated[
        str, typer.Argument(help="A YAML file of variants, or the name of a shipped one.")
    ],
    dataset: DataSet,
    out: Annotated[Path, typer.Argument(help="New folder for the variants.")],
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option(help="Go on with an interrupted comparison.")] = False,
) -> None:
    """Train variants of a classifier under one budget and compare them."""
    from lucency.configs.schema import find_config

    path = find_config(experiment)
    _need_task(path, "comparison", "compare")
    need_training_libraries()
    from lucency.classification.compare_command import compare_classifiers

    compare_classifiers(path, dataset, out, overrides=overrides or (), resume=resume)


def _need_task(path: Path, task: str, command: str) -> None:
    from lucency.configs.errors import ConfigError
    from lucency.configs.yaml_files import read_yaml

    found = read_yaml(path).get("task")
    if found != task:
        raise ConfigError(f"{path}: task: {command} needs {task}, got {found!r}")

"""`lucency export`: one command, whatever the task of the model."""

from pathlib import Path
from typing import Annotated

import typer

from lucency.api.training_libraries import need_training_libraries


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
        from lucency.detection.export_command import export_detector

        export_detector(run, dataset, out)
    else:
        from lucency.classification.commands import export_classifier

        export_classifier(run, dataset, out)

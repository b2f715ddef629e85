"""`lucency export`: one command, whatever the task of the model."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lucency.api.training_libraries import need_training_libraries


class Precision(StrEnum):
    """How a model's weights are stored."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    dataset: Annotated[Path, typer.Argument(help="The data set it was trained on.")],
    out: Annotated[Path, typer.Argument(help="New folder for the bundle.")],
    precision: Annotated[
        Precision,
        typer.Option(help="Of the weights: fp16 is half as large, int8 a third or less."),
    ] = Precision.FP32,
    tiles: Annotated[
        int | None, typer.Option(min=64, help="A detector looks at tiles of this side, too.")
    ] = None,
    flip: Annotated[
        bool, typer.Option("--flip", help="A detector averages with the mirrored image.")
    ] = False,
    torchscript: Annotated[
        bool, typer.Option("--torchscript", help="Of a classifier: model.torchscript as well.")
    ] = False,
    without_weights: Annotated[
        bool,
        typer.Option("--without-weights", help="Leave out what a further training starts from."),
    ] = False,
) -> None:
    """Export a run as a bundle, after comparing ONNX Runtime with torch."""
    from lucency.configs.errors import ConfigError
    from lucency.configs.yaml_files import read_yaml

    if not (run / "config.yaml").is_file():
        raise ConfigError(
            f"{run}: is not a run folder: it has no config.yaml; name the folder that "
            f"`lucency train` made"
        )
    need_training_libraries()
    if read_yaml(run / "config.yaml").get("task") == "detection":
        if torchscript:
            raise ConfigError(
                f"{run}: is a detector's run; --torchscript is for classifiers: leave it out"
            )
        from lucency.detection.export_command import export_detector

        export_detector(
            run,
            dataset,
            out,
            precision=precision.value,
            tiles=tiles,
            flip=flip,
            with_weights=not without_weights,
        )
        return
    if tiles or flip:
        raise ConfigError(
            f"{run}: is a classifier's run; --tiles and --flip are for detectors: leave them out"
        )
    from lucency.classification.export_command import export_classifier

    export_classifier(
        run,
        dataset,
        out,
        precision=precision.value,
        torchscript=torchscript,
        with_weights=not without_weights,
    )

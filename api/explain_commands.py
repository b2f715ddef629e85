"""`lucency explain`: one command, whatever the task of the model."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lucency.api.training_libraries import need_training_libraries


class Method(StrEnum):
    """The methods of `lucency.classification.class_map`."""

    GRADCAM = "gradcam"
    GRADCAM_PLUS_PLUS = "gradcam++"


def explain(
    model: Annotated[
        str, typer.Argument(help="A bundle (folder or shipped name), a run, or a detector's .pt.")
    ],
    image: Annotated[Path, typer.Argument(help="The radiograph.")],
    out: Annotated[Path, typer.Argument(help="New PNG with the heat map.")],
    label: Annotated[
        str | None, typer.Option(help="Of a classifier: which label; else the most probable.")
    ] = None,
    method: Annotated[
        Method | None, typer.Option(help="Of a classifier; gradcam if not given.")
    ] = None,
    detection: Annotated[
        int | None,
        typer.Option(min=1, help="Of a detector: which detection, from 1, the best first."),
    ] = None,
    masks: Annotated[
        int | None,
        typer.Option(min=50, max=20000, help="Masks that hide parts; for a detector's bundle."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Where the random masks start; for a detector's bundle.")
    ] = None,
) -> None:
    """Draw which parts of a radiograph drove a detection, or speak for a label."""
    from lucency.configs.errors import ConfigError

    if out.suffix.lower() != ".png":
        raise ConfigError(f"{out}: is written as PNG; name a file that ends in .png")
    if out.exists():
        raise ConfigError(f"{out}: exists already; name a new file")
    if _is_classifier(model):
        if any(option is not None for option in (detection, masks, seed)):
            raise ConfigError(
                f"{model}: is a classifier; --detection, --masks and --seed are for detectors: "
                f"leave them out"
            )
        from lucency.classification.explain_command import explain_classifier

        explain_classifier(model, image, out, label=label, method=method or Method.GRADCAM)
        return
    if label is not None or method is not None:
        raise ConfigError(
            f"{model}: is a detector; --label and --method are for classifiers: leave them out"
        )
    from lucency.detection.explain_command import explain_detector

    chosen = {"detection": detection, "masks": masks, "seed": seed}
    explain_detector(
        _best_of_run(model), image, out, **{k: v for k, v in chosen.items() if v is not None}
    )


def _is_classifier(model: str) -> bool:
    """Whether a bundle or a run is a classifier's; a `.pt` is a detector's."""
    from lucency.api.loading import find_any_bundle
    from lucency.configs.bundle import load_bundle
    from lucency.configs.yaml_files import read_yaml

    if model.endswith(".pt"):
        return False
    config = Path(model) / "config.yaml"
    if config.is_file():
        classifier = read_yaml(config).get("task") == "classification"
        if classifier:
            need_training_libraries()
        return classifier
    return load_bundle(find_any_bundle(model)).manifest.task == "classification"


def _best_of_run(model: str) -> str:
    """The best checkpoint of a detector's run folder; all else as it is."""
    best = Path(model) / "weights" / "best.pt"
    return str(best) if best.is_file() else model

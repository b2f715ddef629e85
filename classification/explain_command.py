"""What `lucency explain` does for a classifier: which parts of a radiograph speak for a label."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lucency.classification.heat_map import ClassExplanation
    from lucency.configs.display import DisplaySpec
    from lucency.datasets.radiographs import Radiograph
    from lucency.evaluation.heat_shares import HeatShare

_WHOLE = 0.995


def explain_classifier(
    model: str, image: Path, out: Path, *, label: str | None, method: str
) -> None:
    """Draw the heat of one label as a PNG, and tell where it lies."""
    from rich.console import Console

    from lucency.classification.heat_map import draw_explanation
    from lucency.configs import atomic
    from lucency.datasets.radiographs import read_radiograph
    from lucency.evaluation.heat_shares import heat_shares
    from lucency.evaluation.pictures import encode_png

    radiograph = read_radiograph(image)
    found, spec, chest = _explained(model, radiograph, label, method)
    shares = heat_shares(radiograph, found.heat, chest=chest)
    atomic.write_bytes(out, encode_png(draw_explanation(radiograph, found, spec)))
    Console().print(f"{out}: {_told(found, shares)}", highlight=False, soft_wrap=True)


def _explained(
    model: str, radiograph: "Radiograph", label: str | None, method: str
) -> "tuple[ClassExplanation, DisplaySpec, bool]":
    """The explanation, how the model wants its pixels, and whether it is for chests."""
    from lucency.classification.run_folder import CONFIG

    if (Path(model) / CONFIG).is_file():
        from lucency.classification.gradcam import explain_run
        from lucency.classification.run_folder import read_run_config

        config = read_run_config(Path(model))
        found = explain_run(Path(model), radiograph, label, method=method)
        return found, config.display, "chest" in config.kinds
    from lucency.classification.classifier import open_classifier
    from lucency.classification.heat_map import explain

    classifier = open_classifier(model)
    found = explain(classifier, radiograph, label, method=method)
    return found, classifier.manifest.display, "chest" in classifier.manifest.kinds


def _told(found: "ClassExplanation", shares: "Mapping[str, HeatShare | None]") -> str:
    """The explanation in words."""
    told = f"{found.label} {found.probability:.3f}"
    if not found.calibrated:
        told += ", not calibrated"
    if found.threshold is not None:
        side = "below" if found.probability < found.threshold else "at or above"
        told += f", {side} the threshold of '{found.point}', {found.threshold:.3f}"
    if not found.heat.any():
        return f"{told}. Nothing in the image speaks for it, so there is no heat."
    return f"{told}. {' '.join(_located(name, share) for name, share in shares.items())}"


def _located(part: str, share: "HeatShare | None") -> str:
    """How much of the heat lies in a part of the image, in words."""
    if share is None:
        return f"The {part} could not be found in the image."
    if share.area > _WHOLE:
        return f"The {part} takes up the whole image."
    verb = "are" if part == "lungs" else "is"
    own = f"which {verb} {share.area:.0%} of the image"
    return f"{share.heat:.0%} of the heat lies in the {part}, {own}."

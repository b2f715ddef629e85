"""The model card that goes with a detector's bundle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lucency.configs.bundle import RESEARCH_USE, BundleManifest
from lucency.detection.evaluate import DetectionFigures
from lucency.detection.recipe import DetectionConfig


def model_card(
    manifest: BundleManifest,
    config: DetectionConfig,
    environment: Mapping[str, Any],
    found: DetectionFigures,
) -> str:
    """The card in Markdown: what the model is for, its data, recipe, figures and limits."""
    images = environment["images"]
    source = f" {environment['source']}" if environment.get("source") else ""
    rows = "\n".join(
        _row(point, name, found) for point in found.points for name in found.ap.per_class
    )
    return f"""# {manifest.name}

{RESEARCH_USE}

{manifest.intended_use}

| | |
|---|---|
| task | detection of: {", ".join(manifest.class_names)} |
| network | {manifest.architecture}, input {manifest.input_size} px |
| licence | {manifest.licence} |
| made | {manifest.created} |

## Data

Trained on `{environment["dataset"]}`: {images["train"]} training, {images["val"]} validation and
{images["test"]} test images, started from `{Path(environment["weights"]).name}`.{source}

## Recipe

At most {config.epochs} epochs, batch {config.batch}, seed {config.seed}, {config.freeze} frozen
layers. Display: `{config.display.model_dump_json()}`. Augmentation:
`{config.augment.model_dump_json()}`.

## Figures

On the validation split ({found.images} images, {found.negatives} of them negative), on which the
thresholds were chosen too, so they flatter; run `lucency evaluate` on a test split for others.

mAP50 {_figure(found.ap.map50)}, mAP50-95 {_figure(found.ap.map50_95)} (pycocotools).

| operating point | class | threshold | precision | recall |
|---|---|---|---|---|
{rows}

## Limits

The model knows only images like those it was trained on. A missing box does not mean a healthy
patient, and scores are not calibrated probabilities.
"""


def _row(point: str, name: str, found: DetectionFigures) -> str:
    metrics = found.points[point].per_class[name]
    threshold = found.thresholds[point][name]
    precision, recall = _figure(metrics.precision), _figure(metrics.recall)
    return f"| {point} | {name} | {threshold:.3f} | {precision} | {recall} |"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"

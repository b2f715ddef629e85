"""The model card that goes with a classifier's bundle."""

import json
from collections.abc import Mapping

from lucency.classification.evaluate import ClassificationFigures
from lucency.classification.recipe import ClassificationConfig
from lucency.configs.bundle import RESEARCH_USE, BundleManifest
from lucency.evaluation.report import format_cell


def model_card(
    manifest: BundleManifest,
    config: ClassificationConfig,
    found: ClassificationFigures,
    *,
    images: Mapping[str, int],
) -> str:
    """The card in Markdown: what the model is for, its data, recipe, figures and limits.

    ``images`` counts the images of each split.
    """
    data = manifest.training_data
    source = f"\n{data['source']}" if data.get("source") else ""
    start = "random numbers" if config.weights == "none" else f"`{data['weights']}`"
    rows = "\n".join(_rows(found))
    balanced = f" balanced by {config.balance_by}" if config.balance_by else ""
    intended = "" if manifest.intended_use == RESEARCH_USE else f"\n{manifest.intended_use}\n"
    return f"""# {manifest.name}

{RESEARCH_USE}
{intended}
| | |
|---|---|
| task | classification of whole images: {", ".join(manifest.class_names)} |
| network | {manifest.architecture}, {config.channels} × {config.input_size} × {config.input_size} |
| licence | {manifest.licence} |
| made | {manifest.created} |

## Data

Trained on `{data["name"]}` (`dataset.csv` {data["sha256"][:12]}…): {images["train"]} training,
{images["val"]} validation and {images["test"]} test images. Started from {start}.{source}

## Recipe

{_phases(config)}; schedule {config.schedule}, batch {config.batch}, loss {config.loss}, label
smoothing {config.label_smoothing:g}, {config.sampler} sampling{balanced}, seed {config.seed}.
Display: `{config.display.model_dump_json()}`. Augmentation:
`{json.dumps(config.augment)}`.

## Figures

On the validation split ({found.images} images), on which the best epoch and the thresholds were
chosen too, so they flatter; run `lucency evaluate` on a test split for others.

| label | positive | AUC | operating point | threshold | sensitivity | specificity |
|---|---|---|---|---|---|---|
{rows}

## Limits

The model knows only images like those it was trained on, and may have learnt what goes with a
label by chance, such as the site that took the image. Its probabilities are not calibrated. It
squeezes the image to a square, and it does not say where a finding is.
"""


def _phases(config: ClassificationConfig) -> str:
    tuned = f"up to {config.epochs} epochs at {config.learning_rate:g}"
    if config.frozen_stages:
        tuned += f", the first {config.frozen_stages} stages frozen"
    if not config.head_epochs:
        return tuned[0].upper() + tuned[1:]
    head = f"{config.head_epochs} epochs of the head alone at {config.head_learning_rate:g}"
    return f"{head}, then {tuned}"


def _rows(found: ClassificationFigures) -> list[str]:
    return [
        f"| {name} | {label.positives} of {label.positives + label.negatives} "
        f"| {format_cell(label.auc)} | {point} | {rates.threshold:.3f} "
        f"| {format_cell(rates.sensitivity)} | {format_cell(rates.specificity)} |"
        for name, label in found.labels.items()
        for point, rates in label.points.items()
    ]

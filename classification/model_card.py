"""The model card that goes with a classifier's bundle.

For a reader who decides whether to trust the model (after Mitchell et al., Model Cards for Model
Reporting, FAT* 2019): data, recipe, figures with intervals, calibration, thresholds, limits.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lucency.annotations.records import Dataset
from lucency.classification.measurement import CHIEF_POINT
from lucency.classification.parity import LIMITS
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.typical_bundle import typical_section
from lucency.classification.validation import Validation
from lucency.configs.bundle import RESEARCH_USE, BundleManifest
from lucency.evaluation.classification_measures import ClassificationMeasures
from lucency.evaluation.markdown import markdown_picture, markdown_table

_WEIGHTS = {
    "fp32": "weights in single precision",
    "fp16": "weights stored in half precision, computed in single precision",
    "int8": "weights stored in 8 bits with a scale for each channel, computed in single precision",
}
_METHODS = {"platt": "a temperature", "isotonic": "isotonic regression"}
_SPLITS = {"train": "training", "val": "validation", "test": "test"}


def model_card(
    manifest: BundleManifest,
    config: ClassificationConfig,
    environment: Mapping[str, Any],
    found: Validation,
    *,
    dataset: Dataset,
    pictures: Sequence[str],
) -> str:
    """The card in Markdown; ``pictures`` are files that lie beside it."""
    sections = (
        _head(manifest),
        _data(config, environment, dataset),
        _recipe(config),
        _figures(found, pictures),
        _points(config, found),
        _calibration(manifest, found),
        _groups(found),
        typical_section(manifest.typical),
        _limits(manifest, found),
        _export(manifest),
        _use(manifest),
    )
    return "\n\n".join(section.strip() for section in sections if section.strip()) + "\n"


def _head(manifest: BundleManifest) -> str:
    commerce = (
        ""
        if manifest.commercial_use
        else "\n**Not for commercial use: the training data forbid it.**\n"
    )
    intended = "" if manifest.intended_use == RESEARCH_USE else f"\n{manifest.intended_use}\n"
    answer = "one of" if manifest.exclusive else "for each of"
    side = manifest.input_size
    rows = {
        "tells": f"{answer} {', '.join(manifest.class_names)}: its probability",
        "for": " or ".join(manifest.kinds) + " radiographs" if manifest.kinds else "any image",
        "network": f"{manifest.architecture}, input {manifest.input_channels} × {side} × {side}, "
        f"{_WEIGHTS[manifest.precision]}",
        "licence": manifest.licence,
        "commercial use": "allowed by the data" if manifest.commercial_use else "no",
        "made": manifest.created,
    }
    return f"""# {manifest.name}

**{RESEARCH_USE}**
{commerce}{intended}
{markdown_table(("", ""), rows.items())}"""


def _data(config: ClassificationConfig, environment: Mapping[str, Any], dataset: Dataset) -> str:
    columns: dict[str, list[object]] = {}
    for split, title in _SPLITS.items():
        records = dataset.in_split(split)
        if not records:
            continue
        patients = {record.patient_id for record in records} - {""}
        columns[title] = [len(records), len(patients) or "unknown"]
        for label in config.labels:
            known = [value for value in (r.label(label) for r in records) if value is not None]
            columns[title].append(f"{sum(known)} yes, {len(known) - sum(known)} no")
    rows = zip(("images", "patients", *config.labels), *columns.values(), strict=True)
    source = environment.get("source") or "Where it comes from was not recorded."
    return f"""## Data

Trained on `{environment["dataset"]}` (`dataset.csv` {environment["dataset_csv_sha256"][:12]}…).
{source}

{markdown_table(("", *columns), rows)}"""


def _recipe(config: ClassificationConfig) -> str:
    frozen = f", the first {config.frozen_stages} stages frozen" if config.frozen_stages else ""
    balanced = f", balanced by {config.balance_by}" if config.balance_by else ""
    focal = f" (alpha {config.focal_alpha:g}, gamma {config.focal_gamma:g})"
    rows = {
        "start": started_from(config),
        "head alone": f"{config.head_epochs} epochs at {config.head_learning_rate:g}"
        if config.head_epochs
        else "no",
        "fine-tuning": f"at most {config.epochs} epochs at {config.learning_rate:g}, each earlier "
        f"stage at {config.stage_decay:g} of the next{frozen}",
        "optimiser": f"{config.optimiser}, {config.schedule}, weight decay "
        f"{config.weight_decay:g}, gradients clipped at {config.gradient_clip:g}",
        "loss": config.loss + (focal if config.loss == "focal" else "")
        + f", label smoothing {config.label_smoothing:g}",
        "batch, seed": f"{config.batch}, {config.seed}",
        "sampling": config.sampler + balanced,
        "head": config.head,
        "display": f"`{config.display.model_dump_json(exclude_defaults=True)}`",
        "augmentation": f"`{json.dumps(config.augment)}`",
    }  # fmt: skip
    return f"## Recipe\n\n{markdown_table(('', ''), rows.items())}"


def started_from(config: ClassificationConfig) -> str:
    """What training began from, without the folder that it lay in."""
    if config.weights == "none":
        return "random numbers"
    if config.weights == "imagenet":
        return "ImageNet"
    return f"`{'/'.join(config.weights.replace(chr(92), '/').split('/')[-2:])}`"


def _figures(found: Validation, pictures: Sequence[str]) -> str:
    measures = found.measures
    patients = f" of {measures.patients} patients" if measures.patients_known else ""
    unknown = "" if measures.patients_known else " Whose images they are is not known."
    rows: list[tuple[object, ...]] = [
        (name, one.positives, one.negatives, one.auc, one.auc_delong, one.average_precision)
        for name, one in measures.labels.items()
    ]
    header = ("label", "yes", "no", "AUC", "AUC by DeLong", "average precision")
    several = f"\nMean AUC of the labels: {measures.mean_auc}.\n" if len(rows) > 1 else ""
    return f"""## Figures

Measured on the validation split: {measures.images} images{patients}.{unknown} **These images chose
the training's best epoch, the calibration and the thresholds, so the figures flatter**; run
`lucency evaluate` on images that the model has never met. In brackets the 95% interval of
{measures.samples} bootstrap samples of patients (an image without a patient is its own); DeLong's
takes each image for a patient.

{markdown_table(header, rows)}
{several}{_confusion(measures)}
{markdown_picture("ROC curve, and how often probabilities are right", "curves", pictures)}"""


def _confusion(measures: ClassificationMeasures) -> str:
    if measures.confusion is None:
        return ""
    names = list(measures.labels)
    rows = [(name, *row) for name, row in zip(names, measures.confusion.tolist(), strict=True)]
    table = markdown_table(("truth, by row", *names), rows)
    return f"\nThe most probable label is right in {measures.accuracy} of the images:\n\n{table}\n"


def _points(config: ClassificationConfig, found: Validation) -> str:
    rows = [
        (
            name,
            point,
            f"{rates.threshold:.3f}",
            rates.sensitivity,
            rates.specificity,
            rates.ppv,
            rates.npv,
            rates.f1,
        )
        for name, one in found.measures.labels.items()
        for point, rates in one.points.items()
    ]
    targets = config.operating_points
    header = ("label", "point", "threshold", "sensitivity", "specificity", "PPV", "NPV", "F1")
    return f"""## Operating points

`screening` is the highest threshold with a sensitivity of {targets.screening_sensitivity:.0%},
`specific` the lowest with a specificity of {targets.specific_specificity:.0%}; `balanced` has the
highest sum of both, and where it lies beyond one of them, that one lies there too. Thresholds are
on calibrated probabilities. PPV and NPV hold at the share of positives above.

{markdown_table(header, rows)}"""


def _calibration(manifest: BundleManifest, found: Validation) -> str:
    rows = [
        (name, figure, before, after)
        for name, effect in found.effects.items()
        for figure, before, after in (
            ("ECE, bins of one width", effect.before.ece, effect.after.ece),
            (
                "ECE, bins of equally many",
                effect.ece_equal_mass_before,
                effect.ece_equal_mass_after,
            ),
            ("Brier", effect.before.brier, effect.after.brier),
        )
    ]
    methods = {
        _METHODS[one.method]
        for name, one in manifest.calibration.items()
        if name not in found.uncalibrated
    }
    if methods:
        told = f"Calibrated on the validation split ({' and '.join(sorted(methods))})."
        if found.uncalibrated:
            told += f" Too rare to be calibrated: {', '.join(found.uncalibrated)}."
        told += " In this table each image is calibrated by a map fitted without its patient."
        table = markdown_table(("label", "figure", "before", "after"), rows)
    else:
        told = "Probabilities are the network's own, not calibrated."
        if manifest.calibration:
            told += f" Too rare to be calibrated: {', '.join(found.uncalibrated)}."
        table = markdown_table(("label", "figure", "value"), [row[:3] for row in rows])
    return f"""## Probabilities

{told} They hold at the share of positives above: where a finding is rarer, they are too high.

{table}"""


def _groups(found: Validation) -> str:
    """The groups with images of both kinds; of the others there is little to tell."""
    rows = []
    for group in found.groups:
        for name, one in (group.measures.labels if group.measures else {}).items():
            if not (one.positives and one.negatives):
                continue
            rates = one.points[CHIEF_POINT]
            rows.append(
                (
                    group.column,
                    group.value,
                    name,
                    one.positives,
                    one.negatives,
                    one.auc,
                    rates.sensitivity,
                    rates.specificity,
                )
            )
    if not rows:
        return ""
    header = ("by", "group", "label", "yes", "no", "AUC", "sensitivity", "specificity")
    return f"""## By group

At the point `{CHIEF_POINT}`. A model that is good over all sites and bad within each knows the
sites apart, not the finding.

{markdown_table(header, rows)}"""


def _limits(manifest: BundleManifest, found: Validation) -> str:
    learnt = ", ".join(f"'{name}'" for name in manifest.class_names)
    missed = [
        f"{1 - one.points['screening'].sensitivity.value:.0%} of '{name}'"
        for name, one in found.measures.labels.items()
        if one.points["screening"].sensitivity.value is not None
    ]
    misses = f": at `screening` it still misses {', '.join(missed)} here" if missed else ""
    healthy = (
        "It says where an image belongs, not whether it is healthy."
        if manifest.role == "router"
        else f"A low probability is not a healthy patient{misses}."
    )
    unsaid = "" if manifest.typical else ", and it does not say so"
    return f"""## Limits

The model knows only images like those it was trained on: other machines, ages, projections and
parts of the body may be beyond it{unsaid}. It has learnt {learnt}, and perhaps
what went with them by chance, such as the site that took the image. {healthy} The image is
squeezed to a square, so small findings and proportions suffer."""


def _export(manifest: BundleManifest) -> str:
    parity, limits = manifest.parity, LIMITS[manifest.precision]
    drop = (
        f" AUC falls by {max(parity['auc_drop'], 0.0):.4f} (at most {limits.auc_drop:g} allowed)."
        if "auc_drop" in parity
        else ""
    )
    scripted = (
        f"\nTorchScript differs by at most {parity['torchscript_probability']:.1e}."
        if "torchscript_probability" in parity
        else ""
    )
    return f"""## Export

`{manifest.precision}`, {_WEIGHTS[manifest.precision]}. Against the torch network on
{parity["images"]:.0f} images of '{manifest.metrics_split}': probabilities differ by at most
{parity["probability"]:.1e} (allowed {limits.probability:g}), on average by
{parity["mean_probability"]:.1e}; {parity["changed"]:.2%} of the verdicts at `{CHIEF_POINT}`
change.{drop}{scripted}"""


def _use(manifest: BundleManifest) -> str:
    return f"""## Use

```python
from pathlib import Path

from lucency.classification.classifier import open_classifier
from lucency.datasets.radiographs import read_radiograph

classifier = open_classifier("path/of/this/folder")
probabilities = classifier.classify(read_radiograph(Path("image.dcm")))
```

or `lucency predict`. Pixels are prepared by the bundle's own display function, so give it the
image as it came. Licence: {manifest.licence}."""

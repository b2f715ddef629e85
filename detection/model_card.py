"""The model card that goes with a detector's bundle.

For a reader who decides whether to trust the model (after Mitchell et al., Model Cards for Model
Reporting, FAT* 2019): data, recipe, figures with intervals, thresholds, known failures, limits.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lucency.annotations.findings import Status
from lucency.annotations.records import Dataset
from lucency.configs.bundle import RESEARCH_USE, BundleManifest
from lucency.configs.yaml_files import read_yaml
from lucency.detection.card_failures import known_failures
from lucency.detection.checkpoint_detector import run_of
from lucency.detection.parity import LEAST_IOU, LIMITS, MATCHED_FROM
from lucency.detection.recipe import DetectionConfig
from lucency.detection.run_folder import CONFIG, read_environment, read_rows
from lucency.detection.validation import SPLIT, Validation
from lucency.evaluation.detection_measures import ALL_CLASSES
from lucency.evaluation.markdown import markdown_picture, markdown_table

_WEIGHTS = {
    "fp32": "single precision",
    "fp16": "stored in half precision, computed in single precision",
    "int8": "8-bit convolutions but for the first layers and part or all of the head",
}


def model_card(
    manifest: BundleManifest,
    config: DetectionConfig,
    environment: Mapping[str, Any],
    found: Validation,
    *,
    dataset: Dataset,
    pictures: Sequence[str],
) -> str:
    """The card in Markdown; ``pictures`` are files that lie beside it."""
    sections = (
        _head(manifest),
        _data(environment, dataset),
        _recipe(config, environment),
        _figures(found, pictures),
        _points(found),
        _scores(found, manifest),
        known_failures(found, pictures),
        _limits(manifest, found),
        _export(manifest),
        _use(manifest),
    )
    return "\n\n".join(section.strip() for section in sections) + "\n"


def _head(manifest: BundleManifest) -> str:
    commerce = (
        ""
        if manifest.commercial_use
        else "\n**Not for commercial use: the training data forbid it.**\n"
    )
    rows = {
        "finds": ", ".join(manifest.class_names),
        "network": f"{manifest.architecture}, input {manifest.input_size} px, "
        f"{_WEIGHTS[manifest.precision]}",
        "licence": manifest.licence,
        "commercial use": "allowed by the data" if manifest.commercial_use else "no",
        "looks": _looks(manifest),
        "made": manifest.created,
    }
    return f"""# {manifest.name}

**{RESEARCH_USE}**
{commerce}
{manifest.intended_use}

{markdown_table(("", ""), rows.items())}"""


def _looks(manifest: BundleManifest) -> str:
    tiles, flip = manifest.inference.tiles, manifest.inference.flip
    looks = ["at the whole image"]
    if tiles is not None:
        looks.append(f"at tiles of {tiles.size} px")
    if flip:
        looks.append("at all of it mirrored")
    return ", ".join(looks)


def _data(environment: Mapping[str, Any], dataset: Dataset) -> str:
    rows = []
    for split in ("train", "val", "test"):
        records = dataset.in_split(split)
        if not records:
            continue
        findings = sum(len(dataset.findings(record)) for record in records)
        negatives = sum(record.status is Status.NEGATIVE for record in records)
        positives = sum(record.status is Status.ANNOTATED for record in records)
        known = positives + negatives
        share = f"{positives / known:.0%}" if known else "–"
        rows.append((split, len(records), positives, negatives, share, findings))
    header = ("split", "images", "with findings", "confirmed negatives", "prevalence", "findings")
    source = environment.get("source") or "Where it comes from was not recorded."
    return f"""## Data

Trained on `{environment["dataset"]}`. {source}

{markdown_table(header, rows)}"""


def _recipe(config: DetectionConfig, environment: Mapping[str, Any]) -> str:
    kept = "all" if config.negatives is None else f"{config.negatives:g} for each positive image"
    rows = {
        "start": started_from(environment),
        "epochs, batch, seed": f"at most {config.epochs}, {config.batch}, {config.seed}",
        "input": f"{config.image_size} px",
        "display": f"`{config.display.model_dump_json(exclude_defaults=True)}`",
        "augmentation": f"`{config.augment.model_dump_json(exclude_defaults=True)}`",
        "negatives in training": kept,
        "frozen layers": config.freeze,
        "further options": f"`{config.ultralytics}`" if config.ultralytics else "none",
    }
    return f"## Recipe\n\n{markdown_table(('', ''), rows.items())}"


def started_from(environment: Mapping[str, Any]) -> str:
    """The weights that training began from; where a run of ours made them, what that began from."""
    weights = Path(environment["weights"])
    told = f"`{weights.name}`"
    run = run_of(weights) if weights.is_file() else None
    if run is None or _digest(weights) != environment.get("weights_sha256"):
        return told
    size, earlier = read_yaml(run / CONFIG).get("image_size"), read_environment(run)
    told += f" of the run `{run.name}`, {len(read_rows(run))} epochs at {size} px"
    return f"{told}, begun from {started_from(earlier)}" if "weights" in earlier else told


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _figures(found: Validation, pictures: Sequence[str]) -> str:
    measures = found.measures
    known = any(truth.patient_id for truth in found.truths)
    patients = f" of {measures.patients} patients" if known else ", patients unknown"
    share = "–" if measures.prevalence is None else f"{measures.prevalence:.0%}"
    rows: list[tuple[str, object]] = [
        ("mAP50", measures.map50),
        ("mAP50-95", measures.map50_95),
        ("mAP50, images with findings alone", measures.map50_positives),
        ("mean FROC sensitivity, 1/8 to 8 false alarms an image", measures.froc[ALL_CLASSES].mean),
        ("sensitivity at 1 false alarm an image", measures.froc[ALL_CLASSES].at[1.0]),
        ("AUC of images, by their best box", measures.image_auc),
    ]
    if len(measures.classes) > 1:
        rows += [(f"AP50 of {name}", one.ap50) for name, one in measures.classes.items()]
        rows.append(("AP50, all classes as one", measures.agnostic_ap50))
    picture = markdown_picture("Precision and recall; FROC", "curves", pictures)
    return f"""## Figures

Measured on the validation split: {measures.images} images{patients},
{measures.negatives} of them confirmed negatives (prevalence of positives {share}),
{measures.findings} findings. **These images chose the training's best epoch, the calibration and
the thresholds, so the figures flatter**; run `lucency evaluate` on images that the model has never
met. Average precision is COCO's, by pycocotools; otherwise a finding is found by the rule:
{measures.rule.sentence}. In brackets the 95% interval of {measures.samples} bootstrap samples of
patients (an image without a patient is its own).

{markdown_table(("figure", "value"), rows)}

{picture}"""


def _points(found: Validation) -> str:
    rows, missed = [], []
    for one in found.reached:
        rates = found.measures.points[one.point][one.class_name]
        rows.append(
            (
                one.point,
                one.class_name,
                f"{one.threshold:.3f}",
                str(one).partition("aimed at ")[2].partition(", reached")[0],
                "yes" if one.met else "**no**",
                rates.recall,
                rates.precision,
                rates.false_positives_per_image,
            )
        )
        if not one.met:
            missed.append(f"- {one}.")
    header = (
        "point", "class", "threshold", "chosen for", "reached", "sensitivity", "precision",
        "false alarms an image",
    )  # fmt: skip
    told = "Not reached, on the very images that chose them:\n\n" + "\n".join(missed)
    cases = [
        (point, rates.sensitivity, rates.specificity, rates.ppv, rates.npv)
        for point, rates in found.measures.image_level.items()
    ]
    return f"""## Operating points

{markdown_table(header, rows)}

{told if missed else ""}

Images, positive with any box at or above its threshold:

{markdown_table(("point", "sensitivity", "specificity", "PPV", "NPV"), cases)}"""


def _scores(found: Validation, manifest: BundleManifest) -> str:
    if not manifest.calibration:
        return "## Scores\n\nScores are the network's own, not calibrated probabilities."
    methods = sorted({one.method for one in manifest.calibration.values()})
    rows = [
        (f"{one.boxes} ({one.after.count})", name, before, after)
        for one in found.calibrated
        if one.before is not None
        for name, before, after in (
            ("ECE", one.before.ece, one.after.ece),
            ("Brier", one.before.brier, one.after.brier),
        )
    ]
    return f"""## Scores

A score is the probability that the box finds a finding ({found.measures.rule.sentence}),
calibrated on the validation split by class ({" and ".join(methods)}). It holds at the prevalence
above: where findings are rarer, boxes are right less often than they say.

{markdown_table(("boxes", "figure", "before", "after"), rows)}"""


def _limits(manifest: BundleManifest, found: Validation) -> str:
    learnt = ", ".join(f"'{name}'" for name in manifest.class_names)
    return f"""## Limits

The model knows only images like those it was trained on: other machines, body parts, ages and
projections may be beyond it, and it does not say so. It has learnt {learnt} and finds nothing
else. An image without boxes is not a healthy patient: at `screening` it still misses
{_missed(found)} of the findings here."""


def _missed(found: Validation) -> str:
    recall = found.measures.points["screening"][ALL_CLASSES].recall.value
    return "an unknown share" if recall is None else f"{1 - recall:.0%}"


def _export(manifest: BundleManifest) -> str:
    parity, limits = manifest.parity, LIMITS[manifest.precision]
    matched = (
        f"Of torch's {parity['detections']:.0f} boxes with a score from {MATCHED_FROM} on, "
        f"{parity['matched']:.1%} were found again (IoU at least {LEAST_IOU}, score within "
        f"{limits.score:g}). "
        if "matched" in parity
        else ""
    )
    drop = (
        f"AP50 fell by {max(parity['map50_drop'], 0.0):.4f}, AP50-95 by "
        f"{max(parity['map50_95_drop'], 0.0):.4f} (at most {limits.drop:g} is allowed)."
        if "map50_drop" in parity
        else ""
    )
    return f"""## Export

`{manifest.precision}`, {_WEIGHTS[manifest.precision]}. Against the torch network on
{parity["images"]:.0f} images of '{SPLIT}': raw probabilities differ by at most
{parity["probability"]:.1e}, boxes by at most {parity["box_px"]:.2g} px. {matched}{drop}"""


def _use(manifest: BundleManifest) -> str:
    return f"""## Use

```python
from pathlib import Path

from lucency.datasets.radiographs import read_radiograph
from lucency.detection.detector import open_detector
from lucency.detection.inference import detect

found = detect([open_detector("path/of/this/folder")], read_radiograph(Path("image.dcm")))
```

or `lucency predict`. Pixels are prepared by the bundle's own display function, so give it the
image as it came. Licence: {manifest.licence}."""

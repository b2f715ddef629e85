"""The model card that goes with a detector's bundle.

For a reader who decides whether to trust the model (after Mitchell et al., Model Cards for Model
Reporting, FAT* 2019): data, recipe, figures with intervals, thresholds, known failures, limits.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lucency.annotations.findings import Status
from lucency.annotations.records import Dataset
from lucency.configs.bundle import RESEARCH_USE, BundleManifest
from lucency.detection.parity import LEAST_IOU, LIMITS, MATCHED_FROM
from lucency.detection.recipe import DetectionConfig
from lucency.detection.validation import CHIEF_POINT, SPLIT, Validation
from lucency.evaluation.detection_measures import ALL_CLASSES
from lucency.evaluation.error_types import FALSE_ALARMS, MISSES
from lucency.evaluation.estimates import Estimate
from lucency.evaluation.subgroups import FINDING_SIZE, SubgroupMeasures

_WEIGHTS = {
    "fp32": "single precision",
    "fp16": "stored in half precision, computed in single precision",
    "int8": "8-bit convolutions but for the first layers and the head's end",
}
# Subgroups whose recall is so much below that of all are named as failures, if they have so many
# findings.
_NOTABLY, _FEWEST = 0.1, 10


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
        _failures(found, pictures),
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

{_table(("", ""), rows.items())}"""


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

{_table(header, rows)}"""


def _recipe(config: DetectionConfig, environment: Mapping[str, Any]) -> str:
    kept = "all" if config.negatives is None else f"{config.negatives:g} for each positive image"
    rows = {
        "start": f"`{Path(environment['weights']).name}`",
        "epochs, batch, seed": f"at most {config.epochs}, {config.batch}, {config.seed}",
        "input": f"{config.image_size} px",
        "display": f"`{config.display.model_dump_json(exclude_defaults=True)}`",
        "augmentation": f"`{config.augment.model_dump_json(exclude_defaults=True)}`",
        "negatives in training": kept,
        "frozen layers": config.freeze,
        "further options": f"`{config.ultralytics}`" if config.ultralytics else "none",
    }
    return f"## Recipe\n\n{_table(('', ''), rows.items())}"


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
    picture = _picture("Precision and recall; FROC", "curves", pictures)
    return f"""## Figures

Measured on the validation split: {measures.images} images{patients},
{measures.negatives} of them confirmed negatives (prevalence of positives {share}),
{measures.findings} findings. **These images chose the training's best epoch, the calibration and
the thresholds, so the figures flatter**; run `lucency evaluate` on images that the model has never
met. Average precision is COCO's, by pycocotools; otherwise a finding is found by the rule:
{measures.rule.sentence}. In brackets the 95% interval of {measures.samples} bootstrap samples of
patients (an image without a patient is its own).

{_table(("figure", "value"), rows)}

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

{_table(header, rows)}

{told if missed else ""}

Images, positive with any box at or above its threshold:

{_table(("point", "sensitivity", "specificity", "PPV", "NPV"), cases)}"""


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

{_table(("boxes", "figure", "before", "after"), rows)}"""


def _failures(found: Validation, pictures: Sequence[str]) -> str:
    counts = found.errors.counts[ALL_CLASSES]
    alarms = {kind: counts[kind] for kind in FALSE_ALARMS}
    misses = {kind: counts[kind] for kind in MISSES}
    lines = [
        f"- {sum(misses.values())} of {found.measures.findings} findings are missed: "
        + ", ".join(f"{count} with {MISSES[kind]}" for kind, count in misses.items() if count),
        f"- {sum(alarms.values())} false alarms: "
        + ", ".join(f"{count} {FALSE_ALARMS[kind]}" for kind, count in alarms.items() if count),
        *_worst(found),
        *(_about(group, found) for group in _weak(found)),
    ]
    picture = _picture("Hits, misses and false alarms", "examples", pictures)
    groups = [
        (one.column, one.value, one.images, one.findings, one.recall, one.false_positives_per_image)
        for one in found.groups
        if not one.too_small
    ]
    header = ("by", "group", "images", "findings", "sensitivity", "false alarms an image")
    return f"""## Known failures

At the point `{CHIEF_POINT}`, on validation images:

{chr(10).join(line.rstrip(": ").rstrip(".") + "." for line in lines)}

{_table(header, groups)}

Small findings span less than 5% of the image's side, large ones 15% or more (the root of the
box's share of the image).

{picture}"""


def _worst(found: Validation) -> Iterable[str]:
    """The largest finding that was missed, and the surest false alarm."""
    table = found.table
    least = np.array([found.points.balanced[name] for name in table.class_names])
    missed = np.flatnonzero(table.truth_score < least[table.truth_class])
    if missed.size:
        worst = missed[np.argmax(table.truth_size[missed])]
        name = table.class_names[table.truth_class[worst]]
        side = table.truth_size[worst]
        yield (
            f"- the largest finding missed is a '{name}' of {side:.0%} of the image's side, in "
            f"`{Path(table.images[table.truth_image[worst]]).name}`"
        )
    wrong = np.flatnonzero(table.prediction_truth < 0)
    if wrong.size:
        worst = wrong[np.argmax(table.prediction_score[wrong])]
        name = table.class_names[table.prediction_class[worst]]
        yield (
            f"- the surest false alarm is a '{name}' with score "
            f"{table.prediction_score[worst]:.2f}, in "
            f"`{Path(table.images[table.prediction_image[worst]]).name}`"
        )


def _weak(found: Validation) -> list[SubgroupMeasures]:
    """Groups whose sensitivity is notably below that of all findings."""
    overall = found.measures.points[CHIEF_POINT][ALL_CLASSES].recall.value
    return [
        one
        for one in found.groups
        if overall is not None
        and one.recall.value is not None
        and one.recall.value <= overall - _NOTABLY
        and one.findings >= _FEWEST
    ]


def _about(group: SubgroupMeasures, found: Validation) -> str:
    overall = found.measures.points[CHIEF_POINT][ALL_CLASSES].recall
    which = (
        f"{group.value} findings"
        if group.column == FINDING_SIZE
        else f"images with {group.column} '{group.value}'"
    )
    return (
        f"- sensitivity in {which} is {group.recall} on {group.findings} findings, "
        f"against {_short(overall)} on all"
    )


def _limits(manifest: BundleManifest, found: Validation) -> str:
    return f"""## Limits

The model knows only images like those it was trained on: other machines, body parts, ages and
projections may be beyond it, and it does not say so. It has learnt
{", ".join(f"'{name}'" for name in manifest.class_names)} and finds nothing else. An image without boxes is not a healthy patient: at `screening` it still misses
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

found = open_detector("path/of/this/folder").detect(read_radiograph(Path("image.dcm")))
```

or `lucency predict`. Pixels are prepared by the bundle's own display function, so give it the
image as it came. Licence: {manifest.licence}."""


def _picture(title: str, part: str, pictures: Sequence[str]) -> str:
    return "\n".join(f"![{title}]({name})" for name in pictures if part in name)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _short(value: Estimate) -> str:
    return "–" if value.value is None else f"{value.value:.3f}"
